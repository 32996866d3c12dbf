"""Statements that reduce rows to counts and moments inside the engine. The only SQL over people's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Select,
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

from abkit.collectors.dialects import Finite, NumberIn, SecondsOf
from abkit.models import Data

_LARGEST = 1.7976931348623157e308
Expression = ColumnElement[Any]
_BLANK: Expression = literal_column("''")  # no bound value: GROUP BY must see the same expression as SELECT


@dataclass(frozen=True, slots=True)
class Term:
    """What one metric adds up per row: columns of sums, and whether the row counts for it."""

    name: str
    columns: tuple[Expression, ...]
    counts: Expression | None = None


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
    """

    def __init__(self, table: FromClause, types: Mapping[str, str], data: Data, as_of: float | None = None) -> None:
        self.table, self.types, self.data, self.as_of = table, types, data, as_of

    def is_text(self, name: str) -> bool:
        """Whether values of the column are text."""
        return self.types[name] in {"VARCHAR", "TEXT", "STRING"} or self.types[name].startswith("ENUM")

    def raw(self, name: str) -> Expression:
        """The column as it is; blank text is missing."""
        value = self.table.c[name]
        return func.nullif(func.trim(cast(value, Text)), _BLANK) if self.is_text(name) else value

    def number(self, name: str) -> Expression:
        """The column as a number; missing where it is blank, NaN or not a number."""
        value = self.raw(name)
        if self.is_text(name):
            word = func.lower(value)
            value = case((word == "true", 1.0), (word == "false", 0.0), else_=NumberIn(value))
        elif self.types[name] == "BOOLEAN":
            value = cast(value, Integer)
        return Finite(value)

    @property
    def variant(self) -> Expression:
        """The variant's value as text."""
        return cast(self.raw(self.data.variant), Text)

    @property
    def seconds(self) -> Expression:
        """Time of the row in seconds since 1970 (UTC where it says no zone); a number is that already."""
        name = self.data.time or ""
        return self.number(name) if self.types[name] == "DOUBLE" else SecondsOf(self.raw(name))

    @property
    def kept(self) -> Expression:
        """Whether the row passes the filters."""
        tests: list[Expression] = [true()]
        for name, value in self.data.where.items():
            if isinstance(value, str):
                tests.append(cast(self.raw(name), Text) == value)
            else:
                tests.append(self.number(name) == float(value))
        if self.as_of is not None and self.data.time:
            tests.append(self.seconds <= self.as_of)
        return and_(*tests)

    def of_variants(self, values: Sequence[str]) -> Expression:
        """Whether the row is kept and belongs to one of the variants."""
        return and_(self.kept, self.variant.in_(values))


def count_rows(rows: Rows, columns: Sequence[str]) -> Select[Any]:
    """Count, by variant, what is there and what is wrong with it, column by column."""
    counts: list[Expression] = [func.count().label("rows"), rows.variant.label("variant")]
    if rows.data.unit:
        counts.append((func.count() - func.count(rows.raw(rows.data.unit))).label("without_unit"))
    if rows.data.time:
        counts.append((func.count() - func.count(rows.seconds)).label("without_time"))
        counts.append(func.max(rows.seconds).label("last_second"))
    for index, name in enumerate(columns):
        value = rows.number(name)
        infinite = func.abs(value) > _LARGEST
        finite = case((infinite, null()), else_=value)
        counts += [
            func.count(value).label(f"present_{index}"),
            (func.count(rows.raw(name)) - func.count(value)).label(f"unreadable_{index}"),
            func.count().filter(infinite).label(f"infinite_{index}"),
            func.count().filter(value.not_in([0.0, 1.0])).label(f"other_than_01_{index}"),
            func.sum(finite).label(f"total_{index}"),
        ]
    return select(*counts).where(rows.kept).group_by(rows.variant)


def first_unreadable(rows: Rows, name: str) -> Select[Any]:
    """Find one value of the column that should be a number and is not."""
    strange = and_(rows.kept, rows.raw(name).is_not(None), rows.number(name).is_(None))
    return select(cast(rows.raw(name), Text).label("value")).where(strange).limit(1)


def count_duplicates(rows: Rows, values: Sequence[str]) -> Select[Any]:
    """Count rows that are equal to an earlier one in every column."""
    distinct = select(*rows.table.c).where(rows.of_variants(values)).distinct().subquery()
    everything = select(func.count()).select_from(rows.table).where(rows.of_variants(values)).scalar_subquery()
    return select((everything - func.count()).label("duplicates")).select_from(distinct)


def quantiles(rows: Rows, wanted: Sequence[tuple[str, str | None, float]], values: Sequence[str]) -> Select[Any]:
    """Read quantiles (column, variant or None for all of them, probability), labelled by their place."""
    parts = []
    for index, (name, variant, probability) in enumerate(wanted):
        place = literal(probability, Double, literal_execute=True)
        read = func.percentile_cont(place).within_group(rows.number(name).asc())
        among = rows.of_variants(values) if variant is None else and_(rows.kept, rows.variant == variant)
        parts.append(read.filter(among).label(f"quantile_{index}"))
    return select(*parts)


