"""What one reading of the rows adds up: counts, sums and products of columns, by variant, and the moments in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abkit.collectors.census import Census, number_columns
from abkit.collectors.duplicates import FirstPart
from abkit.collectors.terms import Reading, offsets_of
from abkit.models import Experiment, Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.snapshot import Arrivals, Segmentation, Series
from abkit.stats import Moments
from abkit.stats.moments import Array

Count = int | Array
_LOST = 1e-9  # share of its parts below which a difference of sums has too few digits left


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that are added up, and which of their products are needed.

    Parameters
    ----------
    columns : tuple of str
        Numeric columns, in order; a unit's count of rows stands before them.
    rates : tuple of str
        Those that may hold 0 and 1 only.
    pairs : tuple of (int, int)
        Places among (count, *columns) whose products are summed, the first never greater than the second; the
        count's own products are asked for where a unit has several rows.
    """

    columns: tuple[str, ...]
    rates: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, experiment: Experiment, *, has_units: bool) -> Layout:
        """Lay out the columns of the experiment's metrics; those read in order are only counted."""
        metrics = [metric for metric, _ in experiment.metrics]
        names = tuple(number_columns(experiment))
        pairs: set[tuple[int, int]] = {(0, 0)} if has_units else set()
        for metric in filter(is_added, metrics):
            places = ([0] if has_units else []) + sorted(names.index(name) + 1 for name in metric.columns_read)
            pairs |= {(one, other) for i, one in enumerate(places) for other in places[i:]}
        rates = tuple(dict.fromkeys(metric.columns[0] for metric in metrics if isinstance(metric, Proportion)))
        return cls(names, rates, tuple(sorted(pairs)))

    @property
    def row_pairs(self) -> list[tuple[int, int]]:
        """The pairs of columns: a row's count of rows is 1."""
        return [pair for pair in self.pairs if pair[0] > 0]

    @property
    def width(self) -> int:
        """How many sums there are over rows: of 1, of columns, of products."""
        return 1 + len(self.columns) + len(self.row_pairs)

    def multiply(self, part: Array) -> None:
        """Fill in the products of columns, (width, rows), the columns given."""
        for at, (one, other) in enumerate(self.row_pairs, start=1 + len(self.columns)):
            np.multiply(part[one], part[other], out=part[at])

    def is_rate(self, one: int, other: int) -> bool:
        """Whether the pair is a rate with itself, whose square it is."""
        return one == other > 0 and self.columns[one - 1] in self.rates

    def gram(self, sums: Array) -> Gram:
        """Return what these are, where every row is a unit.

        Parameters
        ----------
        sums : array (..., width)
            The count of rows, then sums of the columns about their shifts, then of their products.
        """
        size = 1 + len(self.columns)
        products = np.full((*sums.shape[:-1], size, size), np.nan)
        for place, (one, other) in enumerate(self.row_pairs, start=size):
            products[..., one, other] = products[..., other, one] = sums[..., place]
        return Gram.of_rows(sums[..., 0], sums[..., :size], products)


@dataclass(frozen=True, slots=True)
class Gram:
    """Sums over the units of one variant, of columns about a constant; of many days or segments in its first axis.

    Parameters
    ----------
    units, rows : array (...)
    sums : array (..., 1 + k)
        Of each unit's count of rows, and of its sums of (value - shift).
    products : array (..., 1 + k, 1 + k)
        Of the same; NaN where a product was not asked for.
    """

    units: Count
    rows: Count
    sums: Array
    products: Array

    @classmethod
    def of_rows(cls, rows: Count, sums: Array, products: Array) -> Gram:
        """Return the sums of units that are one row each: the products with their count are sums."""
        products[..., 0, :] = products[..., :, 0] = sums
        return cls(rows, rows, sums, products)

    @classmethod
    def stacked(cls, grams: Sequence[Gram]) -> Gram:
        """Return several side by side, along a first axis."""
        return cls(*(np.stack([getattr(one, name) for one in grams]) for name in cls.__slots__))

    def __getitem__(self, place: int) -> Gram:
        """Select along the first axis."""
        units, rows = np.asarray(self.units)[place], np.asarray(self.rows)[place]
        return Gram(units, rows, self.sums[place], self.products[place])

    def __add__(self, other: Gram) -> Gram:
        """Merge disjoint sets of units."""
        return Gram(
            self.units + other.units,
            self.rows + other.rows,
            self.sums + other.sums,
            self.products + other.products,
        )


