"""Sums of units whose numbers are close to each other: an engine reads the rows, and numpy adds them up by place.

A place in an array is found in a fifth of the time in which a group is, and equal rows are looked for on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.collectors.duplicates import FirstPart, HashSet, parts_of
from abkit.collectors.engines import Engine
from abkit.collectors.frame import is_rate, products_of
from abkit.collectors.frame_batches import Careful
from abkit.collectors.gram import Gram, Layout
from abkit.collectors.query import Rows
from abkit.collectors.sweep_query import ends_of_units, rows_of_units
from abkit.stats.moments import Array

_DENSE = 4  # an array of units may be as many times as long as there are rows
_LARGEST = 1 << 62
_MOST_SUMS = 1 << 27  # a gibibyte; with more of them the engine groups, which may use the disk


@dataclass(frozen=True, slots=True)
class UnitSums:
    """Sums by a variant's value, the first and last second where there is a time, and whether rows were told apart."""

    by_value: dict[str, Gram]
    ends: tuple[float | None, float | None]
    first_part: FirstPart | None


@dataclass(frozen=True, slots=True)
class Close:
    """Units that are whole numbers from the lowest to the highest, with rows enough for an array of all of them."""

    low: int
    high: int
    rows: int

    @classmethod
    def of(cls, engine: Engine, rows: Rows, layout: Layout) -> Close | None:
        """Look for the ends of the units, in an engine that hands over columns."""
        if not engine.hashes or rows.data.unit is None or not rows.is_whole(rows.data.unit):
            return None
        found = engine.rows(ends_of_units(rows))[0]
        if found["low"] is None or max(-found["low"], found["high"]) >= _LARGEST:
            return None
        close = cls(int(found["low"]), int(found["high"]), int(found["rows"]))
        fits = close.size * (1 + len(layout.columns)) <= _MOST_SUMS
        return close if fits and close.size <= _DENSE * close.rows else None

    @property
    def size(self) -> int:
        """How many numbers there are from end to end."""
        return self.high - self.low + 1


def add_up_units(
    engine: Engine, rows: Rows, layout: Layout, shift: Sequence[float], values: Sequence[str], close: Close
) -> UnitSums:
    """Add up the rows of units.

    Parameters
    ----------
    engine : Engine
    rows : Rows
    layout : Layout
    shift : sequence of float
        The constant taken from each column.
    values : sequence of str
        Those of the variants.
    close : Close

    Raises
    ------
    Careful
        Something is missing or infinite, a rate is neither 0 nor 1, a row is of no variant, a unit of two.
    """
    parts = parts_of(close.rows) if close.rows > close.size else 0  # else units may be one row each, which all differ
    adder, ends = _Adder(layout, close.size, len(values)), list[float]()
    hashes = HashSet(close.rows, 0, parts) if parts else None
    statement = rows_of_units(rows, layout, shift, values, close.low, hashed=parts > 0)
    for units, places, *numbers in engine.batches(statement, None):
        if hashes is not None:
            hashes.add(numbers.pop())
        if rows.data.time:
            seconds = numbers.pop()
            ends += [float(seconds.min()), float(seconds.max())]
        adder.add(units, places, numbers)
    if not np.isfinite(ends).all():
        raise Careful
    return UnitSums(
        {value: adder.gram(place) for place, value in enumerate(values)},
        (min(ends, default=None), max(ends, default=None)),
        FirstPart(parts, hashes.all_differ()) if hashes is not None else None,
    )


class _Adder:
    """What each unit adds up, and its variant."""

    def __init__(self, layout: Layout, size: int, variants: int) -> None:
        self._layout, self._variants = layout, variants
        self._places = np.full(size, -1, dtype=np.int16)
        self._sums = np.zeros((1 + len(layout.columns), size))

    @np.errstate(all="ignore")  # what is not finite shows in the sums
    def add(self, units: npt.NDArray[Any], places: npt.NDArray[Any], numbers: Sequence[Array]) -> None:
        if {units.dtype.kind, places.dtype.kind} != {"i"} or (places == self._variants).any():
            raise Careful
        before = self._places[units]
        self._places[units] = places
        if ((before != places) & (before >= 0)).any() or (self._places[units] != places).any():
            raise Careful
        np.add.at(self._sums[0], units, 1.0)
        for name, sums, column in zip(self._layout.columns, self._sums[1:], numbers, strict=True):
            if name in self._layout.rates and not is_rate(column):
                raise Careful
            np.add.at(sums, units, column)

    @np.errstate(all="ignore")
    def gram(self, place: int) -> Gram:
        parts = self._sums[:, self._places == place]
        sums = parts.sum(axis=1)
        if not parts.shape[1] or not np.isfinite(sums).all():
            raise Careful
        return Gram(parts.shape[1], int(sums[0]), sums, products_of(parts))
