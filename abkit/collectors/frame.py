"""One pass over a frame with one row per unit: cache-sized chunks, small matrix products about a pilot mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.collectors.breakdown import Breakdown, Cut, TooMany, break_down
from abkit.collectors.frame_batches import (
    Batch,
    Careful,
    Columns,
    batches,
    is_plain,
    require_columns,
)
from abkit.collectors.frame_units import require_distinct, unit_column
from abkit.collectors.gram import Grams, Layout, Swept
from abkit.collectors.source import Source
from abkit.models import Experiment
from abkit.stats.moments import Array

_CHUNK = 16_384  # rows whose columns fit into a core's own cache
_PRODUCT = 4_096  # of a matrix product that no library shares out among threads
_MOST_UNITS = 1 << 20  # the engine tells in less memory whether more of them differ


def read_frame(experiment: Experiment, source: Source) -> Swept | None:
    """Add up a frame's columns in one pass, by day and by segment too, where nothing stands in the way of it.

    Parameters
    ----------
    experiment : Experiment
    source : Source
        A pandas, polars or Arrow frame without filters; with a unit, a million rows at most.

    Returns
    -------
    Swept or None
        None where something has to be read with more care: text among numbers, missing or infinite values, variants
        that the experiment does not know, values that are so large that sums lose their digits, units with several
        rows.
    """
    data = source.data
    if not is_plain(source) or len(set(data.segments)) < len(data.segments):
        return None
    layout = Layout.of(experiment, has_units=False)
    values = data.values_of([variant.name for variant in experiment.variants])
    asked = Columns(layout.columns, data.variant, list(values.values()), data.time, data.segments)
    adder = _Adder(layout, asked)
    try:
        require_columns(source.table, [*asked.names, *([data.unit] if data.unit else [])])
        if data.unit:
            require_distinct(unit_column(source.table, data.unit, _MOST_UNITS))
        for batch in batches(source.table, asked):
            adder.add(batch)
    except Careful:
        return None
    grams = adder.grams(values, may_leave_out=data.variants is not None and not data.time)
    swept = None if grams is None else grams.reduce(experiment)
    if grams is None or swept is None or not adder.is_broken_down:
        return swept
    days = None if adder.days is None else adder.days.sums()
    segments = {column: breakdown.sums() for column, breakdown in adder.segments.items()}
    return replace(swept, breakdowns=break_down(experiment, grams, swept.census, days, segments))


class _Adder:
    """Sums over chunks: one matrix product takes every sum to its variant, where no breakdown does."""

    def __init__(self, layout: Layout, asked: Columns) -> None:
        self.layout, across = layout, len(asked.values)
        self._part, self._hot = np.empty((layout.width, _CHUNK)), np.empty((across, _CHUNK))
        self._part[0] = 1.0
        self._sums, self._rows = np.zeros((across, layout.width)), 0
        self._shift: Array | None = None
        self._seconds: list[float] = []
        self.days = Breakdown(across, layout) if asked.time else None
        self.segments = {column: Breakdown(across, layout) for column in asked.segments}
        self.is_broken_down = True

    @np.errstate(all="ignore")  # what is not finite shows in the sums
    def add(self, batch: Batch) -> None:
        if not len(batch.codes):
            return
        if self._shift is None:
            self._shift = pilot(self.layout, batch.numbers)
        self._rows += len(batch.codes)
        self._seconds += batch.times.ends if batch.times is not None else ()
        cuts = self._cuts(batch)
        for start in range(0, len(batch.codes), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(batch.codes)))
            part, hot = self._fill(batch, rows, self._shift)
            for breakdown, cut in cuts:
                breakdown.add(part, cut(rows), hot)
            if not cuts:
                self.layout.multiply(part)
                add_product(self._sums, hot, part)

    def _cuts(self, batch: Batch) -> list[tuple[Breakdown, Cut]]:
        """How the rows are broken down; not at all from the batch on in which that takes more care."""
        known = [(self.segments[name], found) for name, found in batch.segments.items() if found is not None]
        self.is_broken_down &= len(known) == len(batch.segments)
        if not self.is_broken_down:
            return []
        try:
            cuts = [(breakdown, breakdown.by_label(*found)) for breakdown, found in known]
            if self.days is not None and batch.times is not None:
                cuts.append((self.days, self.days.by_day(batch.times)))
        except TooMany:
            self.is_broken_down = False
            return []
        return cuts

    def _fill(self, batch: Batch, rows: slice, shifts: Array) -> tuple[Array, Array]:
        """The chunk's columns about their shifts, with room for their products, and 1 in the row of each variant."""
        size = rows.stop - rows.start
        part, hot = self._part[:, :size], self._hot[:, :size]
        for at, (name, shift) in enumerate(zip(self.layout.columns, shifts, strict=True), start=1):
            chunk = batch.numbers[name][rows]
            if name in self.layout.rates and not is_rate(chunk):
                raise Careful
            if shift:
                np.subtract(chunk, shift, out=part[at], dtype=np.float64)
            else:
                part[at] = chunk
        np.equal(batch.codes[rows], batch.ids[:, None], out=hot, casting="unsafe")
        return part, hot

    @np.errstate(all="ignore")
    def grams(self, values: dict[str, str], *, may_leave_out: bool) -> Grams | None:
        """Return the sums; None where a number among them is none, or rows belong to no variant."""
        broken_down = [*([] if self.days is None else [self.days]), *self.segments.values()][:1]
        sums = self._sums + sum(breakdown.total() for breakdown in broken_down)
        counts = sums[:, 0]
        left_out = self._rows - int(counts.sum())
        if not np.isfinite(sums).all() or not counts.all() or (left_out and not may_leave_out):
            return None
        shift = np.zeros(len(self.layout.columns)) if self._shift is None else self._shift
        found = {value: self.layout.gram(part) for value, part in zip(values.values(), sums, strict=True)}
        ends = min(self._seconds, default=None), max(self._seconds, default=None)
        return Grams(self.layout, shift, found, values, left_out, *ends)


def add_product(sums: Array, left: Array, right: Array) -> None:
    """Add left @ right.T, a piece at a time: shared out among threads, sums would differ from machine to machine."""
    for start in range(0, left.shape[1], _PRODUCT):
        sums += left[:, start : start + _PRODUCT] @ right[:, start : start + _PRODUCT].T


def products_of(parts: Array) -> Array:
    """Return parts @ parts.T, added up as above."""
    sums = np.zeros((len(parts), len(parts)))
    add_product(sums, parts, parts)
    return sums


def pilot(layout: Layout, columns: Mapping[str, npt.NDArray[Any]]) -> Array:
    """Return a constant near the mean of each column, from its first rows; rates need none."""
    shift = [
        0.0 if name in layout.rates or not len(columns[name]) else float(np.mean(columns[name][:_CHUNK]))
        for name in layout.columns
    ]
    return np.where(np.isfinite(shift), shift, 0.0)


def is_rate(chunk: npt.NDArray[Any]) -> bool:
    """Whether there are 0 and 1 only; between the two, a sum equals the count of what is not 0 for these alone."""
    if chunk.dtype == np.bool_:
        return True
    low, high = chunk.min(), chunk.max()
    if not (low >= 0 and high <= 1):
        return False
    return chunk.dtype.kind in "iu" or float(chunk.sum(dtype=np.float64)) == np.count_nonzero(chunk)
