"""The assignment rule as SQL, for PostgreSQL, DuckDB and Spark.

The text holds no percent sign: drivers take one for the beginning of a value.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, String, case, column, literal, select, table
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import IdentifierPreparer
from sqlalchemy.sql.functions import FunctionElement

from abkit.embedded import duckdb_dialect
from abkit.errors import ParameterError


class BucketOf(FunctionElement[int]):
    """``sha256(<experiment id>:<user id>)``, first four bytes, modulo 10,000."""

    name = "abkit_bucket"
    type = Integer()
    inherit_cache = True


@compiles(BucketOf)
def _other(element: BucketOf, compiler: Any, **options: Any) -> str:
    raise ParameterError(
        f"no expression of the assignment rule for {compiler.dialect.name}: it has no sha256; assign the users with "
        "assign_batch and join the result"
    )


@compiles(BucketOf, "postgresql")
def _postgresql(element: BucketOf, compiler: Any, **options: Any) -> str:
    text = _text(element, compiler, **options)
    return f"mod(('x' || substr(encode(sha256(convert_to({text}, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint, 10000)"


@compiles(BucketOf, "duckdb")
def _duckdb(element: BucketOf, compiler: Any, **options: Any) -> str:
    return f"mod(CAST('0x' || substr(sha256({_text(element, compiler, **options)}), 1, 8) AS UINTEGER), 10000)"


@compiles(BucketOf, "spark")
def _spark(element: BucketOf, compiler: Any, **options: Any) -> str:
    text = ", ".join(compiler.process(part, **options) for part in element.clauses)
    return f"mod(CAST(conv(substring(sha2(concat({text}), 256), 1, 8), 16, 10) AS BIGINT), 10000)"


def _text(element: BucketOf, compiler: Any, **options: Any) -> str:
    return " || ".join(compiler.process(part, **options) for part in element.clauses)


def bucket_expression(experiment_id: str, user_id: ColumnElement[str]) -> ColumnElement[int]:
    """Return the bucket of the users in a text column, for use in a SQLAlchemy statement.

    Examples
    --------
    >>> from sqlalchemy import column
    >>> from sqlalchemy.dialects import postgresql
    >>> str(bucket_expression("e1", column("user_id")).compile(dialect=postgresql.dialect())).startswith("mod(")
    True
    """
    return BucketOf(literal(f"{experiment_id}:", String), user_id)


def variant_expression(
    experiment_id: str, names: tuple[str, ...], bounds: tuple[int, ...], user_id: ColumnElement[str]
) -> ColumnElement[str]:
    """Return the variant by the hash of the users in a text column; the arguments are those of a `Split`."""
    found = bucket_expression(experiment_id, user_id)
    return case(*((found < bound, literal(name, String)) for name, bound in zip(names, bounds, strict=True)))


class _SparkText(String):
    """Spark reads a backslash as an escape, and two quotes as the end of one text and the start of the next."""

    def literal_processor(self, dialect: Any) -> Any:
        return lambda value: "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _SparkNames(IdentifierPreparer):
    def __init__(self, dialect: Any) -> None:
        super().__init__(dialect, initial_quote="`", escape_quote="`")


class _Spark(DefaultDialect):
    name = "spark"
    preparer = _SparkNames  # type: ignore[assignment]
    colspecs = {String: _SparkText}  # noqa: RUF012 - SQLAlchemy's own way to say it
    supports_statement_cache = False


def spark_sql(expression: ColumnElement[Any]) -> str:
    r"""Return an expression as Spark SQL text, values and all, for `selectExpr` or `expr`.

    Examples
    --------
    >>> from sqlalchemy import column
    >>> spark_sql(bucket_expression("it's", column("user id")))
    "mod(CAST(conv(substring(sha2(concat('it\\'s:', `user id`), 256), 1, 8), 16, 10) AS BIGINT), 10000)"
    """
    return str(expression.compile(dialect=_Spark(), compile_kwargs={"literal_binds": True}))


def duckdb_sql(experiment_id: str, name: str, user_id: str) -> tuple[str, list[Any]]:
    """Return a statement for the buckets of a DuckDB table's users, and its values."""
    rows = table(name, column(user_id, String))
    statement = select(bucket_expression(experiment_id, rows.c[user_id]).label("bucket"))
    compiled = statement.compile(dialect=duckdb_dialect())
    return str(compiled), [compiled.params[key] for key in compiled.positiontup or ()]
