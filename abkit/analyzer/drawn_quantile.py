"""Quantiles of drawn units: the rows are sorted once, and each experiment only weighs them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.analyzer.unit_table import Ordered, UnitTable
from abkit.models import Quantile
from abkit.stats import Moments, RatioLevel, quantile_density, quantile_level, quantile_probabilities
from abkit.stats.moments import Array


def quantile_moments(table: UnitTable, counts: Array, metric: Quantile) -> tuple[Moments, RatioLevel]:
    """Return moments and level of a quantile in S experiments.

    Parameters
    ----------
    table : UnitTable
    counts : array (S, A)
        How often each unit was drawn in each option.
    metric : Quantile
    """
    ordered = table.ordered[metric.name]
    rotations = len(ordered.extra)
    weights = counts.reshape(len(counts), rotations, -1, table.units).sum(axis=2).reshape(len(counts), -1)
    if table.variants == 1 and not ordered.extra.size:
        return _one_by_one(ordered, weights, metric)
    return _together(table, ordered, weights, metric)


def _one_by_one(ordered: Ordered, weights: Array, metric: Quantile) -> tuple[Moments, RatioLevel]:
    """A variant by itself: with its rows in order, every sum over units is one over the first rows."""
    rows = np.bincount(ordered.unit, minlength=weights.shape[1]).astype(np.float64)
    drawn = weights[:, ordered.unit]
    reached = np.cumsum(drawn, axis=1)
    several = bool((rows > 1).any())
    odd, many = (2 * _earlier_rows(ordered.unit) + 1, rows[ordered.unit]) if several else (rows, rows)
    sums, products = np.zeros((len(weights), 2)), np.zeros((len(weights), 2, 2))
    n = reached[:, -1] if not several else (weights @ (rows > 0) if metric.missing == "drop" else weights.sum(axis=1))
    sums[:, 1], products[:, 1, 1] = reached[:, -1], weights @ rows**2 if several else reached[:, -1]
    offsets, scales = np.zeros((2, len(weights), 1))
    for i in range(len(weights)):
        quantile, density, last = _read(ordered.values, drawn[i], reached[i], metric.q)
        below = reached[i, last - 1] if last else 0.0
        sums[i, 0] = below
        products[i, 0, 0] = np.add.reduce(drawn[i, :last] * odd[:last]) if several else below
        products[i, 0, 1] = np.add.reduce(drawn[i, :last] * many[:last]) if several else below
        level = quantile_level(quantile, density, below / max(sums[i, 1], 1.0))
        offsets[i], scales[i] = level.offset, level.scale
    products[:, 1, 0] = products[:, 0, 1]
    raised = 1 + ordered.lifts[0]
    return Moments.from_shifted_sums(n, np.zeros(2), sums, products), RatioLevel(offsets * raised, scales * raised)


def _earlier_rows(unit: npt.NDArray[np.intp]) -> Array:
    """How many rows of the same unit stand before each row."""
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    earlier = np.empty(len(unit))
    earlier[order] = np.arange(len(unit)) - np.repeat(starts, np.diff([*starts, len(unit)]))
    return earlier


def _together(table: UnitTable, ordered: Ordered, weights: Array, metric: Quantile) -> tuple[Moments, RatioLevel]:
    """Variants that share their units, or a covariate: products over units, experiment by experiment."""
    rotations, variants = len(ordered.extra), table.variants
    places = [((ordered.block - v) % rotations) * table.units + ordered.unit for v in range(variants)]
    columns = np.zeros((weights.shape[1], variants, 2 + ordered.extra.shape[-1]))
    columns[..., 1] = np.stack([np.bincount(place, minlength=weights.shape[1]) for place in places], axis=-1)
    columns[..., 2:] = ordered.extra.reshape(weights.shape[1], variants, -1)
    size = columns[0].size
    n, sums, products = np.zeros(len(weights)), np.zeros((len(weights), size)), np.zeros((len(weights), size, size))
    offsets, scales = np.zeros((2, len(weights), variants))
    for i, weight in enumerate(weights):
        for v, place in enumerate(places):
            drawn = weight[place]
            quantile, density, last = _read(ordered.values, drawn, np.cumsum(drawn), metric.q)
            columns[:, v, 0] = np.bincount(place[:last], minlength=len(weight))
            level = quantile_level(quantile, density, drawn[:last].sum() / max(drawn.sum(), 1.0))
            offsets[i, v], scales[i, v] = level.offset, level.scale
        counted = weight * (columns[..., 1] > 0).all(axis=-1) if metric.missing == "drop" else weight
        flat = columns.reshape(len(weight), size)
        n[i], sums[i], products[i] = counted.sum(), counted @ flat, flat.T @ (counted[:, None] * flat)
    raised = 1 + np.array(ordered.lifts)
    return Moments.from_shifted_sums(n, np.zeros(size), sums, products), RatioLevel(offsets * raised, scales * raised)


def _read(values: Array, drawn: Array, reached: Array, q: float) -> tuple[float, float, int]:
    """Quantile, density (NaN where there is none) and how many of the rows lie at or below it.

    Between two rows of the past the values are taken as evenly spread: that a row was drawn twice makes no tie, while
    rows that are equal stay equal.
    """
    n = int(reached[-1]) if len(reached) else 0
    places = quantile_probabilities(q, n)
    if places is None:
        return np.nan, np.nan, 0
    quantile, low, high, before, after = np.interp(np.array(places) * n, reached - drawn / 2, values)
    density = None if before == after else quantile_density(float(low), float(high), q, n)
    return float(quantile), np.nan if density is None else density, int(np.searchsorted(values, quantile, "right"))
