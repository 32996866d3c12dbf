"""Statements that read past units row by row, all of them or every k-th."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Double, Select, case, cast, distinct, func, literal, null, select

from abkit.collectors.dialects import DayOf
from abkit.collectors.query import Expression, Rows


def among(rows: Rows, values: Sequence[str]) -> Expression:
    """Whether a row belongs to the population: kept by the filters, and of one of the variants where there are any."""
    return rows.of_variants(values) if values else rows.kept


def count_units(rows: Rows, values: Sequence[str]) -> Select[Any]:
    """Count the units of the population."""
    counted = func.count(distinct(rows.unit)) if rows.data.unit else func.count()
    return select(counted.label("units")).select_from(rows.table).where(among(rows, values))


def read_rows(rows: Rows, values: Sequence[str], columns: Sequence[str], step: int) -> Select[Any]:
    """Read the rows of every `step`-th unit: unit, variant's place, day, then the columns as numbers."""
    order = rows.unit if rows.data.unit else literal(1)
    number = func.dense_rank().over(order_by=order) if rows.data.unit else func.row_number().over()
    nothing = cast(null(), Double)
    place = case(*((rows.variant == value, literal(float(i))) for i, value in enumerate(values)), else_=nothing)
    day = cast(DayOf(rows.seconds), Double) if rows.data.time else nothing
    parts = [(number - 1).label("unit"), (place if values else nothing).label("variant"), day.label("day")]
    parts += [cast(rows.number(name), Double).label(f"column_{i}") for i, name in enumerate(columns)]
    numbered = select(*parts).where(among(rows, values)).cte("numbered")
    chosen = [numbered.c.unit / literal(float(step)), *(part for part in numbered.c if part.name != "unit")]
    return select(*chosen).where(numbered.c.unit % step == 0).order_by(numbered.c.unit)
