"""Data that is already totals per variant."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from sqlalchemy import Select, select

from abkit.collectors.engines import Engine
from abkit.collectors.query import Rows
from abkit.collectors.source import Source
from abkit.errors import DataError, NotFoundError, suggest
from abkit.models import Experiment, Mean, Proportion, Summary
from abkit.models.metric import Metric
from abkit.plain import iso
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import Moments, RatioLevel


def collect_summary(experiment: Experiment, source: Source, engine: Engine, where: str, as_of: datetime) -> Snapshot:
    """Read totals per variant; several rows of one variant are disjoint sets of units and are merged.

    Raises
    ------
    NotFoundError
        A column or a variant is absent.
    DataError
        Totals that cannot be: more successes than units, a negative variance, a metric without totals.
    """
    summary = source.data.summary
    assert summary is not None
    data = source.data
    named = [summary.n, *summary.sums.values(), *summary.means.values(), *summary.variances.values()]
    absent = [name for name in (data.variant, *named, *data.where) if name not in engine.types]
    if absent:
        raise NotFoundError(f"{where} lacks the column {absent[0]!r}{suggest(absent[0], engine.types)}")
    rows = Rows(engine.table, engine.types, data)
    read = engine.rows(_statement(rows, named))
    values = data.values_of(variant.name for variant in experiment.variants)
    known = set(values.values())
    strangers = sorted({str(row["variant"]) for row in read} - known)
    if strangers and data.variants is None:
        raise DataError(f"{where} holds variants that the experiment lacks: {', '.join(strangers)}")
    lines = {name: [row for row in read if row["variant"] == value] for name, value in values.items()}
    for name, found in lines.items():
        if not found:
            raise NotFoundError(f"{where} has no row for the variant {name!r}{suggest(values[name], strangers)}")
    metrics: dict[str, Any] = {
        metric.name: _metric_moments(metric, lines, summary, named, where) for metric, _ in experiment.metrics
    }
    units = {name: int(sum(_number(row, 0, summary.n, where) for row in found)) for name, found in lines.items()}
    return Snapshot(
        variants=tuple(values),
        design="randomized",
        as_of=iso(as_of),
        fingerprint=source.fingerprint() or "sha256:" + "0" * 64,
        units=units,
        rows={name: len(found) for name, found in lines.items()},
        total_units=sum(units.values()),
        rows_left_out=sum(row["variant"] not in known for row in read),
        metrics=metrics,
    )


def _statement(rows: Rows, named: list[str]) -> Select[Any]:
    numbers = [rows.number(name).label(f"number_{place}") for place, name in enumerate(named)]
    return select(rows.variant.label("variant"), *numbers).where(rows.kept)


def _number(row: dict[str, Any], place: int, column: str, where: str) -> float:
    value = row[f"number_{place}"]
    if value is None or not np.isfinite(value) or (place == 0 and (value < 1 or value != int(value))):
        wanted = "a whole number of units, at least 1" if place == 0 else "a finite number"
        raise DataError(f"{where}, column {column!r}, variant {row['variant']!r}: expected {wanted}, got {value!r}")
    return float(value)


def _metric_moments(
    metric: Metric, lines: dict[str, list[dict[str, Any]]], summary: Summary, named: list[str], where: str
) -> MetricMoments:
    if metric.covariate or metric.cap is not None:
        raise DataError(
            f"{metric.name!r} has a {'covariate' if metric.covariate else 'cap'}, which needs rows; {where} holds "
            "totals"
        )
    rate = isinstance(metric, Proportion) and metric.column in summary.sums
    if not rate and not (isinstance(metric, Mean) and metric.column in summary.means):
        known = ", ".join([*summary.sums, *summary.means])
        raise DataError(
            f"the summary in {where} has no totals for {metric.name!r} (it has: {known}); a proportion needs "
            "`sums`, a mean needs `means` and `variances`, other kinds need rows"
        )
    blocks = []
    for found in lines.values():
        parts = [_part(metric, row, summary, named, where, rate=rate) for row in found]
        blocks.append(reduce(add, parts))
    return MetricMoments(tuple(blocks), RatioLevel(), 2, dict.fromkeys(lines, 0), is_rate_of_units=rate)


def _part(
    metric: Metric, row: dict[str, Any], summary: Summary, named: list[str], where: str, *, rate: bool
) -> Moments:
    n = _number(row, 0, summary.n, where)
    (column,) = metric.columns
    if rate:
        name = summary.sums[column]
        total = _number(row, named.index(name), name, where)
        if not 0 <= total <= n or total != int(total):
            raise DataError(f"{where}, variant {row['variant']!r}: {name} is {total:g} of {n:g} units, which cannot be")
        mean, variance = total / n, total * (n - total) / (n * max(n - 1, 1))
    else:
        names = summary.means[column], summary.variances[column]
        mean, variance = (_number(row, named.index(name), name, where) for name in names)
        if variance < 0:
            raise DataError(f"{where}, variant {row['variant']!r}: {names[1]} is negative ({variance:g})")
    covariance = np.array([[variance, 0.0], [0.0, 0.0]]) if n > 1 else np.zeros((2, 2))
    return Moments(np.asarray(n), np.array([mean, 1.0]), covariance)
