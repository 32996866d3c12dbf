"""The engines that hold data: each runs a SQLAlchemy Core statement and returns its rows."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
import numpy as np
import numpy.typing as npt
from sqlalchemy import FromClause, MetaData, Select, Table, Text, column, func, inspect, literal, select, table
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import quoted_name

from abkit.collectors.dialects import SQLITE_FUNCTION, number_in
from abkit.collectors.engine_query import duckdb_query, kept_rows, spark_query, type_name, types_of
from abkit.collectors.failures import opening, reading, reason
from abkit.collectors.files import is_read_once, read_files
from abkit.collectors.source import Source
from abkit.collectors.spark import spark_errors, spark_frame
from abkit.embedded import open_session
from abkit.errors import DataError, NotFoundError, suggest

_TABLE = "abkit_rows"
_BATCH = 50_000
_SPARK_ZONE = "spark.sql.session.timeZone"
Kind = type[np.number[Any]]
Numbers = npt.NDArray[Any]


class Engine(Protocol):
    """What a collector asks of whatever holds the data."""

    table: FromClause
    """The rows, for statements."""
    types: dict[str, str]
    ranks: bool
    """Whether quantiles are found by ranking rows, because there is no `percentile_cont`."""
    sketches: bool
    """Whether it has a mergeable sketch of quantiles."""
    hashes: bool
    """Whether its `hash` of a row is 64 bits, the same for equal rows, and columns are handed over as they are held."""
    sorts: bool
    """Whether rows are grouped by sorting them, with all their columns."""

    def open(self, source: Source) -> tuple[FromClause, dict[str, str]]:
        """Return the rows of a source, beside those that are open already, and the types of their columns."""

    def keep(self, statement: Select[Any]) -> tuple[FromClause, dict[str, str]]:
        """Run a statement and return its rows, kept here for those that follow, and the types of their columns."""

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        """Run a statement and return its rows as dicts."""

    def batches(self, statement: Select[Any], kind: Kind | None = np.float64) -> Iterator[Sequence[Numbers]]:
        """Run a statement whose columns are all numbers and yield them as arrays of a kind, some rows at a time."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class DuckDB:
    """Files and frames, read where they lie; DataError where they cannot be read."""

    ranks, sketches, hashes, sorts = False, True, True, False

    def __init__(self, source: Source) -> None:
        self._connection, self._where = open_session(), source.where
        self._views: list[str] = []
        try:
            self.table, self.types = self.open(source)
        except BaseException:
            self.__exit__()
            raise

    def open(self, source: Source) -> tuple[FromClause, dict[str, str]]:  # noqa: D102 - the protocol says it
        name = f"{_TABLE}_{uuid.uuid4().hex}"
        try:
            if source.table is None:
                read_files(self._connection, source).create_view(name)
                self._views.append(name)
            else:
                self._connection.register(name, source.table)
            read = self._connection.table(name)
        except duckdb.Error as error:
            raise DataError(f"cannot read {source.where}: {reason(error)}") from None
        types = {column: str(kind) for column, kind in zip(read.columns, read.types, strict=True)}
        held = source.table is None and is_read_once(source)
        found = table(name, *(column(quoted_name(one, quote=True), Text if held else None) for one in types))
        return self.keep(select(found)) if held else (found, types)

    def keep(self, statement: Select[Any]) -> tuple[FromClause, dict[str, str]]:  # noqa: D102
        kept, insertion = kept_rows(statement)
        with reading(self._where, duckdb.Error):
            self._connection.execute(*duckdb_query(CreateTable(kept)))
            self._connection.execute(*duckdb_query(insertion))
        return kept, types_of(kept)

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:  # noqa: D102
        with reading(self._where, duckdb.Error):
            result = self._connection.execute(*duckdb_query(statement))
            names = [field[0] for field in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def batches(self, statement: Select[Any], kind: Kind | None = np.float64) -> Iterator[Sequence[Numbers]]:  # noqa: D102
        with reading(self._where, duckdb.Error):
            text, values = duckdb_query(statement)
            for batch in self._connection.sql(text, params=values).to_arrow_reader(_BATCH):
                yield [np.asarray(part, dtype=kind) for part in batch.columns]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(duckdb.Error):
            for name in self._views:
                self._connection.execute(f'DROP VIEW IF EXISTS "{name}"')
        self._connection.close()


class Database:
    """A table in a database that SQLAlchemy knows, read in one transaction, so that statements see the same rows."""

    ranks, sketches, hashes, sorts = True, False, False, False

    def __init__(self, source: Source) -> None:
        self._kept: list[Table] = []
        self.table, self.types = self.open(source)
        with opening(source.where, SQLAlchemyError):
            self._connection = source.engine.connect()
        try:
            with opening(source.where, SQLAlchemyError):
                self._prepare()
        except BaseException:
            self.__exit__()
            raise

    def open(self, source: Source) -> tuple[FromClause, dict[str, str]]:  # noqa: D102
        with opening(source.where, SQLAlchemyError):
            found = _selectable(source)
        return found, types_of(found)

    def keep(self, statement: Select[Any]) -> tuple[FromClause, dict[str, str]]:  # noqa: D102
        kept, insertion = kept_rows(statement)
        with reading("the data", SQLAlchemyError):
            kept.create(self._connection)
            self._kept.append(kept)
            self._connection.execute(insertion)
        return kept, types_of(kept)

    def _prepare(self) -> None:
        """Set up the session."""

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:  # noqa: D102
        with reading("the data", SQLAlchemyError):
            found = self._connection.execute(statement).mappings().all()
        return [{str(name): _plain(value) for name, value in row.items()} for row in found]

    def batches(self, statement: Select[Any], kind: Kind | None = np.float64) -> Iterator[Sequence[Numbers]]:  # noqa: D102
        with reading("the data", SQLAlchemyError):
            for part in self._connection.execute(statement).partitions(_BATCH):
                yield [np.array(values, dtype=kind) for values in zip(*part, strict=True)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(SQLAlchemyError):  # where the transaction failed, what it made is gone with it
            for kept in self._kept:
                kept.drop(self._connection)
        self._connection.close()


class SQLite(Database):
    """A table in SQLite, which reads numbers in text through a function of ours."""

    sorts = True

    def _prepare(self) -> None:
        raw: Any = self._connection.connection.driver_connection
        raw.create_function(SQLITE_FUNCTION, 1, number_in, deterministic=True)


class PostgreSQL(Database):
    """A table in PostgreSQL.

    Workers add up floats in the order in which they finish, and a scan may begin where another one is: a report must
    not change from run to run, so this session has neither.
    """

    ranks = False

    def _prepare(self) -> None:
        settings = {"max_parallel_workers_per_gather": "0", "synchronize_seqscans": "off", "timezone": "UTC"}
        for name, value in settings.items():
            self._connection.execute(select(func.set_config(name, value, literal(True))))


class Spark:
    """A table or a data frame in Spark, in whose session the time zone is UTC while this is open.

    Sums of floats may differ in their last digits from run to run: tasks finish in any order.
    """

    ranks, sketches, hashes, sorts = False, True, False, False

    def __init__(self, source: Source) -> None:
        self._where, self._views, self._kept = source.where, list[str](), list[Any]()
        frame = spark_frame(source.engine, source.table, source.where)
        self._session = frame.sparkSession
        self._zone = self._session.conf.get(_SPARK_ZONE)
        self._session.conf.set(_SPARK_ZONE, "UTC")
        self.table, self.types = self._view(frame)

    def open(self, source: Source) -> tuple[FromClause, dict[str, str]]:  # noqa: D102
        return self._view(spark_frame(self._session, source.table, source.where))

    def keep(self, statement: Select[Any]) -> tuple[FromClause, dict[str, str]]:  # noqa: D102
        with reading(self._where, spark_errors()):
            self._kept.append(self._run(statement).cache())
            return self._view(self._kept[-1])

    def _view(self, frame: Any) -> tuple[FromClause, dict[str, str]]:
        name = f"{_TABLE}_{uuid.uuid4().hex}"
        frame.createOrReplaceTempView(name)
        self._views.append(name)
        types = {field.name: type_name(field.dataType) for field in frame.schema.fields}
        return table(name, *map(column, types)), types

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:  # noqa: D102
        with reading(self._where, spark_errors()):
            found = self._run(statement).collect()
        return [{name: _plain(value) for name, value in row.asDict().items()} for row in found]

    def batches(self, statement: Select[Any], kind: Kind | None = np.float64) -> Iterator[Sequence[Numbers]]:  # noqa: D102
        with reading(self._where, spark_errors()):
            read = self._run(statement).toLocalIterator()  # a partition at a time
            while part := list(islice(read, _BATCH)):
                yield [np.array(values, dtype=kind) for values in zip(*part, strict=True)]

    def _run(self, statement: Select[Any]) -> Any:
        text, values = spark_query(statement)
        return self._session.sql(text, args=values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._views:
            self._session.catalog.dropTempView(name)
        for frame in self._kept:
            frame.unpersist()
        self._session.conf.set(_SPARK_ZONE, self._zone)


_ENGINES: dict[str, Any] = {"duckdb": DuckDB, "spark": Spark, "sqlite": SQLite, "postgresql": PostgreSQL}


def open_source(source: Source) -> Engine:
    """Return the engine that holds the source's data; a database that is not named above is read as any SQL is.

    Raises
    ------
    NotFoundError
        No such file or table.
    DataError
        It cannot be read.
    """
    engine: Engine = _ENGINES.get(source.dialect, Database)(source)
    return engine


def _selectable(source: Source) -> FromClause:
    if not isinstance(source.table, str):
        return source.table.subquery(_TABLE) if isinstance(source.table, Select) else source.table
    schema, _, name = source.table.rpartition(".")
    try:
        return Table(name, MetaData(), schema=schema or None, autoload_with=source.engine, resolve_fks=False)
    except NoSuchTableError:
        known = inspect(source.engine).get_table_names(schema=schema or None)
        raise NotFoundError(f"there is no table {source.table!r}{suggest(name, known)}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
