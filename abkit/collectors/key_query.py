"""Statements that compute, find and keep the keys of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, case, cast, delete, func, insert, literal, select
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import UserDefinedType

from abkit.embedded import duckdb_dialect

Run = tuple[int, int, int]
"""Level, number and size."""


class _Unsigned(UserDefinedType[int]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UBIGINT"


@cache
def key_statement() -> str:
    """Return DuckDB's statement for the keys of a table `batch`.

    They are the md5 of the event id, or of the payload where there is none, in two halves, and half of the payload's.
    NUL, which no text has, keeps parts apart, and the value enters by its bits.
    """
    names = ("user_id", "metric_type", "bits", "observed_at", "event_id")
    c = table_of("batch", *(column_of(name) for name in names)).c
    nul = func.chr(0)
    payload = func.md5_number(func.concat(c.user_id, nul, c.metric_type, nul, c.bits, "@", c.observed_at))
    named = func.md5_number(func.concat("id:", c.event_id))
    both = select(payload.label("payload"), case((c.event_id.is_not(None), named)).label("named")).subquery("both")
    event = func.coalesce(both.c.named, both.c.payload)
    statement = select(
        cast(event.op(">>")(64), _Unsigned()).label("event"),
        cast(event.op("&")(literal(2**64 - 1)), _Unsigned()).label("check"),
        cast(both.c.payload.op(">>")(64), _Unsigned()).label("payload"),
    )
    return str(statement.compile(dialect=duckdb_dialect(), compile_kwargs={"literal_binds": True}))


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
    """Yield the keys of a run, without what belongs to them."""
    c = pieces.c
    statement = select(c.events).where(c.stream == stream, c.level == run[0], c.run == run[1])
    with connection.execute(statement.execution_options(yield_per=4)) as found:
        yield from found.scalars()


def read_piece(connection: Connection, pieces: Table, stream: int, level: int, piece: int) -> list[tuple[bytes, bytes]]:
    """Return the same piece of all runs of a level."""
    c = pieces.c
    statement = select(c.events, c.marks).where(c.stream == stream, c.level == level, c.piece == piece)
    return [(row.events, row.marks) for row in connection.execute(statement)]


def write_pieces(connection: Connection, pieces: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Keep pieces of a run."""
    if rows:
        connection.execute(insert(pieces), list(rows))


def write_run(connection: Connection, runs: Table, stream: int, run: Run) -> None:
    """Keep that there is a run."""
    connection.execute(insert(runs), dict(zip(("level", "run", "size"), run, strict=True)) | {"stream": stream})


def drop_level(connection: Connection, tables: Sequence[Table], stream: int, level: int) -> None:
    """Forget all runs of a level."""
    for table in tables:
        connection.execute(delete(table).where(table.c.stream == stream, table.c.level == level))
