"""From a metric to what is added up per row, and back from the moments to its level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import and_, case, func, literal, not_

from abkit.collectors.census import Census
from abkit.collectors.engines import Engine
from abkit.collectors.quantile_query import (
    Wanted,
    count_below,
    count_values,
    grouped,
    quantiles,
    quantiles_by_rank,
    whole_units,
)
from abkit.collectors.query import Expression, Rows, Term, any_missing, at_most
from abkit.errors import DefinitionError
from abkit.models import Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.stats import (
    Moments,
    RatioLevel,
    quantile_density,
    quantile_level,
    quantile_probabilities,
    rows_needed,
)
from abkit.stats.quantile import sketch_probabilities, sketched_quantile

_FAR = 1e4  # times its own level; beyond it a pooled constant would cost a variant its digits


@dataclass(frozen=True, slots=True)
class OrderStatistics:
    """Sample quantiles of one metric in each variant, or why there are none; error where they are a sketch's."""

    quantile: tuple[float, ...] = ()
    density: tuple[float, ...] = ()
    reason: str | None = None
    error: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read ahead of the moments: caps by metric name, order statistics by metric name."""

    caps: dict[str, float]
    orders: dict[str, OrderStatistics]


def read_ahead(
    engine: Engine, rows: Rows, census: Census, metrics: Sequence[Metric], *, all_units: bool = False
) -> Reading:
    """Read all quantiles and caps that the metrics need, of the rows whose units count, in two statements.

    Where all units count and all values are there, the counts are known and one statement is enough.
    """
    values = list(census.values.values())
    asked = [metric for metric in metrics if metric.cap is not None or isinstance(metric, Quantile)]
    if not asked:
        return Reading({}, {})
    if rows.data.unit is not None and not all_units:
        rows = rows.among_units(whole_units(rows, values))
    ordered = [metric for metric in asked if isinstance(metric, Quantile)]
    _check_sketches(engine, ordered)
    if all_units:
        counts = {(metric.name, name): size for metric in ordered for name, size in census.rows.items()}
    else:
        counts = _count(engine, rows, census, ordered)
    wanted = [Wanted(m.name, values_of(m, rows)[0], None, m.cap) for m in asked if m.cap is not None]
    reasons: dict[str, str] = {}
    for metric in ordered:
        for name, value in census.values.items():
            is_sketch = metric.method == "sketch"
            where = sketch_probabilities if is_sketch else quantile_probabilities
            places = where(metric.q, counts[metric.name, name])
            if places is None:
                reasons[metric.name] = _too_few(metric, name, counts[metric.name, name])
            else:
                wanted += [Wanted(metric.name, values_of(metric, rows)[0], value, place, is_sketch) for place in places]
    wanted = [one for one in wanted if one.name not in reasons]
    read: dict[str, list[float]] = {}
    for one, number in zip(wanted, read_quantiles(engine, rows, wanted, values), strict=True):
        read.setdefault(one.name, []).append(number)
    caps = {metric.name: read[metric.name][0] for metric in asked if metric.cap is not None}
    exact = [metric for metric in ordered if metric.method == "exact"]
    orders = {m.name: _order(m, census, counts, read.get(m.name, []), reasons.get(m.name)) for m in exact}
    sketched = [one for one in wanted if one.sketched]
    numbers = [number for one in dict.fromkeys(one.name for one in sketched) for number in read[one]]
    orders |= {name: OrderStatistics(reason=reason) for name, reason in reasons.items()}
    orders |= _sketched_orders(engine, rows, sketched, numbers, census, counts, ordered)
    return Reading(caps, orders)


def _check_sketches(engine: Engine, metrics: Sequence[Quantile]) -> None:
    asking = [repr(metric.name) for metric in metrics if metric.method == "sketch"]
    if asking and not engine.sketches:
        raise DefinitionError(
            f"{', '.join(asking)}: this database has no mergeable sketch of quantiles; use method: exact, or read the "
            "data with DuckDB (files, frames) or Spark"
        )


def _sketched_orders(
    engine: Engine,
    rows: Rows,
    wanted: Sequence[Wanted],
    numbers: Sequence[float],
    census: Census,
    counts: Mapping[tuple[str, str], int],
    metrics: Sequence[Quantile],
) -> dict[str, OrderStatistics]:
    """Correct what was read from sketches by counting, in one statement, the rows below each of them."""
    below = engine.rows(count_below(rows, wanted, numbers))[0] if wanted else {}
    found: dict[str, OrderStatistics] = {}
    for metric in metrics:
        mine = [place for place, one in enumerate(wanted) if one.name == metric.name]
        made = []
        for name, start in zip(census.values if mine else (), mine[::3], strict=True):
            n = counts[metric.name, name]
            until = tuple(int(below[f"at_or_below_{start + i}"]) / n for i in range(3))
            three = tuple(numbers[start : start + 3])
            made.append(sketched_quantile(metric.q, n, three, int(below[f"below_{start}"]) / n, until))  # type: ignore[arg-type]
            if made[-1] is None:
                found[metric.name] = OrderStatistics(reason=_tied(name, three[0]))
        if mine and metric.name not in found:
            quantile, density, error = zip(*(one for one in made if one), strict=True)
            found[metric.name] = OrderStatistics(quantile, density, error=error)
    return found


def sketch_error(metric: Metric, reading: Reading) -> tuple[float, ...]:
    """How far the level of each variant may be off because it was read from a sketch; nothing where it was not."""
    return reading.orders[metric.name].error if metric.name in reading.orders else ()


def sketch_notes(metric: Metric, census: Census, reading: Reading) -> list[str]:
    """Say in words what a sketch did."""
    error = sketch_error(metric, reading)
    if not error:
        return []
    by_variant = ", ".join(f"{name} {one:.2g}" for name, one in zip(census.values, error, strict=True))
    return [
        f"approximate: read from a sketch and corrected by counting rows; it was off by up to {by_variant}, which the "
        "standard errors contain"
    ]


def read_quantiles(engine: Engine, rows: Rows, wanted: Sequence[Wanted], values: Sequence[str]) -> list[float]:
    """Read quantiles in one statement, in the order in which they are wanted."""
    if not wanted:
        return []
    if engine.ranks:
        found = engine.rows(quantiles_by_rank(rows, wanted, values))[0]
        return [float(found[f"quantile_{place}"]) for place in range(len(wanted))]
    found = engine.rows(quantiles(rows, wanted, values))[0]
    read = [0.0] * len(wanted)
    for group, places in enumerate(grouped(wanted).values()):
        for place, number in zip(places, found[f"group_{group}"], strict=True):
            read[place] = float(number)
    return read


def _count(engine: Engine, rows: Rows, census: Census, metrics: Sequence[Quantile]) -> dict[tuple[str, str], int]:
    """Values of each metric in each variant."""
    wanted = [Wanted(m.name, values_of(m, rows)[0], value, m.q) for m in metrics for value in census.values.values()]
    found = engine.rows(count_values(rows, wanted))[0] if wanted else {}
    keys = [(metric.name, name) for metric in metrics for name in census.values]
    return {key: int(found[f"count_{place}"]) for place, key in enumerate(keys)}


def _too_few(metric: Quantile, variant: str, count: int) -> str:
    return (
        f"{variant!r} has {count:,} rows; p{metric.q * 100:g} needs at least {rows_needed(metric.q):,} to have an "
        "interval"
    )


def _order(
    metric: Quantile,
    census: Census,
    counts: Mapping[tuple[str, str], int],
    read: Sequence[float],
    reason: str | None,
) -> OrderStatistics:
    if reason is not None:
        return OrderStatistics(reason=reason)
    found, densities = [], []
    for place, name in enumerate(census.values):
        quantile, low, high, before, after = read[5 * place : 5 * place + 5]
        density = quantile_density(low, high, metric.q, counts[metric.name, name])
        if density is None or before == after:
            return OrderStatistics(reason=_tied(name, quantile))
        found.append(quantile)
        densities.append(density)
    return OrderStatistics(tuple(found), tuple(densities))


def _tied(variant: str, quantile: float) -> str:
    return (
        f"too many rows of {variant!r} share the value {quantile:g} at the quantile to tell how uncertain it is; "
        "record more digits"
    )


def values_of(metric: Metric, rows: Rows) -> list[Expression]:
    """The metric's columns as numbers, a missing value read as its rule says."""
    values = [rows.number(column) for column in metric.columns]
    return [func.coalesce(value, 0.0) for value in values] if metric.missing == "zero" else values


