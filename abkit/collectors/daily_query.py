"""The statement behind a time series: what each day added to the sums over units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, Double, Select, Text, and_, case, cast, func, select

from abkit.collectors.dialects import DayOf
from abkit.collectors.query import Expression, Rows, Term, columns_of, sums_of, the_one


def daily_moments(rows: Rows, terms: Sequence[Term], values: Sequence[str]) -> Select[Any]:
    """Sum, by variant and day, what each unit's totals and their products gained on that day.

    Added up over days this gives the sums over units at the end of each day, units that return included: the gains of
    a unit telescope.
    """
    day = DayOf(rows.seconds)
    kept = rows.of_variants(values)
    if rows.data.unit is None:
        flat = [part.label(f"{term.name}_{place}") for term in terms for place, part in enumerate(term.columns)]
        flat += [case((term.counts, 1), else_=0).label(f"{term.name}_n") for term in terms if term.counts is not None]
        units = select(rows.variant.label("variant"), day.label("day"), *flat).where(kept).cte("days")
        gained = [part for term in terms for part in sums_of(term.name, columns_of(units, term), None)]
        gained += [
            func.sum(units.c[f"{term.name}_n"]).label(f"{term.name}_units") for term in terms if term.counts is not None
        ]
        return (
            select(units.c.variant, units.c.day, func.count().label("units"), *gained)
            .group_by(units.c.variant, units.c.day)
            .order_by(units.c.day)
        )
    unit = cast(rows.raw(rows.data.unit), Text)
    sums = [func.sum(part).label(f"{term.name}_{place}") for term in terms for place, part in enumerate(term.columns)]
    sums += [func.count().filter(term.counts).label(f"{term.name}_n") for term in terms if term.counts is not None]
    ends = [func.min(rows.variant).label("first"), func.max(rows.variant).label("last")]
    days = select(unit.label("unit"), day.label("day"), *ends, *sums).where(kept).group_by(unit, day).cte("days")
    return _gains(days, terms)


def _gains(days: CTE, terms: Sequence[Term]) -> Select[Any]:
    unit = days.c.unit
    names = [f"{term.name}_{place}" for term in terms for place in range(len(term.columns))]
    names += [f"{term.name}_n" for term in terms if term.counts is not None]
    running = [
        func.sum(days.c[name]).over(partition_by=unit, order_by=days.c.day).label(f"to_{name}") for name in names
    ]
    first = func.min(days.c.first).over(partition_by=unit).label("variant")
    last = func.max(days.c.last).over(partition_by=unit).label("other")
    opens = case((days.c.day == func.min(days.c.day).over(partition_by=unit), 1), else_=0).label("opens")
    totals = select(days.c.day, first, last, opens, *(days.c[name] for name in names), *running).cte("totals")
    gained: list[Expression] = []
    for term in terms:
        width = len(term.columns)
        after = [totals.c[f"to_{term.name}_{place}"] for place in range(width)]
        before = [totals.c[f"to_{term.name}_{place}"] - totals.c[f"{term.name}_{place}"] for place in range(width)]
        gained += [
            func.sum(totals.c[f"{term.name}_{place}"]).label(f"{term.name}_sum_{place}") for place in range(width)
        ]
        gained += [
            func.sum(after[i] * after[j] - before[i] * before[j]).label(f"{term.name}_product_{i}_{j}")
            for i in range(width)
            for j in range(i, width)
        ]
    for term in terms:
        if term.counts is not None:  # a unit counts for the metric from the day of its first row that does
            now, until = totals.c[f"{term.name}_n"], totals.c[f"to_{term.name}_n"]
            gained.append(func.count().filter(and_(now > 0, until == now)).label(f"{term.name}_units"))
    return (
        select(totals.c.variant, totals.c.day, func.sum(totals.c.opens).label("units"), *gained)
        .where(totals.c.variant == totals.c.other)
        .group_by(totals.c.variant, totals.c.day)
        .order_by(totals.c.day)
    )


def new_units(rows: Rows, values: Sequence[str]) -> Select[Any]:
    """Count the units that count by variant and by the day of their first row; without units, the rows of each day."""
    seconds = rows.seconds.label("seconds")
    if rows.data.unit is None:
        units = select(rows.variant.label("variant"), seconds).where(rows.of_variants(values)).cte("units")
    else:
        first = func.min(rows.seconds).label("seconds")
        of_unit = select(the_one(rows.variant).label("variant"), first).where(rows.of_variants(values))
        units = of_unit.group_by(rows.unit).cte("units")
    days = select(units.c.variant, DayOf(units.c.seconds).label("day")).where(units.c.variant.is_not(None)).cte("days")
    return select(days.c.variant, days.c.day, func.count().label("units")).group_by(days.c.variant, days.c.day)


def days_since_first(rows: Rows, term: Term, values: Sequence[str], days: int) -> Select[Any]:
    """Read each unit that counts: the place of its variant, then what the term added up on each day since its first.

    The first two columns of the term; a row's day is the number of full days since the unit's first row.
    """
    kept = rows.of_variants(values)
    seconds = rows.seconds
    first = select(rows.unit.label("unit"), the_one(rows.variant).label("variant"), func.min(seconds).label("first"))
    opened = first.where(kept).group_by(rows.unit).cte("opened")
    parts = [part.label(f"part_{place}") for place, part in enumerate(term.columns[:2])]
    lines = select(rows.unit.label("unit"), seconds.label("seconds"), *parts).where(kept).cte("lines")
    elapsed = (lines.c.seconds - opened.c.first).label("elapsed")
    joined = lines.join(opened, lines.c.unit == opened.c.unit)
    aged = select(opened.c.unit, opened.c.variant, elapsed, lines.c.part_0, lines.c.part_1).select_from(joined)
    aged_rows = aged.where(opened.c.variant.is_not(None)).cte("aged")
    place = case(*((aged_rows.c.variant == value, float(at)) for at, value in enumerate(values)))
    sums = [
        func.coalesce(func.sum(part).filter(DayOf(aged_rows.c.elapsed) == day), 0.0)
        for day in range(days)
        for part in (aged_rows.c.part_0, aged_rows.c.part_1)
    ]
    named = [cast(part, Double).label(f"column_{at}") for at, part in enumerate([func.min(place), *sums])]
    return select(*named).group_by(aged_rows.c.unit).order_by(aged_rows.c.unit)
