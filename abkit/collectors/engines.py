"""The engines that hold data: each runs a SQLAlchemy Core statement and returns its rows."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
import numpy as np
from sqlalchemy import (
    Boolean,
    DateTime,
    Float,
    FromClause,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    TableClause,
    column,
    func,
    inspect,
    literal,
    select,
    table,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from abkit.collectors.dialects import SQLITE_FUNCTION, number_in
from abkit.collectors.header import find_delimiter
from abkit.collectors.source import Source
from abkit.errors import DataError, NotFoundError, suggest
from abkit.stats.moments import Array

_TABLE = "abkit_rows"
_BATCH = 50_000
_DIALECT = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_DIALECT.name = "duckdb"


class Engine(Protocol):
    """What a collector asks of whatever holds the data."""

    types: dict[str, str]
    ranks: bool
    """Whether quantiles are found by ranking rows, because there is no `percentile_cont`."""

    @property
    def table(self) -> FromClause:
        """The rows, for statements."""

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        """Run a statement and return its rows as dicts."""

    def batches(self, statement: Select[Any]) -> Iterator[Array]:
        """Run a statement whose columns are all numbers and yield its rows, some at a time."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


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

    ranks = False

    def __init__(self, source: Source) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._where = source.where
        try:
            self._connection.execute("SET TimeZone = 'UTC'")
            self._open(source)
            described = self._connection.table(_TABLE)
        except duckdb.Error as error:
            self.close()
            raise DataError(f"cannot read {source.where}: {_reason(error)}") from None
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
        names = [glob.escape(name) for name in source.files]
        if source.is_parquet:
            relation = self._connection.read_parquet(names, union_by_name=len(names) > 1)
        else:
            relation = self._connection.read_csv(
                names,
                header=True,
                all_varchar=True,
                sep=find_delimiter(source.files),
                quotechar='"',
                escapechar='"',
                union_by_name=len(names) > 1,
            )
        relation.create_view(_TABLE)

    @property
    def table(self) -> TableClause:
        """The rows, as a table clause for statements."""
        return table(_TABLE, *(column(name) for name in self.types))

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        """Run a statement and return its rows as dicts."""
        with self._reading():
            result = self._connection.execute(*_compiled(statement))
            names = [field[0] for field in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def batches(self, statement: Select[Any]) -> Iterator[Array]:
        """Run a statement whose columns are all numbers and yield its rows, some at a time."""
        with self._reading():
            text, values = _compiled(statement)
            for batch in self._connection.sql(text, params=values).to_arrow_reader(_BATCH):
                yield np.column_stack([np.asarray(part, dtype=np.float64) for part in batch.columns])

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise DataError(f"{self._where} cannot be read to its end: {_first_line(error)}; mend that line") from None

    def close(self) -> None:
        """Let go of the data."""
        self._connection.close()

    def __enter__(self) -> DuckDB:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _compiled(statement: Select[Any]) -> tuple[str, list[Any]]:
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]


class Database:
    """A table in SQLite or PostgreSQL, read in one transaction, so that every statement sees the same rows.

    Raises
    ------
    NotFoundError
        No such table.
    DataError
        The database cannot be read.
    """

    def __init__(self, source: Source) -> None:
        self.ranks = source.engine.dialect.name == "sqlite"
        try:
            self._rows = _selectable(source)
            self._connection = source.engine.connect()
        except SQLAlchemyError as error:
            raise DataError(f"cannot read {source.where}: {_first_line(error)}") from None
        try:
            self._prepare()
        except SQLAlchemyError as error:
            self._connection.close()
            raise DataError(f"cannot read {source.where}: {_first_line(error)}") from None
        self.types: dict[str, str] = {part.name: _type_name(part.type) for part in self._rows.columns}

    def _prepare(self) -> None:
        if self.ranks:
            raw: Any = self._connection.connection.driver_connection
            raw.create_function(SQLITE_FUNCTION, 1, number_in, deterministic=True)
            return
        # Workers add up floats in the order in which they finish; a report must not change from run to run.
        for name, value in (("max_parallel_workers_per_gather", "0"), ("timezone", "UTC")):
            self._connection.execute(select(func.set_config(name, value, literal(True))))

    @property
    def table(self) -> FromClause:
        """The rows, as a table for statements."""
        return self._rows

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        """Run a statement and return its rows as dicts."""
        try:
            found = self._connection.execute(statement).mappings().all()
        except SQLAlchemyError as error:
            raise DataError(f"the data cannot be read to its end: {_first_line(error)}") from None
        return [{str(name): _plain(value) for name, value in row.items()} for row in found]

    def batches(self, statement: Select[Any]) -> Iterator[Array]:
        """Run a statement whose columns are all numbers and yield its rows, some at a time."""
        try:
            for part in self._connection.execute(statement).partitions(_BATCH):
                yield np.array([tuple(row) for row in part], dtype=np.float64)
        except SQLAlchemyError as error:
            raise DataError(f"the data cannot be read to its end: {_first_line(error)}") from None

    def close(self) -> None:
        """Let go of the data."""
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(source: Source) -> Engine:
    """Return the engine that holds the source's data."""
    return DuckDB(source) if source.engine is None else Database(source)


def _selectable(source: Source) -> FromClause:
    if not isinstance(source.table, str):
        return source.table.subquery("abkit_rows") if isinstance(source.table, Select) else source.table
    schema, _, name = source.table.rpartition(".")
    try:
        return Table(name, MetaData(), schema=schema or None, autoload_with=source.engine, resolve_fks=False)
    except NoSuchTableError:
        known = inspect(source.engine).get_table_names(schema=schema or None)
        raise NotFoundError(f"there is no table {source.table!r}{suggest(name, known)}") from None


def _type_name(kind: TypeEngine[Any]) -> str:
    """The type in the words that statements ask for."""
    names = ((Boolean, "BOOLEAN"), (String, "VARCHAR"), ((Numeric, Float), "DOUBLE"), (DateTime, "TIMESTAMP"))
    return next((name for known, name in names if isinstance(kind, known)), type(kind).__name__.upper())


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _reason(error: Exception) -> str:
    text = _first_line(error)
    if "sniffing" in text:
        return "its rows do not all have the columns of the header, or a quote does not close; mend that line"
    if "not utf-8" in str(error):
        return f"it is not UTF-8 text ({text.rpartition(': ')[2]}); save it as UTF-8"
    return text


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
