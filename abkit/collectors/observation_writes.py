"""Statements that store observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, repeat
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from abkit.collectors.copy_rows import copy_rows

_ROWS_AT_ONCE: Final = 5_000
_ROWS_IN_A_STATEMENT: Final = 100


@dataclass(frozen=True, slots=True)
class ObservationTables:
    """The tables that hold observations; see `abkit.store.observation_tables`."""

    streams: Table
    observations: Table
    key_runs: Table
    key_pieces: Table
    quarantine: Table


def add_observations(connection: Connection, table: Table, stream: int, columns: dict[str, Any]) -> None:
    """Append rows; `columns` are Arrow arrays under the names of the table's other columns, in order."""
    import pyarrow as pa

    size = len(columns["user_id"])
    if connection.dialect.name == "postgresql":
        copy_rows(connection, table, {"stream": pa.repeat(pa.scalar(stream, pa.int64()), size), **columns})
        return
    for start in range(0, size, _ROWS_AT_ONCE):
        parts = [_python(column.slice(start, _ROWS_AT_ONCE)) for column in columns.values()]
        length = min(_ROWS_AT_ONCE, size - start)
        values = chain.from_iterable(zip(repeat(stream, length), *parts, strict=True))
        for rows in (_ROWS_IN_A_STATEMENT, 1):
            count, length = divmod(length, rows)
            some = [tuple(islice(values, rows * len(table.columns))) for _ in range(count)]
            if some:  # handed to the driver as they are: their types are known
                connection.exec_driver_sql(_insert_statement(table, rows), some)


@cache
def _insert_statement(table: Table, rows: int) -> str:
    """An insert of several rows at once, which costs SQLite half as much for each."""
    names = [column.name for column in table.columns]
    return str(sqlite.insert(table).values([dict.fromkeys(names)] * rows).compile(dialect=sqlite.dialect()))


def _python(column: Any) -> list[Any]:
    """As `to_pylist`, in half the time where numbers are numbers, or texts come again and again."""
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return column.to_numpy().tolist()  # type: ignore[no-any-return]
    codes = column.combine_chunks().dictionary_encode()
    if 2 * len(codes.dictionary) > len(codes):
        return column.to_pylist()  # type: ignore[no-any-return]
    return np.array(codes.dictionary.to_pylist(), object)[codes.indices.to_numpy()].tolist()  # type: ignore[no-any-return]


def add_quarantined(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Keep observations whose event id came with another payload before."""
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))
