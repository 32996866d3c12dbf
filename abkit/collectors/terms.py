"""From a metric to what is added up per row, and back from the moments to its level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import and_, case, func, literal, not_

from abkit.collectors.census import Census
from abkit.collectors.engines import Engine
from abkit.collectors.query import Expression, Rows, Term, any_missing, at_most, quantiles, quantiles_by_rank
from abkit.models import Mean, Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.stats import (
    Moments,
    RatioLevel,
    outer_probabilities,
    quantile_density,
    quantile_level,
    rows_needed,
)


@dataclass(frozen=True, slots=True)
class OrderStatistics:
    """Sample quantiles of one metric in each variant, or why there are none."""

    quantile: tuple[float, ...] = ()
    density: tuple[float, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read ahead of the moments: caps by metric name, order statistics by metric name."""

    caps: dict[str, float]
    orders: dict[str, OrderStatistics]


def read_ahead(engine: Engine, rows: Rows, census: Census, metrics: Sequence[Metric]) -> Reading:
    """Read all quantiles and caps that the metrics need, in one statement."""
    wanted: list[tuple[str, str | None, float]] = []
    places: dict[tuple[str, str], int] = {}
    reasons: dict[str, str] = {}
    for metric in metrics:
        if isinstance(metric, Mean | Ratio) and metric.cap is not None:
            places[metric.name, ""] = len(wanted)
            wanted += [(column, None, metric.cap) for column in metric.columns[:1]]
        if isinstance(metric, Quantile):
            for name, value in census.values.items():
                outer = outer_probabilities(metric.q, census.present[metric.column][name])
                if outer is None:
                    reasons[metric.name] = _too_few(metric, name, census)
                    continue
                places[metric.name, name] = len(wanted)
                wanted += [(metric.column, value, probability) for probability in (metric.q, *outer)]
    statement = quantiles_by_rank if engine.ranks else quantiles
    read = engine.rows(statement(rows, wanted, list(census.values.values())))[0] if wanted else {}
    values = [float(read[f"quantile_{place}"]) for place in range(len(wanted))]
    caps = {metric.name: values[places[metric.name, ""]] for metric in metrics if (metric.name, "") in places}
    orders = {
        metric.name: OrderStatistics(reason=reasons[metric.name])
        if metric.name in reasons
        else _order(metric, census, [values[places[metric.name, name] :][:3] for name in census.values])
        for metric in metrics
        if isinstance(metric, Quantile)
    }
    return Reading(caps, orders)


def _too_few(metric: Quantile, variant: str, census: Census) -> str:
    return (
        f"{variant!r} has {census.present[metric.column][variant]:,} rows; "
        f"p{metric.q * 100:g} needs at least {rows_needed(metric.q):,} to have an interval"
    )


def _order(metric: Quantile, census: Census, read: Sequence[Sequence[float]]) -> OrderStatistics:
    densities = [
        quantile_density(low, high, metric.q, census.present[metric.column][name])
        for name, (_, low, high) in zip(census.values, read, strict=True)
    ]
    known = tuple(density for density in densities if density is not None)
    if len(known) < len(densities):
        return OrderStatistics(reason="too many equal values around the quantile to estimate its standard error")
    return OrderStatistics(tuple(values[0] for values in read), known)


def term_of(metric: Metric, name: str, rows: Rows, census: Census, reading: Reading) -> Term:
    """Say what the metric adds up per row: numerator, denominator and, with a covariate, the same of it."""
    values = [rows.number(column) for column in metric.columns]
    counts = not_(any_missing(values)) if metric.missing == "drop" else None
    if metric.missing == "zero":
        values = [func.coalesce(value, 0.0) for value in values]
    if metric.name in reading.caps:
        values[0] = at_most(values[0], reading.caps[metric.name])
    if isinstance(metric, Quantile):
        columns = [_is_below(values[0], rows, census, reading.orders[metric.name]), literal(1.0)]
    elif isinstance(metric, Ratio):
        columns = [values[0] - offset_of(metric, census) * values[1], values[1]]
    else:
        columns = [values[0] - offset_of(metric, census), literal(1.0)]
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


def offset_of(metric: Metric, census: Census) -> float:
    """Return a constant near the level: sums about it keep their digits. Rates are small whole sums and need none."""
    if isinstance(metric, Proportion | Quantile):
        return 0.0
    if isinstance(metric, Ratio):
        below = census.mean(metric.denominator) * sum(census.present[metric.denominator].values())
        above = census.mean(metric.numerator) * sum(census.present[metric.numerator].values())
        return above / below if below else 0.0
    return census.mean(metric.columns[0])


def level_of(metric: Metric, census: Census, reading: Reading, blocks: Sequence[Moments]) -> RatioLevel:
    """Say how mean vectors of the metric's columns become its level."""
    if not isinstance(metric, Quantile):
        return RatioLevel(offset_of(metric, census))
    order = reading.orders[metric.name]
    width = 4 if metric.covariate else 2
    mean = np.concatenate([block.mean for block in blocks], axis=-1).reshape(-1, width)
    return quantile_level(order.quantile, order.density, mean[:, 0] / mean[:, 1])
