"""Statements that count what is there and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import FromClause, Select, Subquery, Text, and_, case, cast, func, not_, null, select

from abkit.collectors.query import Expression, Rows, any_missing, evaluated

_LARGEST = 1.7976931348623157e308


def count_all(rows: Rows) -> Select[Any]:
    """Count every row there is, whatever the filters."""
    return select(func.count().label("rows")).select_from(rows.table)


def count_rows(rows: Rows, columns: Sequence[str], pairs: Sequence[Sequence[str]] = ()) -> Select[Any]:
    """Count, by variant, what is there and what is wrong with it, column by column and for columns together."""
    read = _evaluated(rows, columns)
    counts: list[Expression] = [func.count().label("rows"), read.c.variant]
    if rows.data.unit:
        counts.append((func.count() - func.count(read.c.unit)).label("without_unit"))
    if rows.data.time:
        counts.append((func.count() - func.count(read.c.second)).label("without_time"))
        counts.append(func.min(read.c.second).label("first_second"))
        counts.append(func.max(read.c.second).label("last_second"))
    for index in range(len(columns)):
        value = read.c[f"number_{index}"]
        infinite = func.abs(value) > _LARGEST
        counts += [
            func.count(value).label(f"present_{index}"),
            (func.count(read.c[f"given_{index}"]) - func.count(value)).label(f"unreadable_{index}"),
            func.count().filter(infinite).label(f"infinite_{index}"),
            func.count().filter(value.not_in([0.0, 1.0])).label(f"other_than_01_{index}"),
            func.sum(case((infinite, null()), else_=value)).label(f"total_{index}"),
        ]
    for index, names in enumerate(pairs):
        whole = not_(any_missing([read.c[f"number_{columns.index(name)}"] for name in names]))
        counts.append(func.count().filter(whole).label(f"together_{index}"))
    return select(*counts).group_by(read.c.variant)


def _evaluated(rows: Rows, columns: Sequence[str]) -> Subquery:
    read = {"variant": rows.variant}
    read |= {"unit": rows.raw(rows.data.unit)} if rows.data.unit else {}
    read |= {"second": rows.seconds} if rows.data.time else {}
    for index, name in enumerate(columns):
        read |= {f"number_{index}": rows.number(name), f"given_{index}": rows.given(name)}
    return evaluated(read, rows.kept)


def first_unreadable(rows: Rows, name: str) -> Select[Any]:
    """Find one value of the column that should be a number and is not."""
    strange = and_(rows.kept, rows.given(name).is_not(None), rows.number(name).is_(None))
    return select(cast(rows.raw(name), Text).label("value")).where(strange).limit(1)


def hash_rows(table: FromClause, counts: Expression) -> Select[Any]:
    """Read a hash of each row that counts."""
    return select(func.hash(*table.c).label("hash")).where(counts)


def count_equal_rows(table: FromClause, counts: Expression) -> Select[Any]:
    """Count rows that are equal to an earlier one in every column, of those that count."""
    distinct = select(*table.c).where(counts).distinct().subquery()
    everything = select(func.count()).select_from(table).where(counts).scalar_subquery()
    return select((everything - func.count()).label("duplicates")).select_from(distinct)
