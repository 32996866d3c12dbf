"""Cumulative moments at the end of each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from abkit.collectors.census import Census
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


def daily_series(
    engine: Engine,
    rows: Rows,
    terms: Sequence[Term],
    used: Mapping[str, Metric],
    census: Census,
    reading: Reading,
    filled: Sequence[Metric],
) -> dict[str, Series]:
    """Cumulative moments at the end of each day; quantiles have none.

    Nor has a metric whose unobserved units count as 0: on an early day nobody knew which units would stay unobserved.
    """
    if rows.data.time is None or rows.data.design == "paired":
        return {}
    late = {metric.name for metric in filled}
    plain = [term for term in terms if not isinstance(used[term.name], Quantile) and used[term.name].name not in late]
    if not plain:
        return {}
    read = engine.rows(daily_moments(rows, plain, list(census.values.values())))
    days = sorted({int(row["day"]) for row in read})
    shown = days if len(days) <= _MOST_LOOKS else [days[int(i)] for i in np.linspace(0, len(days) - 1, _MOST_LOOKS)]
    labels = tuple(datetime.fromtimestamp(day * _DAY, UTC).date().isoformat() for day in shown)
    series = {}
    for term in plain:
        metric = used[term.name]
        blocks = tuple(_cumulative(read, value, days, term, shown) for value in census.values.values())
        width = len(term.columns)
        missing = census.missing(metric) if metric.missing != "drop" else dict.fromkeys(census.rows, 0)
        moments = MetricMoments(blocks, level_of(metric, census, reading, blocks), width, missing)
        series[metric.name] = Series(labels, moments)
    return series


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


def count_arrivals(engine: Engine, rows: Rows, census: Census) -> Arrivals | None:
    """Count new units by day, or by weeks and longer where there are many days; a pair has no day of its own."""
    if rows.data.time is None or rows.data.design == "paired":
        return None
    read = engine.rows(new_units(rows, list(census.values.values())))
    first, last = min(int(row["day"]) for row in read), max(int(row["day"]) for row in read)
    step = next((step for step in _STEPS if (last - first) // step < _MOST_PERIODS), _STEPS[-1])
    counts = {value: np.zeros((last - first) // step + 1, dtype=np.int64) for value in census.values.values()}
    for row in read:
        counts[row["variant"]][(int(row["day"]) - first) // step] += int(row["units"])
    starts = range(first, last + 1, step)
    return Arrivals(
        days=tuple(datetime.fromtimestamp(day * _DAY, UTC).date().isoformat() for day in starts),
        step=step,
        units={name: tuple(counts[value].tolist()) for name, value in census.values.items()},
    )
