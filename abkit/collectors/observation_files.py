"""Rows of a load, from wherever they are, in pieces of bounded size and with their line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from abkit.errors import DataError, NotFoundError

_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_LONGEST_LINE = 1 << 20

Line = tuple[int, Any]


class Unreadable:
    """A line that holds no row."""

    __slots__ = ("reason", "text")

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text[:1000], reason


def lines_of(rows: Any) -> Iterator[Line]:
    """Yield rows with their numbers: of the line in a file (the header is line 1), else counted from 1.

    Parameters
    ----------
    rows : path, frame, or iterable of mappings
        A CSV or JSON-lines file, plain or gzipped; a pandas, polars or Arrow frame.

    Raises
    ------
    NotFoundError
        No such file.
    DataError
        Neither of these.
    """
    if isinstance(rows, str | PathLike):
        yield from _file(Path(rows))
    elif hasattr(rows, "columns") and not isinstance(rows, Mapping):
        yield from enumerate(_frame(rows), start=1)
    elif isinstance(rows, Iterable) and not isinstance(rows, Mapping | bytes):
        yield from enumerate(rows, start=1)
    else:
        raise DataError(f"expected a file, a frame or rows, got {type(rows).__name__}")


def _frame(frame: Any) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    if hasattr(frame, "to_arrow"):
        frame = frame.to_arrow()
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    for batch in table.to_batches(max_chunksize=10_000):
        names = batch.schema.names
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield dict(zip(names, values, strict=True))


def _file(path: Path) -> Iterator[Line]:
    name = path.name.lower()
    if name.endswith(_LINES):
        reader = _json_lines
    elif name.endswith(_CSV):
        reader = _csv_rows
    else:
        raise DataError(f"{path}: expected a name that ends in {', '.join(_CSV + _LINES)}")
    with _opened(path) as file:
        yield from reader(path, file)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        raw = gzip.open(path, "rb") if path.name.lower().endswith(".gz") else open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise NotFoundError(f"cannot open {path}: {error.strerror}; the path is relative to {Path.cwd()}") from None
    with raw, io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        yield file


def _json_lines(path: Path, file: Any) -> Iterator[Line]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise DataError(f"{path}, line {number}: longer than {_LONGEST_LINE:,} characters; is this JSON lines?")
        if line.strip():
            yield number, _json(line)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return Unreadable(line.rstrip("\n"), f"not JSON: {error}")


def _csv_rows(path: Path, file: Any) -> Iterator[Line]:
    reader = csv.reader(file, delimiter="\t" if ".tsv" in path.name.lower() else ",", strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise DataError(f"{path} is empty: not even a header row")
        for values in reader:
            if len(values) == len(header):
                yield reader.line_num, dict(zip(header, values, strict=True))
            elif values:
                text = ",".join(values)
                yield reader.line_num, Unreadable(text, f"{len(values)} fields, but the header has {len(header)}")
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}; nothing after it can be read") from None
