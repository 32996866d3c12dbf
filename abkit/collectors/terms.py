"""From a metric to what is added up per row, and back from the moments to its level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import case, func, literal, not_

from abkit.collectors.census import Census
from abkit.collectors.query import Expression, Rows, Term, any_missing
from abkit.models import Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.stats import Moments, RatioLevel, quantile_level

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


def values_of(metric: Metric, rows: Rows) -> list[Expression]:
    """The metric's columns as numbers, a missing value read as its rule says."""
    values = [rows.number(column) for column in metric.columns]
    return [func.coalesce(value, 0.0) for value in values] if metric.missing == "zero" else values


def term_of(metric: Metric, name: str, rows: Rows, census: Census, reading: Reading) -> Term:
    """Say what the metric adds up per row: numerator, denominator and, with a covariate, the same of it."""
    values = values_of(metric, rows)
    counts = not_(any_missing(values)) if metric.missing == "drop" else None
    if metric.name in reading.caps:
        cap = reading.caps[metric.name]
        values[0] = case((values[0] > cap, cap), else_=values[0])
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
    quantile = case(dict(zip(census.values.values(), order.quantile, strict=True)), value=rows.variant)
    return case((value <= quantile, 1.0), else_=0.0)


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
