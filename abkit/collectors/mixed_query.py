"""Statements about units that were seen in more than one variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, and_, case, func, literal, select, tuple_

from abkit.collectors.query import Rows


def in_first_variant(rows: Rows, values: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row is in the variant of its unit's earliest row; where two variants tie, in one of them."""
    placed = _placed(rows, values)
    first = select(placed.c.unit, placed.c.variant).where(placed.c.place == 1)
    return tuple_(rows.unit, rows.variant).in_(first)


def count_mixed(rows: Rows, values: Sequence[str]) -> Select[Any]:
    """Count, by variant, the units seen there and elsewhere: all, each once over all variants, and first seen there."""
    placed = _placed(rows, values)
    first = case((placed.c.place == 1, 1), else_=0)
    firsts = func.sum(first).over(partition_by=placed.c.unit).label("firsts")
    variants = func.count().over(partition_by=placed.c.unit).label("variants")
    number = func.row_number().over(partition_by=placed.c.unit, order_by=placed.c.variant).label("number")
    seen = select(placed.c.unit, placed.c.variant, placed.c.place, firsts, variants, number).cte("seen")
    counts = [
        func.count().label("units"),
        func.count().filter(seen.c.number == 1).label("once"),
        func.count().filter(and_(seen.c.place == 1, seen.c.firsts == 1)).label("first"),
        func.min(seen.c.unit).label("example"),
    ]
    return select(seen.c.variant, *counts).where(seen.c.variants > 1).group_by(seen.c.variant)


def _placed(rows: Rows, values: Sequence[str]) -> CTE:
    """Each unit's variants in the order of their earliest rows; without a time all are first."""
    earliest = func.min(rows.seconds if rows.data.time else literal(0.0)).label("earliest")
    pairs = select(rows.unit.label("unit"), rows.variant.label("variant"), earliest)
    pairs_seen = pairs.where(rows.of_variants(values)).group_by(rows.unit, rows.variant).cte("pairs")
    place = func.rank().over(partition_by=pairs_seen.c.unit, order_by=pairs_seen.c.earliest).label("place")
    return select(pairs_seen.c.unit, pairs_seen.c.variant, place).cte("placed")
