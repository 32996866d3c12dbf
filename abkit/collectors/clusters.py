"""Quantiles of frames whose units have several rows, and the sums beside them, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.collectors.frame import is_rate, pilot, products_of
from abkit.collectors.frame_batches import (
    Batch,
    Careful,
    Columns,
    Integers,
    batches,
    is_plain,
    require_columns,
)
from abkit.collectors.frame_units import require_distinct, unit_column
from abkit.collectors.gram import Gram, Grams, Layout, Swept
from abkit.collectors.orders import order_statistics, places_of, too_few
from abkit.collectors.source import Source
from abkit.collectors.terms import OrderStatistics, Reading
from abkit.models import Experiment, Quantile
from abkit.stats import Moments
from abkit.stats.moments import Array

_MOST_ROWS = 1 << 24
_DENSE = 4  # whole numbers name units as they are where their range is at most as many times the rows

Values = tuple[Array, Integers]
"""Numbers, and the units of their rows."""


def read_clusters(experiment: Experiment, source: Source) -> Swept | None:
    """Read the quantiles of a frame's values, and add up its rows by unit, where nothing stands in the way of it.

    An engine orders values anew for each variant and reads the rows five times.

    Parameters
    ----------
    experiment : Experiment
    source : Source
        A pandas, polars or Arrow frame with units, without time and filters; 16 million rows at most.

    Returns
    -------
    Swept or None
        None for what `read_frame` leaves to the engine too, units in two variants, caps, sketches, and where no
        quantile is asked for.
    """
    data = source.data
    if data.unit is None or data.time is not None or not is_plain(source):
        return None
    metrics = [metric for metric, _ in experiment.metrics]
    ordered = [metric for metric in metrics if isinstance(metric, Quantile)]
    if not ordered or any(m.cap is not None for m in metrics) or any(m.method == "sketch" for m in ordered):
        return None
    layout = Layout.of(experiment, has_units=True)
    values = data.values_of([variant.name for variant in experiment.variants])
    asked = Columns(layout.columns, data.variant, list(values.values()))
    try:
        require_columns(source.table, [*asked.names, data.unit])
        units, size = _units(unit_column(source.table, data.unit, _MOST_ROWS))
        adder = _Adder(layout, {metric.column for metric in ordered}, list(values.values()), units, size)
        for batch in batches(source.table, asked):
            adder.add(batch)
        grams = adder.grams(values)
    except Careful:
        return None
    swept = grams.reduce(experiment)
    return None if swept is None else _with_quantiles(swept, ordered, adder)


def _units(column: Any) -> tuple[Integers, int]:
    """A number for each row's unit, and how many numbers there are."""
    import pyarrow as arrow
    import pyarrow.compute as compute

    if not len(column):
        raise Careful
    if arrow.types.is_integer(column.type):
        low, high = compute.min_max(column).as_py().values()
        if high - low < _DENSE * len(column) and abs(low) < 1 << 62:
            return column.to_numpy().astype(np.int64) - low, high - low + 1
    whole = column.combine_chunks() if isinstance(column, arrow.ChunkedArray) else column
    found = whole.dictionary_encode()
    require_distinct(found.dictionary)
    return found.indices.to_numpy().astype(np.int64), len(found.dictionary)


