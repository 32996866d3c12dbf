"""Rows in the form in which PostgreSQL copies them fastest: binary, put together a column at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Table

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension of the header
_END: Final = (-1).to_bytes(2, "big", signed=True)
_ROWS_AT_ONCE: Final = 5_000
_NUMBERS: Final = {"int32": ">i4", "int64": ">i8", "double": ">f8"}


def copy_rows(connection: Connection, table: Table, columns: Mapping[str, Any]) -> None:
    """Append rows to a table of PostgreSQL; `columns` are what `copied_rows` takes, by name."""
    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN (FORMAT binary)"
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for part in copied_rows(columns):  # the server reads the one while the next is put together
            copy.write(part)


def copied_rows(columns: Mapping[str, Any]) -> Iterator[bytes | memoryview]:
    """Yield what ``COPY ... FROM STDIN (FORMAT binary)`` reads, for columns of numbers, texts and bytes.

    Each row is the number of its fields, and for each field its length and its bytes, numbers big-endian
    (PostgreSQL 15, "COPY", "Binary Format").

    Parameters
    ----------
    columns : mapping
        Arrow arrays of int32, int64, double, string and binary without nulls, all of one length.

    Examples
    --------
    >>> import pyarrow as pa
    >>> head, row, end = copied_rows({"name": pa.array(["ab"]), "value": pa.array([7])})
    >>> bytes(row).hex(" ", 2)
    '0002 0000 0002 6162 0000 0008 0000 0000 0000 0007'
    """
    yield _SIGNATURE
    size = len(next(iter(columns.values())))
    for start in range(0, size, _ROWS_AT_ONCE):
        yield _joined({name: column.slice(start, _ROWS_AT_ONCE) for name, column in columns.items()})
    yield _END


def _joined(columns: Mapping[str, Any]) -> memoryview:
    """Texts with what is between them, which has the same size in every row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = len(next(iter(columns.values())))
    parts: list[Any] = []
    between: list[tuple[str, Any]] = [(">i2", len(columns))]
    for column in columns.values():
        if str(column.type) not in _NUMBERS:
            text = _whole(column).cast(pa.binary())
            between.append((">i4", pc.binary_length(text).to_numpy(zero_copy_only=False)))
            parts += [_fixed(between, size), text]
            between = []
        else:
            between += [(">i4", column.type.byte_width), (_NUMBERS[str(column.type)], column.to_numpy())]
    parts += [_fixed(between, size)] if between else []
    rows = pc.binary_join_element_wise(*parts, b"")
    ends = np.frombuffer(rows.buffers()[1], np.int32, size + 1, 4 * rows.offset)
    return memoryview(rows.buffers()[2])[ends[0] : ends[-1]]


def _whole(column: Any) -> Any:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _fixed(fields: list[tuple[str, Any]], size: int) -> Any:
    """Numbers as the bytes of each row."""
    import pyarrow as pa

    rows = np.empty(size, np.dtype([(str(place), kind) for place, (kind, _) in enumerate(fields)]))
    for place, (_, values) in enumerate(fields):
        rows[str(place)] = values
    kind = pa.binary(rows.dtype.itemsize)
    return pa.FixedSizeBinaryArray.from_buffers(kind, size, [None, pa.py_buffer(rows)]).cast(pa.binary())
