"""Cumulative moments at the end of each day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from abkit.collectors.census import Census, moment_of
from abkit.collectors.daily_query import daily_moments, new_units
from abkit.collectors.engines import Engine
from abkit.collectors.query import Rows, Term
from abkit.collectors.terms import Reading, level_of
from abkit.models import Quantile
from abkit.models.metric import Metric
from abkit.snapshot import Arrivals, MetricMoments, Series
from abkit.stats import Moments

_MOST_LOOKS = 60
_DAY = 86400
_STEPS = (1, 7, 28, 364)
_MOST_PERIODS = 120


def collect_days(
    engine: Engine,
    rows: Rows,
    terms: Sequence[Term],
    used: Mapping[str, Metric],
    census: Census,
    reading: Reading,
    filled: Sequence[Metric],
) -> tuple[dict[str, Series], Arrivals | None]:
    """Read cumulative moments at the end of each day, which quantiles have none of, and count the day's new units.

    Nor has a metric whose unobserved units count as 0: on an early day nobody knew which units would stay unobserved.
    A pair has no day of its own.
    """
    if rows.data.time is None or rows.data.design == "paired":
        return {}, None
    late = {metric.name for metric in filled}
    plain = [term for term in terms if not isinstance(used[term.name], Quantile) and used[term.name].name not in late]
    values = list(census.values.values())
    read = engine.rows(daily_moments(rows, plain, values) if plain else new_units(rows, values))
    counted = [(row["variant"], int(row["day"]), int(row["units"])) for row in read if row["units"]]
    days = sorted({int(row["day"]) for row in read})
    shown = [days[place] for place in shown_days(len(days))]
    series = {}
    for term in plain:
        metric = used[term.name]
        blocks = tuple(_cumulative(read, value, days, term, shown) for value in census.values.values())
        series[metric.name] = series_of(metric, day_names(shown), blocks, census, reading)
    return series, arrivals_of(counted, census.values)


def shown_days(count: int) -> list[int]:
    """Return the places of the days that are shown, the first and the last among them."""
    return list(range(count)) if count <= _MOST_LOOKS else np.linspace(0, count - 1, _MOST_LOOKS).astype(int).tolist()


def day_names(days: Iterable[int]) -> tuple[str, ...]:
    """Return the dates of days since 1970."""
    return tuple(moment_of(day * _DAY).date().isoformat() for day in days)


def series_of(
    metric: Metric, days: tuple[str, ...], blocks: tuple[Moments, ...], census: Census, reading: Reading
) -> Series:
    """Return cumulative moments with what is said of them."""
    missing = census.missing(metric) if metric.missing != "drop" else dict.fromkeys(census.rows, 0)
    width = 4 if metric.covariate else 2
    return Series(days, MetricMoments(blocks, level_of(metric, census, reading, blocks), width, missing))


def _cumulative(
    read: Sequence[Mapping[str, Any]], value: str, days: Sequence[int], term: Term, shown: Sequence[int]
) -> Moments:
    size = len(term.columns)
    place = {day: i for i, day in enumerate(days)}
    units, sums, products = np.zeros(len(days)), np.zeros((len(days), size)), np.zeros((len(days), size, size))
    for row in read:
        if row["variant"] != value:
            continue
        i = place[int(row["day"])]
        units[i] = row["units"] if term.counts is None else row[f"{term.name}_units"]
        for a in range(size):
            sums[i, a] = row[f"{term.name}_sum_{a}"]
            for b in range(size):
                products[i, a, b] = row[f"{term.name}_product_{min(a, b)}_{max(a, b)}"]
    kept = [place[day] for day in shown]
    totals = (np.cumsum(part, axis=0)[kept] for part in (units, sums, products))
    n, total, product = totals
    return Moments.from_shifted_sums(n, np.zeros(size), total, product)


def arrivals_of(counted: Sequence[tuple[str, int, int]], values: Mapping[str, str]) -> Arrivals:
    """Return the new units of a variant's value on a day by periods: weeks and longer where there are many days."""
    first, last = min(day for _, day, _ in counted), max(day for _, day, _ in counted)
    step = next((step for step in _STEPS if (last - first) // step < _MOST_PERIODS), _STEPS[-1])
    counts = {value: np.zeros((last - first) // step + 1, dtype=np.int64) for value in values.values()}
    for value, day, units in counted:
        counts[value][(day - first) // step] += units
    return Arrivals(
        days=day_names(range(first, last + 1, step)),
        step=step,
        units={name: tuple(counts[value].tolist()) for name, value in values.items()},
    )
