"""Statements that compute, find and keep the keys of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from abkit.collectors.copy_rows import copy_rows

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
    connection: Connection, pieces: Table, stream: int, level: int, which: Sequence[int]
) -> list[tuple[bytes, bytes]]:
    """Return the same pieces of all runs of a level."""
    c = pieces.c
    statement = select(c.events, c.marks).where(c.stream == stream, c.level == level, c.piece.in_(which))
    if connection.dialect.name != "postgresql":
        return [(row.events, row.marks) for row in connection.execute(statement)]
    asked = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    raw: Any = connection.connection.driver_connection
    with raw.cursor(binary=True) as cursor:  # else bytes come as twice as many digits
        return cursor.execute(str(asked), asked.params).fetchall()  # type: ignore[no-any-return]


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
