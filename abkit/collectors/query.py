"""Statements that reduce rows to counts and moments inside the engine. The only SQL over people's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
)

from abkit.collectors.dialects import Finite, Given, NumberIn, SecondsOf, SecondsOfTime
from abkit.models import Data

_NAN = ("nan", "+nan", "-nan")
_WORDS = {"true": "1", "false": "0", **dict.fromkeys(_NAN, null())}
_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
_WHOLE |= {f"U{name}" for name in _WHOLE}
Expression = ColumnElement[Any]
_BLANK: Expression = literal_column("''")  # no bound value: GROUP BY must see the same expression as SELECT
_END: Expression = literal_column("'|'", Text)
_POINT_ZERO: Expression = literal_column("'.0|'", Text)
_TIMES = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}  # of other precision, not all have the seconds of the cast
_BETWEEN = "\x1f"  # what ASCII separates units with
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Term:
    """What one metric adds up per row: columns of sums, and whether the row counts for it."""

    name: str
    columns: tuple[Expression, ...]
    counts: Expression | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a source, their columns typed and filtered.

    Parameters
    ----------
    table : FromClause
    types : mapping
        Column → engine type.
    data : Data
        The meaning of the columns.
    as_of : float, optional
        Seconds since 1970 up to which rows count, where the data has a time.
    among : Select, optional
        Units whose rows count; default: all.
    only : ColumnElement, optional
        A test that rows must pass to count; default: none.
    cell : str, optional
        A column by whose values variants are told apart, as if each of them were several: `cell_of` says how.
    """

    table: FromClause
    types: Mapping[str, str]
    data: Data
    as_of: float | None = None
    among: Select[Any] | None = None
    only: Expression | None = None
    cell: str | None = None

    def among_units(self, units: Select[Any]) -> Rows:
        """Return the rows of those units only."""
        return replace(self, among=units)

    def passing(self, test: Expression) -> Rows:
        """Return the rows that pass the test too."""
        return replace(self, only=test if self.only is None else and_(self.only, test))

    @property
    def as_units(self) -> Rows:
        """The same rows, each of them a unit."""
        alone = replace(self.data, unit=None, events=None, units_in_two_variants="exclude")
        return replace(self, data=alone)

    def is_text(self, name: str) -> bool:
        """Whether values of the column are text."""
        return self.types[name] in {"VARCHAR", "TEXT", "STRING"} or self.types[name].startswith("ENUM")

    def is_whole(self, name: str) -> bool:
        """Whether values of the column are whole numbers."""
        return self.types[name] in _WHOLE

    def is_numeric(self, name: str) -> bool:
        """Whether values of the column are numbers, or true and false."""
        return self.types[name] in _WHOLE | {"DOUBLE", "FLOAT", "BOOLEAN"} or self.types[name].startswith("DECIMAL")

    def raw(self, name: str) -> Expression:
        """The column as it is; blank text is missing."""
        value = self.table.c[name]
        return func.nullif(func.trim(cast(value, Text)), _BLANK) if self.is_text(name) else value

    def given(self, name: str) -> Expression:
        """What the column of a number holds, be it a number or not; missing where it is blank or NaN."""
        if self.is_text(name):
            return case((func.lower(self.raw(name)).in_(_NAN), null()), else_=self.raw(name))
        return Given(self.raw(name)) if self.types[name] in {"DOUBLE", "FLOAT"} else self.raw(name)

    def number(self, name: str) -> Expression:
        """The column as a number; missing where it is blank, NaN or not a number."""
        value = self.raw(name)
        if self.is_text(name):
            return NumberIn(case(_WORDS, value=func.lower(value), else_=value))
        return Finite(cast(value, Integer) if self.types[name] == "BOOLEAN" else value)

    def label(self, name: str, missing: str) -> Expression:
        """The column as text, with a word for what is missing; 2.0 reads as the whole number that it is."""
        value = Finite(self.raw(name)) if self.types[name] in {"DOUBLE", "FLOAT"} else self.raw(name)
        text = func.replace(func.replace(cast(value, Text) + _END, _POINT_ZERO, _BLANK), _END, _BLANK)
        return func.coalesce(text if self.types[name] in {"DOUBLE", "FLOAT"} else cast(value, Text), missing)

    @property
    def variant(self) -> Expression:
        """The variant's value as text, and the cell's before it."""
        value = cast(self.raw(self.data.variant), Text)
        return value if self.cell is None else cast(self.label(self.cell, MISSING), Text) + _BETWEEN + value

    @property
    def unit(self) -> Expression:
        """The unit as text."""
        return cast(self.raw(self.data.unit or ""), Text)

    @property
    def seconds(self) -> Expression:
        """Time of the row in seconds since 1970 (UTC where it says no zone); a number is that already."""
        name = self.data.time or ""
        if self.types[name] in _TIMES:
            return SecondsOfTime(self.raw(name))
        is_number = self.is_numeric(name) and self.types[name] != "BOOLEAN"
        return self.number(name) if is_number else SecondsOf(self.raw(name))

    @property
    def kept(self) -> Expression:
        """Whether the row passes the filters."""
        tests: list[Expression] = [true()]
        for name, value in self.data.where.items():
            if isinstance(value, str):
                tests.append(cast(self.raw(name), Text) == value.strip(" "))
            else:
                tests.append(self.number(name) == float(value))
        if self.as_of is not None and self.data.time:
            tests.append(self.seconds <= self.as_of)
        if self.among is not None:
            tests.append(self.unit.in_(self.among))
        if self.only is not None:
            tests.append(self.only)
        return and_(*tests)

    def of_variants(self, values: Sequence[str]) -> Expression:
        """Whether the row is kept and belongs to one of the variants."""
        return and_(self.kept, self.variant.in_(values))


