"""Where engines differ: reading numbers and times that may not be any, and quantiles."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Boolean, Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from abkit.errors import DefinitionError

_NUMBER = r"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$"
_WORD = r"^[+-]?(inf|infinity|nan)$"
_DATE = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)? *(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)?$"
)
SQLITE_FUNCTION = "abkit_number"


class _Reading(FunctionElement[float]):
    type = Double()


class NumberIn(_Reading):
    """The number that a text holds, or nothing."""

    name = "abkit_number_in"
    inherit_cache = True


class Finite(_Reading):
    """The value as a number; NaN, which no sum survives, is nothing."""

    name = "abkit_finite"
    inherit_cache = True


class IsNumber(FunctionElement[bool]):
    """Whether there is a value and it is a number, in a column of numbers."""

    type = Boolean()
    name = "abkit_is_number"
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: where there are no booleans, it would be compared with 1, which takes as long as the test."""
        return self


class AsDouble(_Reading):
    """What a column of numbers holds, as a float."""

    name = "abkit_as_double"
    inherit_cache = True


class SumOf(_Reading):
    """The sum of numbers, none of which is too large for it."""

    name = "abkit_sum_of"
    inherit_cache = True


class SecondsOf(_Reading):
    """A time as seconds since 1970, or nothing where it cannot be read."""

    name = "abkit_seconds_of"
    inherit_cache = True


class SecondsOfTime(_Reading):
    """The same of a column of times, each of which can be read."""

    name = "abkit_seconds_of_time"
    inherit_cache = True


class Given(_Reading):
    """What a column of numbers holds; NaN is nothing."""

    name = "abkit_given"
    inherit_cache = True


class DayOf(_Reading):
    """The day since 1970 of a time in seconds."""

    name = "abkit_day_of"
    inherit_cache = True


class Percentiles(_Reading):
    """Sample quantiles of the first argument at the probabilities that follow, as a list."""

    name = "abkit_percentiles"
    inherit_cache = True


class Sketched(_Reading):
    """The same from a sketch: near them, in memory that does not grow."""

    name = "abkit_sketched"
    inherit_cache = True


def _inner(element: FunctionElement[Any], compiler: Any, options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


def _parts(element: FunctionElement[Any], compiler: Any, options: Any) -> tuple[str, str]:
    """The first argument, and the others with commas between them."""
    first, *others = (compiler.process(part, **options) for part in element.clauses)
    return first, ", ".join(others)


@compiles(NumberIn, "duckdb")
@compiles(NumberIn, "spark")
def _duckdb_number(element: NumberIn, compiler: Any, **options: Any) -> str:
    return f"TRY_CAST({_inner(element, compiler, options)} AS DOUBLE)"


@compiles(NumberIn, "postgresql")
def _postgresql_number(element: NumberIn, compiler: Any, **options: Any) -> str:
    text = _inner(element, compiler, options)
    return f"CASE WHEN {text} ~ '{_NUMBER}' OR {text} ~* '{_WORD}' THEN CAST({text} AS DOUBLE PRECISION) END"


@compiles(NumberIn, "sqlite")
def _sqlite_number(element: NumberIn, compiler: Any, **options: Any) -> str:
    return f"{SQLITE_FUNCTION}({_inner(element, compiler, options)})"


@compiles(Finite)
@compiles(NumberIn)
@compiles(SecondsOf)
def _unknown(element: FunctionElement[Any], compiler: Any, **options: Any) -> str:
    raise DefinitionError(
        f"abkit does not know how {compiler.dialect.name} reads numbers and times: say it as in the how-to page "
        "'Add an engine', or export the rows to Parquet"
    )


@compiles(Finite, "postgresql")
@compiles(Finite, "spark")
def _finite(element: Finite, compiler: Any, **options: Any) -> str:
    value = _inner(element, compiler, options)
    return f"NULLIF(CAST({value} AS DOUBLE PRECISION), CAST('NaN' AS DOUBLE PRECISION))"


@compiles(Finite, "duckdb")
def _duckdb_finite(element: Finite, compiler: Any, **options: Any) -> str:
    # A Parquet file's statistics leave NaN out, and DuckDB 2.0 takes a comparison with it, or isnan, for false by them.
    value = f"CAST({_inner(element, compiler, options)} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) OR isinf({value}) THEN {value} END"


@compiles(Finite, "sqlite")
def _sqlite_finite(element: Finite, compiler: Any, **options: Any) -> str:
    value = _inner(element, compiler, options)  # SQLite has no NaN, and a column of numbers may hold text
    return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS REAL) END"


@compiles(IsNumber)
def _is_number(element: IsNumber, compiler: Any, **options: Any) -> str:
    return f"{_inner(element, compiler, options)} IS NOT NULL"


@compiles(IsNumber, "sqlite")
def _sqlite_is_number(element: IsNumber, compiler: Any, **options: Any) -> str:
    return f"{_inner(element, compiler, options)} < ''"  # numbers come before all texts, and texts before all bytes


@compiles(AsDouble)
def _as_double(element: AsDouble, compiler: Any, **options: Any) -> str:
    return f"CAST({_inner(element, compiler, options)} AS DOUBLE PRECISION)"


@compiles(AsDouble, "sqlite")
def _sqlite_as_double(element: AsDouble, compiler: Any, **options: Any) -> str:
    return _inner(element, compiler, options)  # a cast takes longer than a product


