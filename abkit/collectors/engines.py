"""The engines that hold data: each runs a SQLAlchemy Core statement and returns its rows."""

from __future__ import annotations

from typing import Any

import duckdb
from sqlalchemy import Select, TableClause, column, table
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import TryCast

from abkit.collectors.source import Source
from abkit.errors import DataError, NotFoundError

_TABLE = "abkit_rows"
_DIALECT = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_DIALECT.name = "duckdb"


@compiles(TryCast, "duckdb")
def _try_cast(element: TryCast[Any], compiler: Any, **options: Any) -> str:
    return (
        f"TRY_CAST({compiler.process(element.clause, **options)} AS {compiler.process(element.typeclause, **options)})"
    )


class DuckDB:
    """Files and frames, read where they lie.

    One thread: sums of floats would otherwise differ in their last digits from run to run, and a report must not.
    CSV columns are read as text, so that an id such as 007 stays what it is and a stray word in a column of numbers
    can be named.

    Raises
    ------
    NotFoundError
        No such file, or no rows' columns in it.
    DataError
        The file cannot be read.
    """

    def __init__(self, source: Source) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        try:
            self._connection.execute("SET TimeZone = 'UTC'")
            self._open(source)
            described = self._connection.table(_TABLE)
        except duckdb.Error as error:
            self.close()
            raise DataError(f"cannot read {source.data.path or 'the frame'}: {_first_line(error)}") from None
        except BaseException:
            self.close()
            raise
        self.types: dict[str, str] = {
            name: str(kind) for name, kind in zip(described.columns, described.types, strict=True)
        }

    def _open(self, source: Source) -> None:
        if source.table is not None:
            self._connection.register(_TABLE, source.table)
            return
        files = source.files
        if source.is_parquet:
            relation = self._connection.read_parquet(files, union_by_name=len(files) > 1)
        else:
            empty = [name for name in files if not _has_bytes(name)]
            if empty:
                raise NotFoundError(f"the file {empty[0]} is empty: not even a header row")
            relation = self._connection.read_csv(files, header=True, all_varchar=True, union_by_name=len(files) > 1)
        relation.create_view(_TABLE)

    @property
    def table(self) -> TableClause:
        """The rows, as a table clause for statements."""
        return table(_TABLE, *(column(name) for name in self.types))

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        """Run a statement and return its rows as dicts."""
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        values = [compiled.params[name] for name in compiled.positiontup or ()]
        try:
            result = self._connection.execute(str(compiled), values)
            names = [field[0] for field in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise DataError(f"the data cannot be read to its end: {_first_line(error)}") from None

    def close(self) -> None:
        """Let go of the data."""
        self._connection.close()

    def __enter__(self) -> DuckDB:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _has_bytes(path: str) -> bool:
    with open(path, "rb") as file:
        return bool(file.read(1))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
