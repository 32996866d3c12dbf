"""Rows that are there more than once."""

from __future__ import annotations

from typing import Final

import numpy as np
from sqlalchemy import FromClause

from abkit.collectors.census_query import count_equal_rows, hash_rows
from abkit.collectors.engines import Engine
from abkit.collectors.query import Expression

_ROWS_AT_ONCE: Final = 1 << 25


def count_duplicates(engine: Engine, table: FromClause, counts: Expression, size: int) -> int:
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
        How many do, or somewhat fewer: no more than 2^25 hashes are held at once.
    """
    if engine.hashes and not _any_equal_hashes(engine, table, counts, size):
        return 0
    return int(engine.rows(count_equal_rows(table, counts))[0]["duplicates"])


def _any_equal_hashes(engine: Engine, table: FromClause, counts: Expression, size: int) -> bool:
    parts = max(-(-size // _ROWS_AT_ONCE), 1)
    return any(_repeats(engine, table, counts, part, parts) for part in range(parts))


def _repeats(engine: Engine, table: FromClause, counts: Expression, part: int, parts: int) -> bool:
    batches = engine.batches(hash_rows(table, counts, part, parts), np.uint64)
    hashes = np.concatenate([np.empty(0, np.uint64), *(batch[:, 0] for batch in batches)])
    hashes.sort()  # in place: a copy would be as large again
    return bool((hashes[1:] == hashes[:-1]).any())
