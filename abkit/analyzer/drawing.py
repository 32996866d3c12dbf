"""Experiments drawn from a table of units: many at a time, as sums and not as rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from abkit.analyzer.drawn_quantile import quantile_moments
from abkit.analyzer.unit_table import Columns, UnitTable
from abkit.models import Experiment, Proportion, Quantile
from abkit.snapshot import MetricMoments
from abkit.stats import Moments, RatioLevel
from abkit.stats.moments import Array

_SKEWNESS = 0.1
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Drawn:
    """What has been added up so far in S experiments.

    Parameters
    ----------
    units : array (S,)
        Units drawn.
    sums : array (S, F)
        Of the table's features.
    counts : array (S, A)
        How often each unit was drawn in each option; no columns where no quantile needs them.
    """

    units: Array
    sums: Array
    counts: Array

    @classmethod
    def nothing(cls, table: UnitTable, size: int) -> Drawn:
        """Begin `size` experiments."""
        atoms = len(table.features) if table.ordered else 0
        return cls(np.zeros(size), np.zeros((size, table.features.shape[1])), np.zeros((size, atoms)))

    def __add__(self, other: Drawn) -> Drawn:
        """Add the units of a later look."""
        return Drawn(self.units + other.units, self.sums + other.sums, self.counts + other.counts)


def draw_units(table: UnitTable, units: Array, rng: np.random.Generator) -> Drawn:
    """Draw `units` (S,) of the table, with replacement, in each of S experiments."""
    total = int(units.sum())
    unit = rng.integers(0, table.units, total, dtype=np.int32)
    if table.cumulative.shape[1]:
        option = (rng.random(total)[:, None] >= table.cumulative[unit]).sum(axis=1, dtype=np.int32)
        unit += option * np.int32(table.units)
    ends = np.concatenate([[0], np.cumsum(units)]).astype(np.int64)
    drawn = sparse.csr_matrix((np.ones(total), unit, ends), shape=(len(units), len(table.features)))
    counts = drawn.toarray() if table.ordered else np.zeros((len(units), 0))
    return Drawn(units, np.asarray(drawn @ table.features), counts)


@dataclass(frozen=True, slots=True)
class NormalSums:
    """Mean and covariance of what one drawn unit adds: sums of many are normal.

    Parameters
    ----------
    mean : array (F,)
    factor : array (F, F)
        Whose transpose times itself is the covariance.
    skewness : float
        Largest of any feature.
    """

    mean: Array
    factor: Array
    skewness: float

    @classmethod
    def of(cls, table: UnitTable) -> NormalSums:
        """Compute them from the table."""
        chances = np.diff(table.cumulative, prepend=0.0, append=1.0, axis=1).T.reshape(-1) / table.units
        mean = chances @ table.features
        centered = table.features - mean
        values, vectors = np.linalg.eigh(centered.T @ (centered * chances[:, None]))
        sd = np.sqrt(chances @ centered**2)
        varies = sd > _ROUNDING * np.abs(mean)
        skewness = np.abs(chances @ centered[:, varies] ** 3 / sd[varies] ** 3)
        factor = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
        factor[:, ~varies] = 0.0  # the eigenvectors leave rounding there, more on one processor than on another
        return cls(mean, factor, float(skewness.max(initial=0.0)))

    def suffices(self, units: float) -> bool:
        """Whether sums of that many units are normal to within a skewness of 0.1."""
        return bool(self.skewness / np.sqrt(max(units, 1.0)) <= _SKEWNESS)

    def draw(self, units: Array, rng: np.random.Generator) -> Drawn:
        """Draw the sums of `units` (S,) units in each of S experiments."""
        noise = rng.standard_normal((len(units), len(self.mean))) @ self.factor
        sums = units[:, None] * self.mean + np.sqrt(units)[:, None] * noise
        return Drawn(units, sums, np.zeros((len(units), 0)))


def moments_of(
    experiment: Experiment, tables: list[UnitTable], drawn: list[Drawn], *, one_row_each: bool
) -> dict[str, MetricMoments]:
    """Return the moments of every metric; the batch axis is the experiment."""
    found = {}
    for metric, _ in experiment.metrics:
        width = 4 if metric.covariate else 2
        if isinstance(metric, Quantile) and tables[0].ordered:
            read = [quantile_moments(table, made.counts, metric) for table, made in zip(tables, drawn, strict=True)]
            blocks, level = [block for block, _ in read], _joined([level for _, level in read])
        else:
            pairs = zip(tables, drawn, strict=True)
            blocks = [_moments(made.sums, table.columns[metric.name]) for table, made in pairs]
            level = _joined([table.levels[metric.name] for table in tables])
        is_rate = isinstance(metric, Proportion) and one_row_each and len(blocks) > 1 and not metric.covariate
        found[metric.name] = MetricMoments(tuple(blocks), level, width, {}, is_rate_of_units=is_rate)
    return found


def _joined(levels: list[RatioLevel]) -> RatioLevel:
    """One level function for all variants: what each table says of its own."""
    offsets, scales = ([np.asarray(getattr(level, name)) for level in levels] for name in ("offset", "scale"))
    if len(levels) == 1:
        return levels[0]
    return RatioLevel(
        *(np.concatenate([np.atleast_1d(part) for part in parts], axis=-1) for parts in (offsets, scales))
    )


def _moments(sums: Array, columns: Columns) -> Moments:
    size = columns.size
    products = np.empty((len(sums), size, size))
    left, right = np.triu_indices(size)
    flat = sums[:, columns.start + 1 + size : columns.stop]
    products[:, left, right] = products[:, right, left] = flat
    first = columns.start + 1
    return Moments.from_shifted_sums(sums[:, columns.start], np.zeros(size), sums[:, first : first + size], products)
