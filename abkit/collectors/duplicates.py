"""Rows that are there more than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import FromClause

from abkit.collectors.census_query import count_equal_rows, hash_rows
from abkit.collectors.engines import Engine
from abkit.collectors.query import Expression

_ROWS_AT_ONCE: Final = 1 << 27

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class FirstPart:
    """Whether all hashes differ in the first of some parts."""

    parts: int
    all_differ: bool


def count_duplicates(
    engine: Engine, table: FromClause, counts: Expression, size: int, known: FirstPart | None = None
) -> int:
    """Count rows that are equal to an earlier one in every column, of those that count.

    Equal rows have equal hashes. Sorting those costs a third of comparing rows, so that rows are compared only where
    two hashes are the same: of 100 million different rows once in four thousand tables.

    Parameters
    ----------
    engine : Engine
    table : FromClause
    counts : ColumnElement
        Whether a row counts.
    size : int
        How many do, or somewhat fewer: no more than 2^27 hashes, a gibibyte, are held at once.
    known : FirstPart, optional
        What was seen of the hashes already.
    """
    if engine.hashes and (known is None or known.all_differ):
        parts = parts_of(size) if known is None else known.parts
        left = range(0 if known is None else 1, parts)
        if all(_all_differ(engine, table, counts, HashSet(size, part, parts)) for part in left):
            return 0
    return int(engine.rows(count_equal_rows(table, counts))[0]["duplicates"])


def _all_differ(engine: Engine, table: FromClause, counts: Expression, hashes: HashSet) -> bool:
    for (read,) in engine.batches(hash_rows(table, counts), np.uint64):
        hashes.add(read)
    return hashes.all_differ()


def parts_of(size: int) -> int:
    """Return into how many parts that many hashes are divided, a power of two."""
    return 1 << max(-(-size // _ROWS_AT_ONCE) - 1, 0).bit_length()


class HashSet:
    """The hashes of one part.

    Parameters
    ----------
    size : int
        How many there are in all parts, or about as many.
    part, parts : int
        It is the part of those that end as its number does.
    """

    def __init__(self, size: int, part: int, parts: int) -> None:
        self._end, self._mask, self._count = np.uint64(part), np.uint64(parts - 1), 0
        self._found: Hashes = np.empty(size // parts + size // 64 + 1024, np.uint64)

    def add(self, hashes: Hashes) -> None:
        """Keep those of the part."""
        kept = hashes[hashes & self._mask == self._end] if self._mask else hashes
        stop = self._count + len(kept)
        if stop > len(self._found):
            self._found = np.concatenate([self._found, np.empty(stop, np.uint64)])
        self._found[self._count : stop] = kept
        self._count = stop

    def all_differ(self) -> bool:
        """Whether no two are the same."""
        hashes = self._found[: self._count]
        hashes.sort()  # in place: a copy would be as large again
        return not (hashes[1:] == hashes[:-1]).any()
