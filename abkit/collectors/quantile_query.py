"""Statements that read quantiles, of the very rows whose moments are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Double, FromClause, Select, Subquery, and_, distinct, func, literal, select, true

from abkit.collectors.dialects import Percentiles, Sketched
from abkit.collectors.query import Expression, Rows, evaluated


@dataclass(frozen=True, slots=True)
class Wanted:
    """A quantile of a value, in one variant or, with None, in all of them."""

    name: str
    value: Expression
    variant: str | None
    probability: float
    sketched: bool = False


def whole_units(rows: Rows, values: Sequence[str]) -> Select[Any]:
    """Find the units that count: in every variant where they are paired, else in one alone."""
    seen = func.count(distinct(rows.variant))
    wanted = len(values) if rows.data.design == "paired" else 1
    return select(rows.unit).where(rows.of_variants(values)).group_by(rows.unit).having(seen == wanted)


def count_values(rows: Rows, wanted: Sequence[Wanted]) -> Select[Any]:
    """Count the values behind each quantile, labelled by its place."""
    read, columns = _evaluated(rows, wanted)
    parts: list[Expression] = [
        func.count(columns[one.name]).filter(read.c.variant == one.variant).label(f"count_{place}")
        for place, one in enumerate(wanted)
    ]
    return select(*parts).select_from(read)


def count_below(rows: Rows, wanted: Sequence[Wanted], found: Sequence[float]) -> Select[Any]:
    """Count the values below what was found for each quantile, and those at or below it, labelled by its place."""
    read, columns = _evaluated(rows, wanted)
    parts: list[Expression] = []
    for place, (one, number) in enumerate(zip(wanted, found, strict=True)):
        here, value = read.c.variant == one.variant, columns[one.name]
        parts.append(func.count().filter(and_(here, value < number)).label(f"below_{place}"))
        parts.append(func.count().filter(and_(here, value <= number)).label(f"at_or_below_{place}"))
    return select(*parts)


def _evaluated(rows: Rows, wanted: Sequence[Wanted]) -> tuple[Subquery, dict[str, Expression]]:
    """Return the rows with the variant and each metric's value, and the column of each metric."""
    values = {one.name: one.value for one in wanted}
    places = {f"value_{place}": value for place, value in enumerate(values.values())}
    read = evaluated({"variant": rows.variant, **places}, rows.kept)
    return read, {name: read.c[place] for name, place in zip(values, places, strict=True)}


def grouped(wanted: Sequence[Wanted]) -> dict[tuple[str, str | None], list[int]]:
    """Return the places of quantiles that are read off the same values."""
    groups: dict[tuple[str, str | None], list[int]] = {}
    for place, one in enumerate(wanted):
        groups.setdefault((one.name, one.variant), []).append(place)
    return groups


def quantiles(rows: Rows, wanted: Sequence[Wanted], values: Sequence[str]) -> Select[Any]:
    """Read quantiles, those of one group as a list labelled by its place: the engine orders its values once."""
    parts: list[Expression] = []
    for group, ((_, variant), places) in enumerate(grouped(wanted).items()):
        asked = [literal(wanted[place].probability, Double, literal_execute=True) for place in places]
        read = (Sketched if wanted[places[0]].sketched else Percentiles)(wanted[places[0]].value, *asked)
        chosen = read if variant is None else read.filter(rows.variant == variant)
        parts.append(chosen.label(f"group_{group}"))
    return select(*parts).where(rows.of_variants(values))


def quantiles_by_rank(rows: Rows, wanted: Sequence[Wanted], values: Sequence[str]) -> Select[Any]:
    """Read the same quantiles where there is no `percentile_cont`: number the rows in order and interpolate.

    Those of one metric in several variants are read off one pass.
    """
    found = []
    of_metric: dict[tuple[str, bool], list[int]] = {}
    for (name, variant), places in grouped(wanted).items():
        of_metric.setdefault((name, variant is None), []).extend(places)
    for group, ((_, is_pooled), places) in enumerate(of_metric.items()):
        number = wanted[places[0]].value
        within = None if is_pooled else rows.variant
        rank = (func.row_number().over(partition_by=within, order_by=number) - 1).label("rank")
        last = (func.count().over(partition_by=within) - 1).label("last")
        ordered = (
            select(number.label("number"), rows.variant.label("variant"), rank, last)
            .where(rows.of_variants(values), number.is_not(None))
            .subquery()
        )
        parts = []
        for place in places:
            one = wanted[place]
            weight = 1 - func.abs(ordered.c.rank - one.probability * ordered.c.last)
            near = weight > 0 if is_pooled else and_(weight > 0, ordered.c.variant == one.variant)
            parts.append(func.sum(ordered.c.number * weight).filter(near).label(f"quantile_{place}"))
        found.append(select(*parts).subquery(f"group_{group}"))
    joined: FromClause = found[0]
    for other in found[1:]:
        joined = joined.join(other, true())
    return select(*(part.c[name] for part in found for name in part.c.keys())).select_from(joined)  # noqa: SIM118


def shape_of(rows: Rows, columns: Mapping[str, Expression], values: Sequence[str]) -> Select[Any]:
    """Count, by variant, the values of each column and how many of them are 0."""
    parts: list[Expression] = []
    for name, value in columns.items():
        parts += [func.count(value).label(f"{name}_rows"), func.count().filter(value == 0).label(f"{name}_zeros")]
    return select(rows.variant.label("variant"), *parts).where(rows.of_variants(values)).group_by(rows.variant)
