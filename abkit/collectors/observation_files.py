"""Rows of a load, from wherever they are, in pieces of bounded size and with their line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
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


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows, as a list or an Arrow record batch, with their numbers."""

    lines: Sequence[int]
    rows: Any


def pieces_of(rows: Any, size: int) -> Iterator[Piece]:
    """Yield at most `size` rows at once, with their numbers: of the line in a file (the header is line 1), else from 1.

    Parameters
    ----------
    rows : path, frame, or iterable of mappings
        A CSV or JSON-lines file, plain or gzipped; a pandas, polars or Arrow frame.
    size : int

    Raises
    ------
    NotFoundError
        No such file.
    DataError
        Neither of these.
    """
    if isinstance(rows, str | PathLike):
        source = _file(Path(rows))
        while found := list(islice(source, size)):
            yield Piece([line for line, _ in found], [row for _, row in found])
    elif hasattr(rows, "columns") and not isinstance(rows, Mapping):
        yield from _frame(rows, size)
    elif isinstance(rows, Iterable) and not isinstance(rows, Mapping | bytes):
        source, start = iter(rows), 1
        while read := list(islice(source, size)):
            yield Piece(range(start, start + len(read)), read)
            start += len(read)
    else:
        raise DataError(f"expected a file, a frame or rows, got {type(rows).__name__}")


def _frame(frame: Any, size: int) -> Iterator[Piece]:
    import pyarrow as pa

    start = 1
    for at in range(0, len(frame), size):  # a part at a time: pandas' texts take several times their size as Arrow
        part = (frame.iloc if hasattr(frame, "iloc") else frame)[at : at + size]
        part = part.to_arrow() if hasattr(part, "to_arrow") else part
        table = part if isinstance(part, pa.Table) else pa.Table.from_pandas(part, preserve_index=False)
        for rows in table.to_batches():
            yield Piece(range(start, start + len(rows)), rows)
            start += len(rows)


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