def quantiles_by_rank(
    rows: Rows, wanted: Sequence[tuple[str, str | None, float]], values: Sequence[str]
) -> Select[Any]:
    """Read the same quantiles where there is no `percentile_cont`: number the rows in order and interpolate."""
    groups: dict[tuple[str, str | None], list[int]] = {}
    for index, (name, variant, _) in enumerate(wanted):
        groups.setdefault((name, variant), []).append(index)
    found = []
    for place, ((name, variant), indices) in enumerate(groups.items()):
        number = rows.number(name)
        among = rows.of_variants(values) if variant is None else and_(rows.kept, rows.variant == variant)
        rank = (func.row_number().over(order_by=number) - 1).label("rank")
        last = (func.count().over() - 1).label("last")
        ordered = select(number.label("number"), rank, last).where(among, number.is_not(None)).subquery()
        parts = []
        for index in indices:
            weight = 1 - func.abs(ordered.c.rank - wanted[index][2] * ordered.c.last)
            parts.append(func.sum(ordered.c.number * weight).filter(weight > 0).label(f"quantile_{index}"))
        found.append(select(*parts).subquery(f"group_{place}"))
    joined: FromClause = found[0]
    for other in found[1:]:
        joined = joined.join(other, true())
    return select(*(part.c[name] for part in found for name in part.c.keys())).select_from(joined)  # noqa: SIM118


def randomized_moments(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> Select[Any]:
    """Sum over units, by variant; units seen in two variants come back under no variant."""
    units = _units(rows, terms, values)
    sums = [part for term in terms for part in sums_of(term.name, columns_of(units, term), _counted(units, term))]
    return select(units.c.variant, func.count().label("units"), func.sum(units.c.rows).label("rows"), *sums).group_by(
        units.c.variant
    )


def _units(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> CTE:
    kept = rows.of_variants(values)
    if rows.data.unit is None:
        parts = [part.label(f"{term.name}_{place}") for term in terms for place, part in enumerate(term.columns)]
        present = [case((term.counts, 1), else_=0).label(f"{term.name}_n") for term in terms if term.counts is not None]
        return (
            select(rows.variant.label("variant"), literal(1).label("rows"), *parts, *present).where(kept).cte("units")
        )
    sums = [func.sum(part).label(f"{term.name}_{place}") for term in terms for place, part in enumerate(term.columns)]
    present = [func.count().filter(term.counts).label(f"{term.name}_n") for term in terms if term.counts is not None]
    first, last = func.min(rows.variant), func.max(rows.variant)
    alone = case((first == last, first), else_=null()).label("variant")
    unit = cast(rows.raw(rows.data.unit), Text)
    return select(alone, func.count().label("rows"), *sums, *present).where(kept).group_by(unit).cte("units")


def paired_moments(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> Select[Any]:
    """Sum over units that appear in every variant, the columns of all variants side by side."""
    unit = cast(rows.raw(rows.data.unit or ""), Text)
    parts: list[Expression] = []
    for place, value in enumerate(values):
        here = rows.variant == value
        parts.append(func.count().filter(here).label(f"rows_{place}"))
        for term in terms:
            parts += [
                func.coalesce(func.sum(part).filter(here), 0.0).label(f"{term.name}_{place}_{index}")
                for index, part in enumerate(term.columns)
            ]
            if term.counts is not None:
                parts.append(func.count().filter(and_(here, term.counts)).label(f"{term.name}_{place}_n"))
    units = select(*parts).where(rows.of_variants(values)).group_by(unit).cte("units")
    places = range(len(values))
    complete = and_(*(units.c[f"rows_{place}"] > 0 for place in places))
    sums: list[Expression] = []
    for term in terms:
        columns = [units.c[f"{term.name}_{place}_{index}"] for place in places for index in range(len(term.columns))]
        counted = complete
        if term.counts is not None:
            counted = and_(*(units.c[f"{term.name}_{place}_n"] > 0 for place in places))
        sums += sums_of(term.name, columns, counted)
    rows_by_variant = [func.sum(units.c[f"rows_{place}"]).filter(complete).label(f"rows_{place}") for place in places]
    counts: list[Expression] = [func.count().label("all_units"), func.count().filter(complete).label("units")]
    return select(*counts, *rows_by_variant, *sums)


def columns_of(units: CTE, term: Term) -> list[Expression]:
    """Return what the term added up per unit."""
    return [units.c[f"{term.name}_{place}"] for place in range(len(term.columns))]


def _counted(units: CTE, term: Term) -> Expression | None:
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


def at_most(value: Expression, cap: float) -> Expression:
    """Clip a value from above."""
    return case((value > cap, cap), else_=value)


def any_missing(values: Sequence[Expression]) -> Expression:
    """Whether one of the values is missing."""
    return or_(*(value.is_(None) for value in values))
