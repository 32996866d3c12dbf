"""The values behind means and quantiles: their quantiles, zeros, and what compares their tails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abkit.collectors.census import Census
from abkit.collectors.engines import Engine
from abkit.collectors.orders import read_ahead, read_quantiles
from abkit.collectors.quantile_query import Wanted, shape_of, whole_units
from abkit.collectors.query import Rows, Term, paired_units, randomized_moments
from abkit.collectors.reduction import moments_of, paired_moments
from abkit.collectors.terms import level_of, sketch_error, term_of, values_of
from abkit.models import Mean, Quantile
from abkit.models.metric import Metric
from abkit.snapshot import Distribution, MetricMoments, NotCollected
from abkit.stats import Moments

_STEPS = 60
_PROBABILITIES = (*(step / _STEPS for step in range(1, _STEPS)), 0.99)
_FEWEST_ROWS = 10
COMPARED = (0.5, 0.9, 0.99)


def collect_distributions(
    engine: Engine, rows: Rows, metrics: Sequence[Metric], census: Census
) -> tuple[Distribution, ...]:
    """Read the distribution of every column of which a mean or a quantile is taken, uncapped, of the units that count.

    Sixty quantiles tell a curve from its neighbours and no row from another one.
    """
    chosen: dict[str, Metric] = {}
    for metric in metrics:
        if isinstance(metric, Mean | Quantile):
            chosen.setdefault(metric.column, metric)
    if not chosen:
        return ()
    values = list(census.values.values())
    if rows.data.unit is not None:
        rows = rows.among_units(whole_units(rows, values))
    columns = {f"c{place}": values_of(metric, rows)[0] for place, metric in enumerate(chosen.values())}
    shapes = {row["variant"]: row for row in engine.rows(shape_of(rows, columns, values))}
    tails = _compare_tails(engine, rows, list(chosen.values()), census)
    found = []
    for place, (column, metric) in enumerate(chosen.items()):
        counted = {name: int(shapes[value][f"c{place}_rows"]) for name, value in census.values.items()}
        read = _curves(engine, rows, metric, census) if min(counted.values()) >= _FEWEST_ROWS else {}
        found.append(
            Distribution(
                column=column,
                metric=metric.name,
                probabilities=_PROBABILITIES,
                quantiles=read,
                rows=counted,
                zeros={name: int(shapes[value][f"c{place}_zeros"]) for name, value in census.values.items()},
                moments={q: tails[_name(place, q)] for q in COMPARED},
            )
        )
    return tuple(found)


def _curves(engine: Engine, rows: Rows, metric: Metric, census: Census) -> dict[str, tuple[float, ...]]:
    values = list(census.values.values())
    value = values_of(metric, rows)[0]
    sketched = isinstance(metric, Quantile) and metric.method == "sketch"
    wanted = [Wanted(metric.name, value, variant, place, sketched) for variant in values for place in _PROBABILITIES]
    read, size = read_quantiles(engine, rows, wanted, values), len(_PROBABILITIES)
    return {name: tuple(read[i * size : (i + 1) * size]) for i, name in enumerate(census.values)}


def _name(place: int, q: float) -> str:
    return f"column {place} p{100 * q:g}"


def _compare_tails(
    engine: Engine, rows: Rows, metrics: Sequence[Any], census: Census
) -> dict[str, MetricMoments | NotCollected]:
    """What quantile metrics of the columns would have, read like those of the experiment itself."""
    asked = [
        Quantile(
            metric.column,
            q,
            goal=metric.goal,
            missing=metric.missing,
            name=_name(place, q),
            method=getattr(metric, "method", "exact"),
        )
        for place, metric in enumerate(metrics)
        for q in COMPARED
    ]
    reading, nothing = read_ahead(engine, rows, census, asked), dict.fromkeys(census.rows, 0)
    found: dict[str, MetricMoments | NotCollected] = {
        name: NotCollected(order.reason, nothing) for name, order in reading.orders.items() if order.reason
    }
    used = {f"q{place}": metric for place, metric in enumerate(asked) if metric.name not in found}
    terms = [term_of(metric, name, rows, census, reading) for name, metric in used.items()]
    for name, blocks in _blocks(engine, rows, terms, census).items():
        level = level_of(used[name], census, reading, blocks)
        found[used[name].name] = MetricMoments(blocks, level, 2, nothing, error=sketch_error(used[name], reading))
    return found


def _blocks(engine: Engine, rows: Rows, terms: Sequence[Term], census: Census) -> dict[str, tuple[Moments, ...]]:
    values = list(census.values.values())
    if not terms:
        return {}
    if rows.data.design == "paired":
        return paired_moments(engine.batches(paired_units(rows, terms, values)), terms, census)[1]
    read = {row["variant"]: row for row in engine.rows(randomized_moments(rows, terms, values))}
    return {term.name: tuple(moments_of(read.get(value), term) for value in values) for term in terms}
