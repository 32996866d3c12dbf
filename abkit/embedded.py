"""The database inside this process, and a session in it for each use."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from sqlalchemy.dialects.postgresql.base import PGDialect

_SETTINGS = {"threads": 1, "enable_external_file_cache": False}


def open_session() -> DuckDBPyConnection:
    """Return a session of DuckDB in memory, in UTC; its temporary tables and its frames are its own.

    A database takes 20 ms to open and a session none, so that all sessions of a process share one. One thread: sums of
    floats would otherwise differ in their last digits from run to run, and a report must not. No cache of files: one
    that is written anew is read anew. No progress bar: DuckDB shows one in notebooks, and so in the reports that are
    made from them, for statements of two seconds.

    Examples
    --------
    >>> with open_session() as session:
    ...     session.execute("SELECT current_setting('TimeZone'), 1 + 1").fetchone()
    ('UTC', 2)
    """
    import duckdb

    try:
        return _session(os.getpid())
    except duckdb.Error:  # whoever broke it was told; it must not stay broken for the others
        _database.cache_clear()
        return _session(os.getpid())


@cache
def duckdb_dialect() -> PGDialect:
    """Return SQLAlchemy's dialect for DuckDB: PostgreSQL's, which is the nearest, with numbered values.

    Examples
    --------
    >>> from sqlalchemy import literal, select
    >>> print(select(literal(1) + 1).compile(dialect=duckdb_dialect()))
    SELECT $1 + $2 AS anon_1
    """
    from sqlalchemy.dialects.postgresql.base import PGDialect

    found = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    found.name = "duckdb"
    return found


def _session(process: int) -> DuckDBPyConnection:
    session = _database(process).cursor()
    session.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return session


@cache
def _database(process: int) -> DuckDBPyConnection:
    """A child process that was forked cannot use its parent's."""
    import duckdb

    return duckdb.connect(config=_SETTINGS)