class _Adder:
    """Sums of every unit over batches of rows, and the values that are ordered."""

    def __init__(self, layout: Layout, ordered: set[str], values: list[str], units: Integers, size: int) -> None:
        self.layout, self.values, self._ordered, self._units = layout, values, ordered, units
        self.rows = np.zeros((len(values), size))
        self._sums = {at: np.zeros(size) for at in sorted({at for pair in layout.pairs for at in pair if at})}
        self._totals = np.zeros((len(layout.columns), len(values)))
        self._shift: Array | None = None
        self._start = 0
        self.kept: dict[tuple[str, str], list[Values]] = {}

    @np.errstate(all="ignore")  # what is not finite shows in the sums
    def add(self, batch: Batch) -> None:
        columns, codes, stop = batch.numbers, batch.codes, self._start + len(batch.codes)
        if self._shift is None:
            self._shift = pilot(self.layout, columns)
        units, self._start = self._units[self._start : stop], stop
        here = [np.flatnonzero(codes == code) for code in batch.ids]
        if sum(map(len, here)) < len(codes):
            raise Careful
        inside = [units.take(rows) for rows in here]
        for at, found in enumerate(inside):
            np.add.at(self.rows[at], found, 1.0)
        for at, (name, shift) in enumerate(zip(self.layout.columns, self._shift, strict=True)):
            if name in self.layout.rates and not is_rate(columns[name]):
                raise Careful
            parts = [columns[name].take(rows).astype(np.float64, copy=False) for rows in here]
            self._totals[at] += [(part - shift).sum() for part in parts]
            if at + 1 in self._sums:
                np.add.at(self._sums[at + 1], units, np.subtract(columns[name], shift, dtype=np.float64))
            if name in self._ordered:
                for value, part, found in zip(self.values, parts, inside, strict=True):
                    self.kept.setdefault((name, value), []).append((part, found))

    def grams(self, values: dict[str, str]) -> Grams:
        """Return the sums by variant.

        Raises
        ------
        Careful
            A number among them is none, a variant has no rows, or a unit has two variants.
        """
        present = self.rows > 0
        finite = np.isfinite(self._totals).all() and all(np.isfinite(sums).all() for sums in self._sums.values())
        if self._shift is None or not finite or not present.any(axis=1).all() or (present.sum(axis=0) > 1).any():
            raise Careful
        found = {value: self._gram(at, present[at]) for at, value in enumerate(self.values)}
        return Grams(self.layout, self._shift, found, values)

    def _gram(self, at: int, present: npt.NDArray[np.bool_]) -> Gram:
        parts = np.stack([self.rows[at][present], *(sums[present] for sums in self._sums.values())])
        places = [0, *self._sums]
        size = 1 + len(self.layout.columns)
        sums, products = np.empty(size), np.full((size, size), np.nan)
        sums[0], sums[1:] = parts[0].sum(), self._totals[:, at]
        products[np.ix_(places, places)] = products_of(parts)
        return Gram(int(present.sum()), int(sums[0]), sums, products)


def _with_quantiles(swept: Swept, ordered: Sequence[Quantile], adder: _Adder) -> Swept:
    census = swept.census
    counts = {(m.name, census.values[name]): size for m in ordered for name, size in census.rows.items()}
    orders = {m.name: OrderStatistics(reason=why) for m in ordered if (why := too_few(m, census, counts))}
    read: dict[tuple[str, str | None], list[float]] = {}
    wholes: dict[tuple[str, str], Values] = {}
    for (column, value), pieces in adder.kept.items():
        numbers, units = zip(*pieces, strict=True)
        wholes[column, value] = np.concatenate(numbers), np.concatenate(units)
        asked = [m for m in ordered if m.column == column and m.name not in orders]
        places = {metric.name: places_of(metric, counts[metric.name, value]) or () for metric in asked}
        found = np.quantile(wholes[column, value][0], [place for part in places.values() for place in part]).tolist()
        for name, part in places.items():
            read[name, value], found = found[: len(part)], found[len(part) :]
    blocks = dict(swept.blocks)
    for metric in ordered:
        if metric.name not in orders:
            orders[metric.name] = order_statistics(metric, census, counts, read)
        order = orders[metric.name]
        if order.reason is None:
            pairs = zip(census.values.values(), order.quantile, adder.rows, strict=True)
            blocks[metric.name] = tuple(
                _below(*wholes[metric.column, value], quantile, rows) for value, quantile, rows in pairs
            )
    return replace(swept, blocks=blocks, reading=Reading({}, orders))


def _below(numbers: Array, units: Integers, quantile: float, rows: Array) -> Moments:
    """Moments of what units have at or below a quantile, and of their rows."""
    is_below = numbers <= quantile
    most = 2 * np.count_nonzero(is_below) > len(numbers)
    fewer = np.bincount(units.take(np.flatnonzero(~is_below if most else is_below)), minlength=len(rows))
    below = (rows - fewer if most else fewer).astype(np.float64)
    parts = np.stack([below, rows])[:, rows > 0]
    return Moments.from_shifted_sums(float(parts.shape[1]), np.zeros(2), parts.sum(axis=1), products_of(parts))