def evaluated(expressions: Mapping[str, Expression], test: Expression) -> Subquery:
    """Return expressions as columns, of the rows that pass the test: what several sums need is worked out once."""
    return select(*(part.label(name) for name, part in expressions.items())).where(test).subquery("evaluated")


def cell_of(segment: str, value: str) -> str:
    """What stands for a variant's rows of one segment."""
    return f"{segment}{_BETWEEN}{value}"


def randomized_moments(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> Select[Any]:
    """Sum over units, by variant; units seen in two variants come back under no variant."""
    units = unit_sums(rows, terms, values)
    sums = [part for term in terms for part in sums_of(term.name, columns_of(units, term), counted_of(units, term))]
    return select(units.c.variant, func.count().label("units"), func.sum(units.c.rows).label("rows"), *sums).group_by(
        units.c.variant
    )


def unit_sums(rows: Rows, terms: Sequence[Term], values: Sequence[str], segment: Expression | None = None) -> CTE:
    """Add up each unit's rows: its variant, its segment (none where it has several), and what each term adds up."""
    kept = rows.of_variants(values)
    if rows.data.unit is None:
        parts = [part.label(f"{term.name}_{place}") for term in terms for place, part in enumerate(term.columns)]
        parts += [case((term.counts, 1), else_=0).label(f"{term.name}_n") for term in terms if term.counts is not None]
        parts += [] if segment is None else [segment.label("segment")]
        return select(rows.variant.label("variant"), literal(1).label("rows"), *parts).where(kept).cte("units")
    sums = [func.sum(part).label(f"{term.name}_{place}") for term in terms for place, part in enumerate(term.columns)]
    present = [func.count().filter(term.counts).label(f"{term.name}_n") for term in terms if term.counts is not None]
    of_unit = [the_one(rows.variant).label("variant")]
    of_unit += [] if segment is None else [the_one(segment).label("segment")]
    return select(*of_unit, func.count().label("rows"), *sums, *present).where(kept).group_by(rows.unit).cte("units")


def the_one(value: Expression) -> Expression:
    """The value that all rows of a group share; nothing where they do not."""
    return case((func.min(value) == func.max(value), func.min(value)), else_=null())


def randomized_units(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> Select[Any]:
    """Read each unit that counts: the place of its variant, then what each term added up."""
    units = unit_sums(rows, terms, values)
    place = case(*((units.c.variant == value, float(at)) for at, value in enumerate(values)))
    parts = [cast(part, Double) for term in terms for part in columns_of(units, term)]
    counted = [part for part in (counted_of(units, term) for term in terms) if part is not None]
    named = [part.label(f"column_{at}") for at, part in enumerate([cast(place, Double), *parts])]
    return select(*named).where(units.c.variant.is_not(None), *counted)


def paired_units(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> Select[Any]:
    """Add up each unit's rows by variant, side by side: the rows of each variant, then what each term adds up."""
    added = {f"{term.name}_{place}": part for term in terms for place, part in enumerate(term.columns)}
    counts = {f"{term.name}_n": term.counts for term in terms if term.counts is not None}
    read = evaluated({"unit": rows.unit, "variant": rows.variant, **added, **counts}, rows.of_variants(values))
    parts: list[Expression] = [func.count().filter(read.c.variant == value) for value in values]
    for term in terms:
        for value in values:
            here = read.c.variant == value
            sums = [read.c[f"{term.name}_{place}"] for place in range(len(term.columns))]
            parts += [func.coalesce(func.sum(part).filter(here), 0.0) for part in sums]
            parts.append(func.count().filter(here if term.counts is None else and_(here, read.c[f"{term.name}_n"])))
    named = [part.label(f"column_{place}") for place, part in enumerate(parts)]
    return select(*named).group_by(read.c.unit).order_by(read.c.unit)


def columns_of(units: CTE, term: Term) -> list[Expression]:
    """Return what the term added up per unit."""
    return [units.c[f"{term.name}_{place}"] for place in range(len(term.columns))]


def counted_of(units: CTE, term: Term) -> Expression | None:
    """Return whether a unit counts for the term; None where all do."""
    return None if term.counts is None else units.c[f"{term.name}_n"] > 0


def sums_of(name: str, columns: Sequence[Expression], counted: Expression | None) -> list[Expression]:
    """Sums and products of the columns, over the units that count."""
    size = len(columns)
    sums = [(func.sum(columns[i]), f"{name}_sum_{i}") for i in range(size)]
    sums += [
        (func.sum(columns[i] * columns[j]), f"{name}_product_{i}_{j}") for i in range(size) for j in range(i, size)
    ]
    if counted is None:
        return [part.label(label) for part, label in sums]
    return [
        func.count().filter(counted).label(f"{name}_units"),
        *(part.filter(counted).label(label) for part, label in sums),
    ]


def any_missing(values: Sequence[Expression]) -> Expression:
    """Whether one of the values is missing."""
    return or_(*(value.is_(None) for value in values))