@dataclass(frozen=True, slots=True)
class Grams:
    """One reading of a source.

    Parameters
    ----------
    layout : Layout
    shift : array (k,)
        The constant taken from each column.
    by_value : dict
        A variant's value in the data -> its sums.
    values : dict
        Variant name -> its value in the data.
    rows_left_out : int
        Rows of no variant of the experiment, or filtered out.
    first_second, last_second : float or None
    """

    layout: Layout
    shift: Array
    by_value: Mapping[str, Gram]
    values: dict[str, str]
    rows_left_out: int = 0
    first_second: float | None = None
    last_second: float | None = None

    def reduce(self, experiment: Experiment) -> Swept | None:
        """Return the moments of the metrics that are sums; None where sums have lost the digits they need."""
        census, together = self._census(), Gram.stacked([self.by_value[value] for value in self.values.values()])
        blocks: dict[str, tuple[Moments, ...]] = {}
        for metric in filter(is_added, (metric for metric, _ in experiment.metrics)):
            found = self.moments(metric, together, census)
            if found is None:
                return None
            blocks[metric.name] = found
        units = {name: int(self.by_value[value].units) for name, value in self.values.items()}
        counts = {"units": units, "rows": census.rows, "total_units": sum(units.values()), "contaminated_units": 0}
        return Swept(census, counts, blocks)

    def _census(self) -> Census:
        """The counts; every row has every value."""
        rows = {name: int(self.by_value[value].rows) for name, value in self.values.items()}
        return Census(
            values=self.values,
            rows=rows,
            rows_left_out=self.rows_left_out,
            present={column: dict(rows) for column in self.layout.columns},
            totals={column: self._totals(place) for place, column in enumerate(self.layout.columns)},
            first_second=self.first_second,
            last_second=self.last_second,
        )

    def _totals(self, place: int) -> dict[str, float]:
        grams = {name: self.by_value[value] for name, value in self.values.items()}
        return {name: float(gram.sums[place + 1] + self.shift[place] * gram.rows) for name, gram in grams.items()}

    def moments(self, metric: Metric, together: Gram, census: Census) -> tuple[Moments, ...] | None:
        """Return a metric's moments in each variant, those of `together` in order, of all units, days or segments."""
        offsets = offsets_of(metric, census)
        if len(set(offsets)) == 1:
            whole = self._moments(metric, together, offsets[0], census)
            return None if whole is None else tuple(whole[place] for place in range(len(offsets)))
        each = [self._moments(metric, together[place], offset, census) for place, offset in enumerate(offsets)]
        kept = tuple(moments for moments in each if moments is not None)
        return kept if len(kept) == len(each) else None

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is judged below
    def _moments(self, metric: Metric, gram: Gram, offset: float, census: Census) -> Moments | None:
        places = [0, *(self.layout.columns.index(name) + 1 for name in metric.columns_read)]
        products = gram.products[..., places, :][..., places]
        base = Moments.from_shifted_sums(gram.units, np.zeros(len(places)), gram.sums[..., places], products)
        turn = _turn(metric, [0.0, *(float(self.shift[place - 1]) for place in places[1:])], offset, census)
        covariance = turn @ base.covariance @ turn.T
        if not np.isfinite(covariance).all():
            return None
        spread, size = _diagonal(base.covariance) * np.maximum(base.n - 1, 1)[..., None], np.abs(turn)
        parts = (size @ np.abs(base.covariance) * size).sum(axis=-1)
        lost = (_diagonal(covariance) < _LOST * parts) | ~np.isfinite(parts)
        whole = [name in self.layout.rates for name in metric.columns_read]  # sums of 0 and 1 lose nothing
        cancelled = (spread < _LOST * _diagonal(products))[..., 1:] & ~np.array(whole) & (base.n > 1)[..., None]
        return None if lost.any() or cancelled.any() else Moments(base.n, base.mean @ turn.T, covariance)


def _diagonal(matrices: Array) -> Array:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


@dataclass(frozen=True, slots=True)
class Breakdowns:
    """The same by day and by segment, if that was read, and when units came."""

    series: dict[str, Series]
    segments: tuple[Segmentation, ...] | None
    arrivals: Arrivals | None


@dataclass(frozen=True, slots=True)
class Swept:
    """What one pass found: counts, the moments of metrics by name, and what else was seen in it."""

    census: Census
    counts: dict[str, Any]
    blocks: dict[str, tuple[Moments, ...]]
    reading: Reading | None = None
    breakdowns: Breakdowns | None = None
    first_part: FirstPart | None = None


def is_added(metric: Metric) -> bool:
    """Whether the metric's moments are sums of its columns; a quantile or a cap has to be read first."""
    return not isinstance(metric, Quantile) and metric.cap is None


def _turn(metric: Metric, shifts: Sequence[float], offset: float, census: Census) -> Array:
    """The matrix from (count, sums about the shifts) to what the metric adds up about its offset."""
    turn = np.zeros((4 if metric.covariate else 2, len(shifts)))
    turn[0, 1] = 1.0
    if isinstance(metric, Ratio):
        turn[0, 0], turn[0, 2] = shifts[1] - offset * shifts[2], -offset
        turn[1, 0], turn[1, 2] = shifts[2], 1.0
    else:
        turn[0, 0], turn[1, 0] = shifts[1] - offset, 1.0
    if metric.covariate:
        turn[2, 0], turn[2, -1] = shifts[-1] - census.mean(metric.covariate), 1.0
        turn[3, 0] = 1.0
    return turn
