"""Order statistics, read ahead of the moments: caps, and what quantiles are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from abkit.collectors.query import Rows
from abkit.collectors.terms import OrderStatistics, Reading, values_of
from abkit.errors import DefinitionError
from abkit.models import Quantile
from abkit.models.metric import Metric
from abkit.stats import quantile_density, quantile_probabilities, rows_needed
from abkit.stats.quantile import sketch_probabilities, sketched_quantile

Counts = Mapping[tuple[str, str], int]
Found = Mapping[tuple[str, str | None], Sequence[float]]
"""What was counted or read for a metric in the rows of a variant, by the value that it has in the data."""


def read_ahead(
    engine: Engine, rows: Rows, census: Census, metrics: Sequence[Metric], *, all_units: bool = False
) -> Reading:
    """Read all quantiles and caps that the metrics need, of the rows whose units count, in two statements.

    Where all units count and all values are there, the counts are known and one statement is enough.
    """
    capped = [metric for metric in metrics if metric.cap is not None]
    ordered = [metric for metric in metrics if isinstance(metric, Quantile)]
    if not capped and not ordered:
        return Reading({}, {})
    if rows.data.unit is not None and not all_units:
        rows = rows.among_units(whole_units(rows, list(census.values.values())))
    known = {(m.name, census.values[name]): size for m in ordered for name, size in census.rows.items()}
    read, orders = _read(engine, rows, [census], ordered, capped, known if all_units else None)
    return Reading({metric.name: read[metric.name, None][0] for metric in capped}, orders[0])


def read_parts(
    engine: Engine, rows: Rows, parts: Sequence[Census], metrics: Sequence[Quantile]
) -> list[dict[str, OrderStatistics]]:
    """Read the order statistics of each metric in each part of the rows, whose units all count, in two statements."""
    return _read(engine, rows, parts, metrics, [], None)[1] if metrics and parts else [{} for _ in parts]


def _read(
    engine: Engine,
    rows: Rows,
    parts: Sequence[Census],
    ordered: Sequence[Quantile],
    capped: Sequence[Metric],
    known: Counts | None,
) -> tuple[Found, list[dict[str, OrderStatistics]]]:
    values = [value for part in parts for value in part.values.values()]
    _check_sketches(engine, ordered)
    counts = _count(engine, rows, ordered, values) if known is None else known
    orders: list[dict[str, OrderStatistics]] = [
        {m.name: OrderStatistics(reason=why) for m in ordered if (why := too_few(m, part, counts))} for part in parts
    ]
    wanted = [Wanted(m.name, values_of(m, rows)[0], None, m.cap) for m in capped if m.cap is not None]
    for part, refused in zip(parts, orders, strict=True):
        for metric in ordered:
            if metric.name not in refused:
                wanted += _wanted(metric, part, rows, counts)
    read: dict[tuple[str, str | None], list[float]] = {}
    for one, number in zip(wanted, read_quantiles(engine, rows, wanted, values), strict=True):
        read.setdefault((one.name, one.variant), []).append(number)
    corrected = _correct(engine, rows, [one for one in wanted if one.sketched], read, counts)
    for part, found in zip(parts, orders, strict=True):
        for metric in ordered:
            if metric.name not in found:
                if metric.method == "exact":
                    found[metric.name] = order_statistics(metric, part, counts, read)
                else:
                    found[metric.name] = _sketched_order(metric, part, counts, corrected)
    return read, orders


def _wanted(metric: Quantile, part: Census, rows: Rows, counts: Counts) -> list[Wanted]:
    column, sketched = values_of(metric, rows)[0], metric.method == "sketch"
    return [
        Wanted(metric.name, column, value, place, sketched)
        for value in part.values.values()
        for place in places_of(metric, counts[metric.name, value]) or ()
    ]


def places_of(metric: Quantile, count: int) -> tuple[float, ...] | None:
    """Return where so many values are read for a metric's inference; None where they are too few."""
    where = sketch_probabilities if metric.method == "sketch" else quantile_probabilities
    return where(metric.q, count)


def _check_sketches(engine: Engine, metrics: Sequence[Quantile]) -> None:
    asking = [repr(metric.name) for metric in metrics if metric.method == "sketch"]
    if asking and not engine.sketches:
        raise DefinitionError(
            f"{', '.join(asking)}: this database has no mergeable sketch of quantiles; use method: exact, or read the "
            "data with DuckDB (files, frames) or Spark"
        )


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


def _count(
    engine: Engine, rows: Rows, metrics: Sequence[Quantile], values: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Values of each metric in the rows of each variant."""
    wanted = [
        Wanted(metric.name, values_of(metric, rows)[0], value, metric.q) for metric in metrics for value in values
    ]
    found = engine.rows(count_values(rows, wanted))[0] if wanted else {}
    return {(one.name, str(one.variant)): int(found[f"count_{place}"]) for place, one in enumerate(wanted)}


def too_few(metric: Quantile, part: Census, counts: Counts) -> str | None:
    """Return the last variant that has too few rows, in words."""
    reason = None
    for name, value in part.values.items():
        count = counts[metric.name, value]
        if places_of(metric, count) is None:
            reason = (
                f"{name!r} has {count:,} rows; p{metric.q * 100:g} needs at least {rows_needed(metric.q):,} to have an "
                "interval"
            )
    return reason


def order_statistics(metric: Quantile, part: Census, counts: Counts, read: Found) -> OrderStatistics:
    """Return what was read as the quantile and the density of each variant, or why there are none."""
    found, densities = [], []
    for name, value in part.values.items():
        quantile, low, high, before, after = read[metric.name, value]
        density = quantile_density(low, high, metric.q, counts[metric.name, value])
        if density is None or before == after:
            return OrderStatistics(reason=_tied(name, quantile))
        found.append(quantile)
        densities.append(density)
    return OrderStatistics(tuple(found), tuple(densities))


def _correct(engine: Engine, rows: Rows, wanted: Sequence[Wanted], read: Found, counts: Counts) -> Found:
    """Count, in one statement, the rows below what sketches gave; shares stand behind it: below, then up to each."""
    if not wanted:
        return {}
    places = {key: 3 * at for at, key in enumerate(dict.fromkeys((one.name, one.variant) for one in wanted))}
    numbers = [number for key in places for number in read[key]]
    below = engine.rows(count_below(rows, wanted, numbers))[0]
    found = {}
    for (name, value), start in places.items():
        counted = [below[f"below_{start}"], *(below[f"at_or_below_{start + at}"] for at in range(3))]
        found[name, value] = [*read[name, value], *(int(one) / counts[name, str(value)] for one in counted)]
    return found


def _sketched_order(metric: Quantile, part: Census, counts: Counts, read: Found) -> OrderStatistics:
    made = []
    for name, value in part.values.items():
        middle, low, high, below, *until = read[metric.name, value]
        n = counts[metric.name, value]
        corrected = sketched_quantile(metric.q, n, (middle, low, high), below, (until[0], until[1], until[2]))
        if corrected is None:
            return OrderStatistics(reason=_tied(name, middle))
        made.append(corrected)
    quantile, density, error = zip(*made, strict=True)
    return OrderStatistics(quantile, density, error=error)


def _tied(variant: str, quantile: float) -> str:
    return (
        f"too many rows of {variant!r} share the value {quantile:g} at the quantile to tell how uncertain it is; "
        "record more digits"
    )
