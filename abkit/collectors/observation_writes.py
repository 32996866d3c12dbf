"""Statements that store observations: integer keys first, then the rows whose keys were new."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Table, any_, bindparam, case, func, literal, select
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.base import PGDialect

Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ObservationTables:
    """The tables that hold observations; see `abkit.store.observation_tables`."""

    streams: Table
    observations: Table
    keys: Table
    quarantine: Table


def key_statement() -> str:
    """Return DuckDB's statement for the keys of a table `batch`.

    A key is 64 bits of md5: of the payload and, where there is one, of the event id. Lengths keep parts apart, and the
    value enters by its bits.
    """
    batch = table_of("batch", *(column_of(name) for name in ("user_id", "metric_type", "bits", "given_at", "event_id")))
    c = batch.c
    texts = [part for text in (c.user_id, c.metric_type) for part in (func.strlen(text), ":", text)]
    payload = func.concat(*texts, c.bits, "@", c.given_at)
    statement = select(
        func.md5_number_lower(payload).label("payload_key"),
        case((c.event_id.is_not(None), func.md5_number_lower(func.concat("id:", c.event_id)))).label("event_key"),
    )
    dialect = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def ensure_stream(connection: Connection, tables: ObservationTables, ids: tuple[str, str], stream: int) -> None:
    """Write down which organization and experiment a stream belongs to; another pair with its number is an error."""
    organization_id, experiment_id = ids
    row = {"organization_id": organization_id, "experiment_id": experiment_id, "stream": stream}
    c = tables.streams.c
    insert = _dialect(connection).insert(tables.streams)
    connection.execute(insert.on_conflict_do_nothing(index_elements=[c.organization_id, c.experiment_id]), row)


def known_payloads(connection: Connection, keys: Table, stream: int, events: Keys) -> dict[int, int]:
    """Return the payload keys of the events that are stored already."""
    c = keys.c
    if connection.dialect.name == "postgresql":
        wanted = c.event_key == any_(literal(events.tolist(), ARRAY(BigInteger)))
    else:
        each = func.json_each(json.dumps(events.tolist())).table_valued("value")
        wanted = c.event_key.in_(select(each.c.value))
    found = connection.execute(select(c.event_key, c.payload_key).where(c.stream == stream, wanted))
    return {row.event_key: row.payload_key for row in found}


def add_keys(connection: Connection, keys: Table, stream: int, events: Keys, payloads: Keys) -> int:
    """Insert the keys that are not there, in order, so that two loads wait for each other and never deadlock."""
    order = np.argsort(events)
    first, second = events[order].tolist(), payloads[order].tolist()
    if connection.dialect.name == "postgresql":
        arrays = (
            func.unnest(bindparam(name, value, ARRAY(BigInteger))) for name, value in (("e", first), ("p", second))
        )
        rows = select(literal(stream, BigInteger), *arrays)
        insert = postgresql.insert(keys).from_select(["stream", "event_key", "payload_key"], rows)
        added = connection.execute(insert.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True})
        return added.rowcount
    statement = sqlite.insert(keys).on_conflict_do_nothing()
    return _execute_many(
        connection, statement, [(stream, event, payload) for event, payload in zip(first, second, strict=True)]
    )


def add_observations(connection: Connection, table: Table, stream: int, columns: dict[str, Any]) -> None:
    """Append rows; `columns` are Arrow arrays under the names of the table's columns."""
    if connection.dialect.name == "postgresql":
        _copy(connection, table, stream, columns)
        return
    names = [part.name for part in table.columns if part.name != "stream"]
    rows = zip(*(columns[name].to_pylist() for name in names), strict=True)
    _execute_many(connection, sqlite.insert(table), [(stream, *row) for row in rows])


def add_quarantined(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Keep observations whose event id came with another payload before."""
    if rows:
        connection.execute(_dialect(connection).insert(table).on_conflict_do_nothing(), list(rows))


def _dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def _execute_many(connection: Connection, insert: Any, rows: list[tuple[Any, ...]]) -> int:
    """Hand rows to the driver as they are: their types are known, and looking at each value again triples the time."""
    if not rows:
        return 0
    statement = str(insert.compile(dialect=connection.dialect))
    return connection.exec_driver_sql(statement, rows, execution_options={"preserve_rowcount": True}).rowcount


def _copy(connection: Connection, table: Table, stream: int, columns: dict[str, Any]) -> None:
    import pyarrow as pa
    from pyarrow import csv

    names = [part.name for part in table.columns]
    size = len(columns["event_key"])
    arrays = {"stream": pa.repeat(pa.scalar(stream, pa.int64()), size), **columns}
    sink = io.BytesIO()
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    csv.write_csv(pa.table({name: arrays[name] for name in names}), sink, options)
    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(quote(name) for name in names)}) FROM STDIN (FORMAT csv)"
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(sink.getbuffer())
