"""Statements as text and values for engines that SQLAlchemy does not speak to, and types in the words of all."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    FromClause,
    Insert,
    Integer,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    insert,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import TypeEngine

from abkit.embedded import duckdb_dialect

_SPARK = PGDialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
_SPARK.name = "spark"
_SQL_TYPES = (
    (Boolean, "BOOLEAN"),
    (String, "VARCHAR"),
    (Integer, "BIGINT"),
    ((Numeric, Float), "DOUBLE"),
    (DateTime, "TIMESTAMP"),
)
_SPARK_TYPES = {
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "byte": "BIGINT",
    "short": "BIGINT",
    "integer": "BIGINT",
    "long": "BIGINT",
    "float": "DOUBLE",
    "double": "DOUBLE",
    "decimal": "DOUBLE",
    "timestamp": "TIMESTAMP",
    "timestamp_ntz": "TIMESTAMP",
}


def duckdb_query(statement: Select[Any] | Insert | CreateTable) -> tuple[str, list[Any]]:
    r"""Return a statement for DuckDB, and its values in order.

    Examples
    --------
    >>> from sqlalchemy import column, select
    >>> duckdb_query(select(column("x")).where(column("x") > 1))
    ('SELECT x \nWHERE x > $1', [1])
    """
    if isinstance(statement, CreateTable):
        return str(statement.compile(dialect=duckdb_dialect())), []
    compiled = statement.compile(dialect=duckdb_dialect(), compile_kwargs={"render_postcompile": True})
    return str(compiled), _in_order(compiled)


def spark_query(statement: Select[Any]) -> tuple[str, list[Any]]:
    """Return a statement for Spark, and its values in order; sqlglot translates it from PostgreSQL's SQL."""
    import sqlglot

    compiled = statement.compile(dialect=_SPARK, compile_kwargs={"render_postcompile": True})
    return sqlglot.transpile(str(compiled), read="postgres", write="spark")[0], _in_order(compiled)


def _in_order(compiled: Any) -> list[Any]:
    return [compiled.params[name] for name in compiled.positiontup or ()]


def kept_rows(statement: Select[Any]) -> tuple[Table, Insert]:
    """Return a temporary table for the rows of a statement, with a name that no other has, and what fills it.

    Examples
    --------
    >>> from sqlalchemy import Text, column, select
    >>> kept, insertion = kept_rows(select(column("x", Text)))
    >>> kept.columns.keys(), str(insertion).startswith(f"INSERT INTO {kept.name}")
    (['x'], True)
    """
    columns = [Column(quoted_name(part.name, quote=True), part.type) for part in statement.selected_columns]
    kept = Table(f"abkit_kept_{uuid.uuid4().hex}", MetaData(), *columns, prefixes=["TEMPORARY"])
    return kept, insert(kept).from_select(list(kept.columns), statement)


def types_of(rows: FromClause) -> dict[str, str]:
    """Return the types of the columns of a table or a statement.

    Examples
    --------
    >>> from sqlalchemy import Text, column, table
    >>> types_of(table("t", column("x", Text)))
    {'x': 'VARCHAR'}
    """
    return {part.name: type_name(part.type) for part in rows.columns}


def type_name(kind: Any) -> str:
    """Return the type of a column, SQLAlchemy's or Spark's, in the words that statements ask for.

    Examples
    --------
    >>> from sqlalchemy import Text
    >>> type_name(Text())
    'VARCHAR'
    """
    if isinstance(kind, TypeEngine):
        return next((name for known, name in _SQL_TYPES if isinstance(kind, known)), type(kind).__name__.upper())
    name = str(kind.typeName())
    return _SPARK_TYPES.get(name, name.upper())