def term_of(metric: Metric, name: str, rows: Rows, census: Census, reading: Reading) -> Term:
    """Say what the metric adds up per row: numerator, denominator and, with a covariate, the same of it."""
    values = values_of(metric, rows)
    counts = not_(any_missing(values)) if metric.missing == "drop" else None
    if metric.name in reading.caps:
        values[0] = at_most(values[0], reading.caps[metric.name])
    if isinstance(metric, Quantile):
        columns = [_is_below(values[0], rows, census, reading.orders[metric.name]), literal(1.0)]
    elif isinstance(metric, Ratio):
        columns = [values[0] - _offset(metric, rows, census) * values[1], values[1]]
    else:
        columns = [values[0] - _offset(metric, rows, census), literal(1.0)]
    if metric.covariate:
        center = census.mean(metric.covariate)
        columns += [func.coalesce(rows.number(metric.covariate), center) - center, literal(1.0)]
    if counts is not None:
        columns = [case((counts, part), else_=0.0) for part in columns]
    return Term(name, tuple(columns), counts)


def _is_below(value: Expression, rows: Rows, census: Census, order: OrderStatistics) -> Expression:
    """1 where the row is at or below the quantile of its variant."""
    pairs = zip(census.values.values(), order.quantile, strict=True)
    return case(*((and_(rows.variant == name, value <= quantile), 1.0) for name, quantile in pairs), else_=0.0)


