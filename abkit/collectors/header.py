"""The first line of CSV files: what separates columns is read from it and not guessed from what follows."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Sequence

from abkit.errors import DataError, NotFoundError

_DELIMITERS = ",;\t|"
_SAMPLE = 1 << 16


def find_delimiter(files: Sequence[str]) -> str:
    """Return the character between columns, from the header of the first file.

    Raises
    ------
    NotFoundError
        A file is empty.
    DataError
        A header is not UTF-8 text, or names a column twice.
    """
    delimiter = ","
    for place, name in enumerate(files):
        header = _header(name)
        if place == 0:
            delimiter = max(_DELIMITERS, key=header.count)
        names = next(csv.reader([header], delimiter=delimiter), [])
        twice = [column for column, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"{name}: the header names the column {twice[0]!r} twice; rename one of them")
    return delimiter


def _header(name: str) -> str:
    try:
        with gzip.open(name) if name.lower().endswith(".gz") else open(name, "rb") as file:
            sample = file.read(_SAMPLE)
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {name}: {error}") from None
    if not sample.strip():
        raise NotFoundError(f"the file {name} is empty: not even a header row")
    first = sample.splitlines()[0]
    try:
        return first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name} is not UTF-8 text; save it as UTF-8") from None
