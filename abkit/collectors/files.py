"""Files as DuckDB reads them: CSV as text, Parquet by column, folders with their partitions as columns."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

from abkit.collectors.header import find_delimiter
from abkit.collectors.source import Source

_PARQUET = (
    "SELECT * FROM read_parquet($1, union_by_name = $2, hive_partitioning = $3, hive_types_autocast = false)"  # 007
)


_HELD = 64 << 20  # bytes of text, which take twice as many in memory
_UNPACKED = 10  # times as much text as there are bytes packed


def is_read_once(source: Source) -> bool:
    """Whether the files are text that is small enough to hold: every statement would parse it from its start."""
    if source.is_parquet:
        return False
    sizes = ((_UNPACKED if name.endswith((".gz", ".zst")) else 1) * Path(name).stat().st_size for name in source.files)
    return sum(sizes) <= _HELD


def read_files(connection: Any, source: Source) -> Any:
    """Return the files of a source as one DuckDB relation.

    CSV columns and partitions are read as text, so that an id such as 007 stays what it is and a stray word in a column
    of numbers can be named.

    Parameters
    ----------
    connection : DuckDB connection
    source : Source
        With a path.

    Raises
    ------
    NotFoundError
        No such file.
    DataError
        A header that cannot be read.
    """
    names = [glob.escape(name) for name in source.files]
    several = len(names) > 1
    if source.is_parquet:
        return connection.sql(_PARQUET, params=[names, several, source.is_partitioned])
    return connection.read_csv(
        names,
        header=True,
        all_varchar=True,
        sep=find_delimiter(source.files),
        quotechar='"',
        escapechar='"',
        union_by_name=several,
    )
