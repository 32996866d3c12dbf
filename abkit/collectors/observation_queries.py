"""Statements over recorded observations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Double, Select, Table, case, cast, func, null, select, union_all
from sqlalchemy.sql.elements import Label, quoted_name

from abkit.collectors.dialects import DayOf, SecondsOf

UNIT: Final = "abkit.user_id"
VARIANT: Final = "abkit.variant"
TIME: Final = "abkit.observed_at"
MICROSECONDS: Final = 1_000_000


def observed_rows(
    observations: Table,
    assignments: Table,
    ids: tuple[str, str, int],
    columns: Sequence[str],
    covariates: Sequence[str],
    segments: Sequence[str],
    zero: Collection[str],
    as_of: datetime | None,
) -> Select[Any]:
    """Select a row per observation, its value under its metric's name, and a row per assigned user.

    A user's own rows hold the least and the row of the assignment the largest value of a segment, so that whoever has
    several values is seen to have them.
    """
    organization_id, experiment_id, stream = ids
    o, a = observations.c, assignments.c
    mine = o.stream == stream
    if as_of is not None:
        mine &= o.observed_at <= int(as_of.timestamp() * MICROSECONDS)
    own = [func.avg(o.value).filter(o.metric_type == name).label(f"mean_{i}") for i, name in enumerate(covariates)]
    own += [func.min(o.value).filter(o.metric_type == name).label(f"least_{i}") for i, name in enumerate(segments)]
    own += [func.max(o.value).filter(o.metric_type == name).label(f"most_{i}") for i, name in enumerate(segments)]
    counts = [func.count().filter(o.metric_type == name).label(f"count_{i}") for i, name in enumerate(columns)]
    first = (cast(func.min(o.observed_at), Double) / MICROSECONDS).label("first")
    users = select(o.user_id, first, *own, *counts).where(mine).group_by(o.user_id).subquery("users")
    before = [_named(users.c[f"mean_{i}"], name) for i, name in enumerate(covariates)]
    least = [_named(users.c[f"least_{i}"], name) for i, name in enumerate(segments)]
    most = [_named(users.c[f"most_{i}"], name) for i, name in enumerate(segments)]
    values = [_named(case((o.metric_type == name, o.value)), name) for name in columns]
    none = cast(null(), Double)
    filled = [
        _named(case((func.coalesce(users.c[f"count_{i}"], 0) == 0, 0.0)) if name in zero else none, name)
        for i, name in enumerate(columns)
    ]
    seconds = (cast(o.observed_at, Double) / MICROSECONDS).label(TIME)
    observed = select(o.user_id.label(UNIT), o.variant.label(VARIANT), seconds, *values, *before, *least).where(
        mine, o.metric_type.in_(columns)
    )
    if covariates or segments:
        observed = observed.join_from(observations, users, users.c.user_id == o.user_id)
    assigned = SecondsOf(a.assigned_at)  # a load of older observations assigns their users when it arrives
    since = case((users.c.first < assigned, users.c.first), else_=assigned).label(TIME)
    exposed = (
        select(a.user_id.label(UNIT), a.variant.label(VARIANT), since, *filled, *before, *most)
        .join_from(assignments, users, users.c.user_id == a.user_id, isouter=True)
        .where(a.organization_id == organization_id, a.experiment_id == experiment_id)
    )
    return select(union_all(observed, exposed).subquery("observed"))


def _named(value: ColumnElement[Any], name: str) -> Label[Any]:
    """Always in quotes: a metric may be called `nothing`, which is a word of SQLite that SQLAlchemy does not know."""
    return value.label(quoted_name(name, quote=True))


def daily_sums(observations: Table, stream: int, metric_types: Sequence[str] | None) -> Select[Any]:
    """Add up values by variant, metric and day (UTC), all of them in one statement.

    Squares are of the distance to the metric's mean: squares of large values leave no digits for their differences.
    """
    o = observations.c
    day = DayOf(cast(o.observed_at, Double) / MICROSECONDS)
    mine = [o.stream == stream] + ([] if metric_types is None else [o.metric_type.in_(metric_types)])
    centers = select(o.metric_type, func.avg(o.value).label("center")).where(*mine).group_by(o.metric_type).subquery()
    rows = (
        select(o.variant, o.metric_type, day.label("day"), o.value, (o.value - centers.c.center).label("gap"))
        .add_columns(centers.c.center)
        .join_from(observations, centers, centers.c.metric_type == o.metric_type)
        .where(*mine)
        .subquery()
    )
    keys = (rows.c.day, rows.c.metric_type, rows.c.variant)
    sums = {"sum": rows.c.value, "sum_sq": rows.c.value * rows.c.value, "gaps": rows.c.gap}
    parts = [func.sum(value).label(name) for name, value in sums.items()]
    squares = func.sum(rows.c.gap * rows.c.gap).label("gaps_sq")
    return select(*keys, func.count().label("n"), *parts, squares).group_by(*keys).order_by(*keys)


def sample_sizes(observations: Table, stream: int) -> Select[Any]:
    """Count observed users by variant."""
    o = observations.c
    return (
        select(o.variant, func.count(o.user_id.distinct()).label("users")).where(o.stream == stream).group_by(o.variant)
    )
