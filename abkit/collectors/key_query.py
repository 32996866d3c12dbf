"""Statements that compute, find and keep the keys of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from abkit.collectors.copy_rows import copy_rows

Places = NDArray[np.int64]
Run = tuple[int, int, int]
"""Level, number and size."""

_PIECES_AT_ONCE: Final = 64


def next_batch(connection: Connection, streams: Table, ids: tuple[str, str], stream: int) -> int:
    """Return the number of a stream's next batch; nobody else stores one until this transaction ends."""
    organization_id, experiment_id = ids
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {"organization_id": organization_id, "experiment_id": experiment_id, "stream": stream, "batches": 1}
    statement = dialect.insert(streams).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=[streams.c.organization_id, streams.c.experiment_id], set_={"batches": streams.c.batches + 1}
    )
    number: int = connection.execute(statement.returning(streams.c.batches)).scalar_one()
    return number


def read_runs(connection: Connection, runs: Table, stream: int) -> list[Run]:
    """Return the runs of a stream, by level."""
    c = runs.c
    found = connection.execute(select(c.level, c.run, c.size).where(c.stream == stream).order_by(c.level, c.run))
    return [(row.level, row.run, row.size) for row in found]


def read_events(connection: Connection, pieces: Table, stream: int, run: Run) -> Iterator[bytes]:
    """Yield the keys of a run in order, without what belongs to them."""
    c = pieces.c
    statement = select(c.events).where(c.stream == stream, c.level == run[0], c.run == run[1]).order_by(c.piece)
    with connection.execute(statement.execution_options(yield_per=_PIECES_AT_ONCE)) as found:
        for some in found.scalars().partitions():
            yield b"".join(some)


def read_pieces(
    connection: Connection, pieces: Table, stream: int, level: int, which: Places
) -> list[tuple[bytes, bytes]]:
    """Return pieces of all runs of a level; `which` are sorted."""
    spans = np.split(which, np.flatnonzero(np.diff(which) > 1) + 1)
    same = {"stream": stream, "level": level}
    values = [{**same, "first": int(span[0]), "last": int(span[-1])} for span in spans if len(span)]
    if connection.dialect.name == "postgresql":
        return _read_binary(connection.connection.driver_connection, _postgresql_statement(pieces), values)
    statement = _pieces_statement(pieces)
    return [(row.events, row.marks) for one in values for row in connection.execute(statement, one)]


def _read_binary(connection: Any, statement: str, values: list[dict[str, int]]) -> list[tuple[bytes, bytes]]:
    """All that is asked for in one round trip, and bytes as they are instead of as twice as many digits."""
    found: list[tuple[bytes, bytes]] = []
    with connection.cursor(binary=True) as cursor:
        cursor.executemany(statement, values, returning=True)
        found += cursor.fetchall()
        while cursor.nextset():
            found += cursor.fetchall()
    return found


@cache
def _pieces_statement(pieces: Table) -> Select[Any]:
    """A range, not a list: PostgreSQL, which does not know how much was stored just now, reads all for a list."""
    c = pieces.c
    of_level = (c.stream == bindparam("stream"), c.level == bindparam("level"))
    return select(c.events, c.marks).where(*of_level, c.piece.between(bindparam("first"), bindparam("last")))


@cache
def _postgresql_statement(pieces: Table) -> str:
    return str(_pieces_statement(pieces).compile(dialect=postgresql.psycopg.dialect()))  # type: ignore[no-untyped-call]


def write_pieces(connection: Connection, pieces: Table, columns: dict[str, Any]) -> None:
    """Keep pieces of a run; `columns` are Arrow arrays."""
    if connection.dialect.name == "postgresql":
        copy_rows(connection, pieces, columns)
    else:
        rows = zip(*(column.to_pylist() for column in columns.values()), strict=True)
        connection.execute(insert(pieces), [dict(zip(columns, row, strict=True)) for row in rows])


def write_run(connection: Connection, runs: Table, stream: int, run: Run) -> None:
    """Keep that there is a run."""
    connection.execute(insert(runs), dict(zip(("level", "run", "size"), run, strict=True)) | {"stream": stream})


def drop_level(connection: Connection, tables: Sequence[Table], stream: int, level: int) -> None:
    """Forget all runs of a level."""
    for table in tables:
        connection.execute(delete(table).where(table.c.stream == stream, table.c.level == level))
