"""Errors of engines, in words for whoever owns the data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import duckdb

from abkit.errors import DataError


@contextlib.contextmanager
def opening(where: str, kind: type[Exception]) -> Iterator[None]:
    """Say that data cannot be opened, and why, where an engine's error says so.

    Raises
    ------
    DataError
    """
    try:
        yield
    except kind as error:
        raise DataError(f"cannot read {where}: {_first_line(error)}") from None


@contextlib.contextmanager
def reading(where: str, kind: type[Exception]) -> Iterator[None]:
    """Say that data cannot be read to its end, and why, where an engine's error says so.

    Raises
    ------
    DataError
    """
    try:
        yield
    except kind as error:
        mend = "; mend that line" if kind is duckdb.Error else ""
        raise DataError(f"{where} cannot be read to its end: {_first_line(error)}{mend}") from None


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