@compiles(SumOf)
def _sum_of(element: SumOf, compiler: Any, **options: Any) -> str:
    return f"sum({_inner(element, compiler, options)})"


@compiles(SumOf, "sqlite")
def _sqlite_sum_of(element: SumOf, compiler: Any, **options: Any) -> str:
    return f"total({_inner(element, compiler, options)})"  # `sum` fails where whole numbers grow beyond 64 bits


@compiles(Given)
def _given(element: Given, compiler: Any, **options: Any) -> str:
    return str(compiler.process(Finite(*element.clauses), **options))


@compiles(Given, "sqlite")
def _sqlite_given(element: Given, compiler: Any, **options: Any) -> str:
    return _inner(element, compiler, options)


@compiles(Percentiles)
def _percentiles(element: Percentiles, compiler: Any, **options: Any) -> str:
    value, asked = _parts(element, compiler, options)
    return f"percentile_cont(ARRAY[{asked}]) WITHIN GROUP (ORDER BY {value} ASC)"


@compiles(Percentiles, "spark")
def _spark_percentiles(element: Percentiles, compiler: Any, **options: Any) -> str:
    value, asked = _parts(element, compiler, options)
    return f"percentile({value}, array({asked}))"


@compiles(Sketched, "duckdb")
def _duckdb_sketched(element: Sketched, compiler: Any, **options: Any) -> str:
    value, asked = _parts(element, compiler, options)
    return f"approx_quantile({value}, [{asked}])"


@compiles(Sketched, "spark")
def _spark_sketched(element: Sketched, compiler: Any, **options: Any) -> str:
    value, asked = _parts(element, compiler, options)
    return f"percentile_approx({value}, array({asked}), 10000)"


@compiles(SecondsOf, "duckdb")
def _duckdb_seconds(element: SecondsOf, compiler: Any, **options: Any) -> str:
    return f"EXTRACT(epoch FROM TRY_CAST({_inner(element, compiler, options)} AS TIMESTAMP WITH TIME ZONE))"


@compiles(SecondsOfTime)
def _seconds_of_time(element: SecondsOfTime, compiler: Any, **options: Any) -> str:
    return str(compiler.process(SecondsOf(*element.clauses), **options))


@compiles(SecondsOfTime, "duckdb")
def _duckdb_seconds_of_time(element: SecondsOfTime, compiler: Any, **options: Any) -> str:
    return f"EXTRACT(epoch FROM {_inner(element, compiler, options)})"  # a cast takes five times as long


@compiles(SecondsOf, "postgresql")
def _postgresql_seconds(element: SecondsOf, compiler: Any, **options: Any) -> str:
    value = _inner(element, compiler, options)
    return (
        f"CASE WHEN pg_typeof({value}) NOT IN ('text'::regtype, 'character varying'::regtype) OR "
        f"CAST({value} AS TEXT) ~ '{_DATE}' "
        f"THEN CAST(EXTRACT(epoch FROM CAST({value} AS TIMESTAMP WITH TIME ZONE)) AS DOUBLE PRECISION) END"
    )


@compiles(SecondsOf, "sqlite")
def _sqlite_seconds(element: SecondsOf, compiler: Any, **options: Any) -> str:
    value = _inner(element, compiler, options)  # GLOB keeps out what julianday takes for a time: 'now', '12'
    zoned = (  # julianday wants the minutes of a zone, and a colon before them
        f"CASE WHEN {value} GLOB '*:*[+-][0-9][0-9]' THEN {value} || ':00' WHEN {value} GLOB "
        f"'*:*[+-][0-9][0-9][0-9][0-9]' THEN substr({value}, 1, length({value}) - 2) || ':' || substr({value}, -2) "
        f"ELSE {value} END"
    )
    seconds = f"ROUND((julianday({zoned}) - 2440587.5) * 86400.0, 3)"
    return f"CASE WHEN {value} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-*' THEN {seconds} END"


@compiles(SecondsOf, "spark")
def _spark_seconds(element: SecondsOf, compiler: Any, **options: Any) -> str:
    value = _inner(element, compiler, options)  # a cast alone takes 2026 and 12:30 for times
    seconds = f"unix_micros(TRY_CAST({value} AS TIMESTAMP)) / CAST(1000000 AS DOUBLE PRECISION)"
    return f"CASE WHEN regexp_like(CAST({value} AS TEXT), '{_DATE}') THEN {seconds} END"


@compiles(DayOf)
def _day(element: DayOf, compiler: Any, **options: Any) -> str:
    return f"FLOOR({_inner(element, compiler, options)} / 86400.0)"


@compiles(DayOf, "sqlite")
def _sqlite_day(element: DayOf, compiler: Any, **options: Any) -> str:
    return f"CAST({_inner(element, compiler, options)} / 86400.0 AS INTEGER)"  # FLOOR is a build option


def number_in(text: object) -> float | None:
    """Return the number that a text holds, as the other engines read it; SQLite calls this.

    Examples
    --------
    >>> number_in("1.5e3"), number_in("1_000"), number_in("inf")
    (1500.0, None, inf)
    """
    if not isinstance(text, str):
        return None
    known = re.match(_NUMBER, text) or re.match(_WORD, text, re.IGNORECASE)
    return float(text) if known else None
