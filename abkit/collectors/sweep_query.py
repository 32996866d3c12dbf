"""The statements of a single pass: a pilot for the constants, then all sums of all variants at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Double,
    Integer,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    text,
)

from abkit.collectors.dialects import AsDouble, DayOf, IsNumber, SumOf
from abkit.collectors.gram import Layout
from abkit.collectors.query import Expression, Rows

_PILOT_ROWS = 1_000
_AS_IT_IS = text("LIMIT -1")  # SQLite moves what is inside out, and works it out once for every sum, but not of these


def pilot(rows: Rows, columns: Sequence[str]) -> Select[Any]:
    """Read the mean of each column over a few rows."""
    few = select(*(_number(rows, name).label(f"c{at}") for at, name in enumerate(columns)))
    first = few.where(rows.kept).limit(_PILOT_ROWS).subquery("first")
    return select(*(func.avg(part).label(part.name) for part in first.c))


def sums_by_row(
    rows: Rows, layout: Layout, shift: Sequence[float], *, sorts: bool, by_day: bool = False
) -> Select[Any]:
    """Sum over rows, by what the variant's column holds: every row is a unit, and a rate's square is the rate.

    Where groups are made by sorting rows, numbers are worked out before that and not anew for every sum, and the first
    of them is missing where the row is not sound: every column more would be sorted too.
    """
    label, parts, times = rows.table.c[rows.data.variant], _shifted(rows, layout, shift), _times(rows)
    test = _is_sound(rows, layout)
    if sorts and parts:
        ready = select(label, case((test, parts[0])), *parts[1:], *times).where(rows.kept)
        named, *found = list[Expression](ready.suffix_with(_AS_IT_IS, dialect="sqlite").subquery().c)
        parts, times, sound = found[: len(parts)], found[len(parts) :], found[0]
        grouped = select(named.label("label")).group_by(named)
    else:
        sound = case((test, 1))
        grouped = select(label.label("label")).where(rows.kept).group_by(label)
    sums = [SumOf(part).label(f"sum_{at}") for at, part in enumerate(parts, start=1)]
    sums += [
        SumOf(parts[one - 1] * parts[other - 1]).label(f"product_{one}_{other}")
        for one, other in layout.pairs
        if one > 0 and not layout.is_rate(one, other)
    ]
    counts = [func.count().label("rows"), func.count(sound).label("sound")]
    if by_day:
        day = DayOf(times[0])
        grouped = grouped.add_columns(day.label("day")).group_by(day)
    return grouped.add_columns(*counts, *_ends(times), *sums)


def sums_by_unit(rows: Rows, layout: Layout, shift: Sequence[float], values: Sequence[str]) -> Select[Any]:
    """Sum over units of what each adds up, by the first and the last place of its variants among the values.

    What is none of them has the place after the last. Places are compared, because comparing texts takes longer.
    """
    units = _units(rows, layout, shift, _place(rows, values))
    parts = [units.c.rows, *(units.c[f"sum_{at}"] for at in range(1, len(layout.columns) + 1))]
    sums = [func.sum(part).label(f"sum_{at}") for at, part in enumerate(parts[1:], start=1)]
    sums += [
        func.sum(cast(parts[one], Double) * parts[other]).label(f"product_{one}_{other}") for one, other in layout.pairs
    ]
    counts = [
        func.count().label("units"),
        func.sum(units.c.rows).label("rows"),
        func.sum(units.c.sound).label("sound"),
    ]
    counts += [func.count(reduce(add, parts[1:])).label("known")] if layout.columns else []
    times = [func.min(units.c.first_second).label("first_second")] if rows.data.time else []
    times += [func.max(units.c.last_second).label("last_second")] if rows.data.time else []
    return select(units.c.first, units.c.last, *counts, *times, *sums).group_by(units.c.first, units.c.last)


def ends_of_units(rows: Rows) -> Select[Any]:
    """Read the least and the greatest unit, and count the rows."""
    unit = rows.table.c[rows.data.unit or ""]
    ends: list[Expression] = [func.min(unit).label("low"), func.max(unit).label("high")]
    return select(*ends, func.count().label("rows"))


def rows_of_units(
    rows: Rows, layout: Layout, shift: Sequence[float], values: Sequence[str], low: int, *, hashed: bool
) -> Select[Any]:
    """Read each row that counts: how far its unit is from the lowest, the place of its variant, and its numbers.

    Then come its time, where there is one, and a hash of all its columns, if asked for.
    """
    unit = cast(rows.table.c[rows.data.unit or ""] - low, BigInteger)
    read: list[Expression] = [unit, cast(_place(rows, values), SmallInteger), *_shifted(rows, layout, shift)]
    read += [*_times(rows), *([func.hash(*rows.table.c)] if hashed else [])]
    return select(*(part.label(f"c{at}") for at, part in enumerate(read))).where(_kept(rows))


def _kept(rows: Rows) -> Expression:
    return rows.kept if rows.data.variants is None else rows.of_variants(list(rows.data.variants.values()))


def _place(rows: Rows, values: Sequence[str]) -> Expression:
    """A variant's place, found by its value as it is written."""
    label = rows.table.c[rows.data.variant]
    if not rows.is_whole(rows.data.variant):
        return case({value: place for place, value in enumerate(values)}, value=cast(label, Text), else_=len(values))
    numbers = {int(value): place for place, value in enumerate(values) if re.fullmatch("0|-?[1-9][0-9]{0,17}", value)}
    return case(numbers, value=label, else_=len(values)) if numbers else literal(len(values))


def _units(rows: Rows, layout: Layout, shift: Sequence[float], place: Expression) -> CTE:
    sums = [SumOf(part).label(f"sum_{at}") for at, part in enumerate(_shifted(rows, layout, shift), start=1)]
    ends = [func.min(place).label("first"), func.max(place).label("last")]
    counts = [func.count().label("rows"), func.count(case((_is_sound(rows, layout), 1))).label("sound")]
    unit = rows.table.c[rows.data.unit or ""] if rows.is_whole(rows.data.unit or "") else rows.unit
    found = select(unit.label("unit"), *ends, *counts, *_ends(_times(rows)), *sums)
    return found.where(_kept(rows)).group_by(unit).cte("units")


def _number(rows: Rows, name: str) -> Expression:
    return AsDouble(_whole(rows, name))


def _whole(rows: Rows, name: str) -> Expression:
    """True and false as 1 and 0; SQLite keeps any number as one of them."""
    value = rows.table.c[name]
    return cast(value, Integer) if rows.types[name] == "BOOLEAN" else value


def _shifted(rows: Rows, layout: Layout, shift: Sequence[float]) -> list[Expression]:
    numbers = [(_number(rows, name), by) for name, by in zip(layout.columns, shift, strict=True)]
    return [value - by if by else value for value, by in numbers]


def _is_sound(rows: Rows, layout: Layout) -> Expression:
    """Whether the row has its unit, its time and every value, and the rates are 0 or 1; its group tells its variant."""
    tests: list[Expression] = [rows.raw(rows.data.unit).is_not(None)] if rows.data.unit else []
    tests += [IsNumber(rows.table.c[name]) for name in layout.columns if name not in layout.rates]
    tests += [_whole(rows, name).in_([0, 1]) for name in layout.rates]
    tests += [rows.seconds.is_not(None)] if rows.data.time else []
    return and_(*tests)


def _times(rows: Rows) -> list[Expression]:
    return [rows.seconds] if rows.data.time else []


def _ends(times: Sequence[Expression]) -> list[Expression]:
    return [of(one).label(f"{end}_second") for one in times for end, of in (("first", func.min), ("last", func.max))]
