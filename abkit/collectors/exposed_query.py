"""Statements that add up, for each exposed unit, the events from its exposure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import CTE, Double, FromClause, Label, Select, Text, and_, case, cast, func, literal, select
from sqlalchemy.sql.elements import quoted_name

from abkit.collectors.query import MISSING, Expression, Rows

EVENTS: Final = "abkit.events"
SEVERAL: Final = "(several)"
_DAY = 86_400
_NEITHER = 2.0  # what a rate is where one of its events is neither 0 nor 1, so that the census names it


@dataclass(frozen=True, slots=True)
class Part:
    """What a metric asks of a unit's events: the sum of a column, or whether it is ever 1, within days."""

    column: str
    window: float | None
    is_rate: bool

    @property
    def name(self) -> str:
        """What to call it beside the columns of the exposures."""
        when = "after exposure" if self.window is None else f"within {self.window:g} days"
        return f"{self.column} ever {when}" if self.is_rate else f"{self.column} {when}"


def count_events(events: Rows, columns: Sequence[str]) -> Select[Any]:
    """Count the events, those without a readable time or a number, and find the last time."""
    lost = [
        (func.count(events.given(name)) - func.count(events.number(name))).label(f"unreadable_{at}")
        for at, name in enumerate(columns)
    ]
    timeless = (func.count() - func.count(events.seconds)).label("timeless")
    return select(func.count().label("events"), timeless, func.max(events.seconds).label("last"), *lost).select_from(
        events.table
    )


def add_up(
    exposures: Rows, events: Rows, parts: Sequence[Part], segments: Sequence[str], covariates: Sequence[str]
) -> Select[Any]:
    """Select a row per exposed unit and variant: its first time, what was known of it, and what each part adds up."""
    exposed, data = _exposed(exposures, segments, covariates), exposures.data
    names = list(dict.fromkeys(part.column for part in parts))
    numbers = [
        cast(events.number(name) if name in events.types else literal(1.0), Double).label(f"c{at}")
        for at, name in enumerate(names)
    ]
    what = select(events.unit.label("unit"), events.seconds.label("seconds"), *numbers).where(events.kept).cte("what")
    value = {name: what.c[f"c{at}"] for at, name in enumerate(names)}
    theirs = [what.c.unit == exposed.c.unit, what.c.seconds >= exposed.c.first]
    windows = [part.window for part in parts]
    if all(window is not None for window in windows):
        theirs.append(what.c.seconds < exposed.c.first + max(window or 0 for window in windows) * _DAY)
    known = [_named(cast(func.min(exposed.c[f"s{at}"]), Text), name) for at, name in enumerate(segments)]
    known += [_named(cast(func.min(exposed.c[f"v{at}"]), Double), name) for at, name in enumerate(covariates)]
    keys = (exposed.c.unit, exposed.c.variant, exposed.c.first)
    return (
        select(
            *(_named(key, str(name)) for key, name in zip(keys, (data.unit, data.variant, data.time), strict=True)),
            _named(cast(func.count(what.c.unit), Double), EVENTS),
            *known,
            *(_named(_total(part, value[part.column], what, exposed), part.name) for part in parts),
        )
        .join_from(exposed, what, and_(*theirs), isouter=True)
        .group_by(*keys)
    )


def _exposed(rows: Rows, segments: Sequence[str], covariates: Sequence[str]) -> CTE:
    """A unit's first exposure to each variant; rows without a readable time stay apart, to be seen."""
    labels = [rows.label(name, MISSING) for name in segments]
    known = [
        case((func.min(label) == func.max(label), func.min(label)), else_=SEVERAL).label(f"s{at}")
        for at, label in enumerate(labels)
    ]
    known += [func.avg(rows.number(name)).label(f"v{at}") for at, name in enumerate(covariates)]
    first = func.min(rows.seconds).label("first")
    return (
        select(rows.unit.label("unit"), rows.variant.label("variant"), first, *known)
        .where(rows.kept)
        .group_by(rows.unit, rows.variant, rows.seconds.is_(None))
        .cte("exposed")
    )


def _total(part: Part, value: Expression, what: CTE, exposed: CTE) -> Expression:
    if part.window is not None:
        value = case((what.c.seconds < exposed.c.first + part.window * _DAY, value))
    if part.is_rate:
        value = case((value.in_([0.0, 1.0]), value), (value.is_not(None), _NEITHER))
        return func.coalesce(func.max(value), 0.0)
    return func.coalesce(func.sum(value), 0.0)


def count_used(kept: FromClause, unit: str, time: str, windows: Sequence[float], last: float) -> Select[Any]:
    """Count the events that count for some unit, once each, and the units whose windows are open at the last time."""
    units = (
        select(func.max(kept.c[EVENTS]).label("events"), func.min(kept.c[time]).label("first"))
        .group_by(kept.c[unit])
        .subquery("units")
    )
    latest = select(func.max(kept.c[time])).scalar_subquery()
    end = case((latest > last, latest), else_=last)
    waiting = [
        func.count().filter(units.c.first + window * _DAY > end).label(f"open_{at}")
        for at, window in enumerate(windows)
    ]
    counts = (func.count().label("units"), func.sum(units.c.events).label("events"))
    return select(*counts, end.label("last"), *waiting).select_from(units)


def _named(value: Expression, name: str) -> Label[Any]:
    return value.label(quoted_name(name, quote=True))
