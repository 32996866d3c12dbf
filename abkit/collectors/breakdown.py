"""Sums of a frame's rows by day and by segment, beside those by variant, and the moments in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from abkit.collectors.census import Census
from abkit.collectors.daily import arrivals_of, day_names, series_of, shown_days
from abkit.collectors.frame_batches import Codes, Times
from abkit.collectors.gram import Breakdowns, Grams, Layout, is_added
from abkit.collectors.segments import MOST_SEGMENTS, segment_metric
from abkit.collectors.terms import Reading
from abkit.models import Experiment
from abkit.snapshot import Arrivals, Segment, Segmentation, Series
from abkit.stats.moments import Array

_DAY = 86400
_MOST_CELLS = 1 << 16
_NOTHING_READ = Reading({}, {})

Label = int | str
Cells = Mapping[Label, Array]
"""Sums of every label, (variants, width)."""
Cut = Callable[[slice], Array]
"""What stands for the labels of some rows of a batch."""


class TooMany(Exception):  # noqa: N818 - not an error: the engine breaks the rows down
    """There are more labels than are worth a place each."""


class Breakdown:
    """Sums by a label of the rows, a day or a segment, and by variant.

    Parameters
    ----------
    variants : int
    layout : Layout
    """

    def __init__(self, variants: int, layout: Layout) -> None:
        self._across, self._places = variants + 1, dict[Label, int]()  # rows of no variant have a cell too
        self._layout = layout
        self._sums, self._sorted = np.zeros((0, layout.width)), np.zeros((0, 0))

    def by_day(self, times: Times) -> Cut:
        """Say which days the rows of a batch are of."""
        per_day = _DAY * times.per_second
        low, high = int(times.ticks.min()) // per_day, int(times.ticks.max()) // per_day
        first = self._first_cells(range(low, high + 1))
        return lambda rows: first[times.ticks[rows] // per_day - low]

    def by_label(self, codes: Codes, labels: Sequence[str]) -> Cut:
        """Say which segments the rows of a batch are of; a code counts from either end of the labels."""
        first = self._first_cells(labels)
        return lambda rows: first[codes[rows]]

    def _first_cells(self, labels: Sequence[Label]) -> Array:
        if (len(self._places) + len(labels)) * self._across > _MOST_CELLS:
            raise TooMany
        places = [self._places.setdefault(label, len(self._places)) for label in labels]
        more = len(self._places) * self._across - len(self._sums)
        self._sums = np.concatenate([self._sums, np.zeros((more, self._sums.shape[1]))])
        return np.array(places, dtype=np.float64) * self._across

    def add(self, part: Array, first: Array, hot: Array) -> None:
        """Add the columns of some rows, given the first cell of each row's label, and 1 in the row of its variant."""
        cells = (first + np.arange(1.0, len(hot) + 1) @ hot).astype(np.uint16)
        order = np.argsort(cells, kind="stable")
        cells = cells[order]
        starts = np.concatenate([[0], np.flatnonzero(cells[1:] != cells[:-1]) + 1])
        if self._sorted.shape != part.shape:
            self._sorted = np.ones(part.shape)
        columns = slice(1, 1 + len(self._layout.columns))
        part[columns].take(order, axis=1, out=self._sorted[columns], mode="clip")  # other modes take a copy of `out`
        self._layout.multiply(self._sorted)
        self._sums[cells[starts]] += np.add.reduceat(self._sorted, starts, axis=1).T

    def total(self) -> Array:
        """Return the sums of all labels, (variants, width)."""
        return np.asarray(self._sums.reshape(-1, self._across, self._sums.shape[1])[:, 1:].sum(axis=0))

    def sums(self) -> Cells:
        """Return the sums of all labels that a variant has."""
        cells = self._sums.reshape(-1, self._across, self._sums.shape[1])[:, 1:]
        return {label: cells[place] for label, place in self._places.items() if cells[place, :, 0].any()}


def break_down(
    experiment: Experiment, grams: Grams, census: Census, days: Cells | None, segments: Mapping[str, Cells] | None
) -> Breakdowns | None:
    """Return what sums by day and by segment say; None where they have lost the digits they need."""
    if not all(is_added(metric) for metric, _ in experiment.metrics):
        return None  # an engine reads quantiles and caps
    series = {} if days is None else _series(experiment, grams, census, days)
    arrivals = None if days is None else _arrivals(grams, days)
    if series is None or segments is None:
        return None if series is None else Breakdowns(series, None, arrivals)
    found = [_segmentation(experiment, grams, census, column, cells) for column, cells in segments.items()]
    kept = tuple(one for one in found if one is not None)
    return None if len(kept) < len(found) else Breakdowns(series, kept, arrivals)


def _series(experiment: Experiment, grams: Grams, census: Census, days: Cells) -> dict[str, Series] | None:
    by_day = sorted(days.items())
    total = np.cumsum([sums for _, sums in by_day], axis=0)
    shown = shown_days(len(by_day))
    labels = day_names(int(by_day[place][0]) for place in shown)
    together = grams.layout.gram(np.swapaxes(total[shown], 0, 1))
    series = {}
    for metric, _ in experiment.metrics:
        blocks = grams.moments(metric, together, census)
        if blocks is None:
            return None
        series[metric.name] = series_of(metric, labels, blocks, census, _NOTHING_READ)
    return series


def _arrivals(grams: Grams, days: Cells) -> Arrivals:
    pairs = [(at, value, day) for day in days for at, value in enumerate(grams.values.values())]
    return arrivals_of([(value, int(day), int(days[day][at, 0])) for at, value, day in pairs], grams.values)


def _segmentation(
    experiment: Experiment, grams: Grams, census: Census, column: str, cells: Cells
) -> Segmentation | None:
    units = {str(name): sums[:, 0].astype(int) for name, sums in cells.items()}
    largest = sorted(units, key=lambda name: (-units[name].sum(), name))
    names, others = largest[:MOST_SEGMENTS], largest[MOST_SEGMENTS:]
    together = grams.layout.gram(np.swapaxes(np.array([cells[name] for name in names]), 0, 1))
    metrics = {metric: grams.moments(metric, together, census) for metric, _ in experiment.metrics}
    segments = []
    for place, name in enumerate(names):
        collected = {}
        for metric, blocks in metrics.items():
            if blocks is None:
                return None
            here = tuple(block[place] for block in blocks)
            collected[metric.name] = segment_metric(metric, here, census, _NOTHING_READ, single=True)
        counted = dict(zip(grams.values, units[name].tolist(), strict=True))
        segments.append(Segment(name, counted, collected))
    return Segmentation(column, tuple(segments), 0, len(others), int(sum(units[name].sum() for name in others)))
