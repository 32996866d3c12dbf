"""Errors of engines, in words for whoever owns the data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import duckdb

from abkit.errors import DataError


def opening(where: str, kind: type[Exception]) -> contextlib.AbstractContextManager[None]:
    """Say that data cannot be opened, and why, where an engine's error says so.

    Raises
    ------
    DataError
    """
    return _told(kind, f"cannot read {where}")


def reading(where: str, kind: type[Exception]) -> contextlib.AbstractContextManager[None]:
    """Say that data cannot be read to its end, and why, where an engine's error says so.

    Raises
    ------
    DataError
    """
    return _told(kind, f"{where} cannot be read to its end", "; mend that line" if kind is duckdb.Error else "")


@contextlib.contextmanager
def _told(kind: type[Exception], what: str, way_out: str = "") -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise DataError(f"{what}: {_first_line(error)}{way_out}") from None


def reason(error: Exception) -> str:
    """Return why DuckDB cannot read a file, in words that say what to mend."""
    text = _first_line(error)
    if "sniffing" in text:
        return "its rows do not all have the columns of the header, or a quote does not close; mend that line"
    if "not utf-8" in str(error):
        return f"it is not UTF-8 text ({text.rpartition(': ')[2]}); save it as UTF-8"
    return text


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