def _offset(metric: Metric, rows: Rows, census: Census) -> Expression:
    offsets = offsets_of(metric, census)
    if len(set(offsets)) == 1:
        return literal(offsets[0])
    pairs = zip(census.values.values(), offsets, strict=True)
    return case(*((rows.variant == value, literal(offset)) for value, offset in pairs), else_=literal(0.0))


def offsets_of(metric: Metric, census: Census) -> tuple[float, ...]:
    """Return a constant near the level of each variant: sums about it keep their digits.

    The same constant for all, unless their levels are orders of magnitude apart: one absurd value in a variant must not
    cost the others their digits. Rates are small whole sums and need none.
    """
    if isinstance(metric, Proportion | Quantile):
        return (0.0,) * len(census.values)
    each = tuple(_level(metric, census, name) for name in census.values)
    pooled = _level(metric, census, None)
    near = all(abs(one - pooled) <= _FAR * abs(one) for one in each)
    return (pooled,) * len(each) if near else each


def _level(metric: Metric, census: Census, variant: str | None) -> float:
    names = [variant] if variant is not None else list(census.values)
    above = sum(census.totals[metric.columns[0]][name] for name in names)
    if isinstance(metric, Ratio):
        below = sum(census.totals[metric.denominator][name] for name in names)
    else:
        below = sum(census.present[metric.columns[0]][name] for name in names)
    return above / below if below else 0.0


def level_of(metric: Metric, census: Census, reading: Reading, blocks: Sequence[Moments]) -> RatioLevel:
    """Say how mean vectors of the metric's columns become its level."""
    if not isinstance(metric, Quantile):
        return RatioLevel(np.array(offsets_of(metric, census)))
    order = reading.orders[metric.name]
    width = 4 if metric.covariate else 2
    mean = np.concatenate([block.mean for block in blocks], axis=-1).reshape(-1, width)
    return quantile_level(order.quantile, order.density, mean[:, 0] / mean[:, 1])
