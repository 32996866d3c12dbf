"""Statements that count and add up units by the values of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, distinct, func, select

from abkit.collectors.query import MISSING, Expression, Rows, Term, columns_of, counted_of, sums_of, the_one, unit_sums


def count_segments(rows: Rows, column: str, values: Sequence[str], most: int) -> Select[Any]:
    """Count the units of each of the largest segments, and beside each of them all values and all units.

    A unit that counts has one variant, or all of them where it is paired; units with several segments come back under
    none, and first.
    """
    segment = rows.label(column, MISSING)
    if rows.data.unit is None:
        units = select(segment.label("segment")).where(rows.of_variants(values)).cte("units")
    else:
        seen = func.count(distinct(rows.variant)) == (len(values) if rows.data.design == "paired" else 1)
        alone = select(the_one(segment).label("segment")).where(rows.of_variants(values))
        units = alone.group_by(rows.unit).having(seen).cte("units")
    counts = select(units.c.segment, func.count().label("units")).group_by(units.c.segment).cte("counts")
    total, known = func.sum(counts.c.units).over(), func.count(counts.c.segment).over()
    return (
        select(counts.c.segment, counts.c.units, total.label("total"), known.label("known"))
        .order_by(counts.c.segment.is_not(None), counts.c.units.desc(), counts.c.segment)
        .limit(most + 1)
    )


def segment_moments(
    rows: Rows, terms: Sequence[Term], values: Sequence[str], column: str, segments: Sequence[str]
) -> Select[Any]:
    """Sum over units, by variant and segment; randomized designs."""
    units = unit_sums(rows, terms, values, rows.label(column, MISSING))
    sums = [part for term in terms for part in sums_of(term.name, columns_of(units, term), counted_of(units, term))]
    counted: list[Expression] = [func.count().label("units"), func.sum(units.c.rows).label("rows")]
    return (
        select(units.c.variant, units.c.segment, *counted, *sums)
        .where(units.c.variant.is_not(None), units.c.segment.in_(segments))
        .group_by(units.c.variant, units.c.segment)
    )


def rows_of_segment(rows: Rows, column: str, value: str, values: Sequence[str]) -> Rows:
    """Return the rows of the units that are in one segment and in no other."""
    segment = rows.label(column, MISSING)
    stay = and_(func.min(segment) == value, func.max(segment) == value)
    return rows.among_units(select(rows.unit).where(rows.of_variants(values)).group_by(rows.unit).having(stay))


def rows_by_segment(rows: Rows, column: str, values: Sequence[str]) -> Rows:
    """Return the rows of the units that have one variant and one segment; each segment's variants are told apart."""
    if rows.data.unit is None:
        return replace(rows, cell=column)
    segment = rows.label(column, MISSING)
    alone = and_(func.min(segment) == func.max(segment), func.min(rows.variant) == func.max(rows.variant))
    stay = select(rows.unit).where(rows.of_variants(values)).group_by(rows.unit).having(alone)
    return replace(rows, cell=column, among=stay)
