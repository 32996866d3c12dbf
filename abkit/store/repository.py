"""Experiments in the store. Each function takes a connection: who calls decides what is one transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select, tuple_, update

from abkit.errors import NotFoundError, ParameterError, suggest
from abkit.models import Experiment
from abkit.models.lifecycle import Status
from abkit.store.paging import check_limit, page_of, read_cursor
from abkit.store.records import Page, StoredExperiment
from abkit.store.tables import experiments, variants

_MOST_KEYS = 500


def insert_experiment(connection: Connection, experiment: Experiment, *, now: datetime) -> StoredExperiment:
    """Keep a new experiment as a draft.

    Raises
    ------
    sqlalchemy.exc.IntegrityError
        Its key or id is taken in the organization.
    """
    stored = StoredExperiment(
        organization_id=experiment.organization_id,
        id=experiment.id,
        key=experiment.key,
        agent_id=experiment.agent_id,
        name=experiment.name,
        status="draft",
        version=1,
        definition=experiment.to_dict(),
        design_hash=None,
        created_at=now,
        started_at=None,
        ended_at=None,
        winner=None,
        updated_at=now,
    )
    connection.execute(insert(experiments), {column.name: getattr(stored, column.name) for column in experiments.c})
    rows = [
        {
            "organization_id": stored.organization_id,
            "experiment_id": stored.id,
            "position": position,
            "name": variant.name,
            "traffic_percentage": variant.traffic_percentage,
            "is_control": variant.is_control,
            "config": variant.config,
        }
        for position, variant in enumerate(experiment.variants)
    ]
    connection.execute(insert(variants), rows)
    return stored


def read_experiment(connection: Connection, organization_id: str, key_or_id: str) -> StoredExperiment:
    """Return the experiment with that id, or else with that key.

    Raises
    ------
    NotFoundError
        The organization has none.
    """
    wanted = or_(experiments.c.id == key_or_id, experiments.c.key == key_or_id)
    statement = _of(organization_id).where(wanted).order_by((experiments.c.id == key_or_id).desc()).limit(1)
    row = connection.execute(statement).first()
    if row is None:
        known = connection.scalars(
            select(experiments.c.key)
            .where(experiments.c.organization_id == organization_id)
            .order_by(experiments.c.created_at.desc())
            .limit(_MOST_KEYS)
        ).all()
        raise NotFoundError(f"no experiment {key_or_id[:200]!a}{suggest(key_or_id[:200], known)}")
    return _stored(row)


def read_running(connection: Connection, organization_id: str, agent_id: str) -> StoredExperiment | None:
    """Return the experiment that runs on an agent, if one does."""
    c = experiments.c
    row = connection.execute(_of(organization_id).where(c.agent_id == agent_id, c.status == "running")).first()
    return _stored(row) if row is not None else None


def list_experiments(
    connection: Connection,
    organization_id: str,
    *,
    agent_id: str | None = None,
    status: Status | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StoredExperiment]:
    """Return a page of experiments, the newest first.

    Raises
    ------
    ParameterError
        The cursor or the limit cannot be used.
    """
    c = experiments.c
    statement = _of(organization_id).order_by(c.created_at.desc(), c.id.desc()).limit(check_limit(limit) + 1)
    if agent_id is not None:
        statement = statement.where(c.agent_id == agent_id)
    if status is not None:
        statement = statement.where(c.status == status)
    if cursor is not None:
        created_at, experiment_id = read_cursor(cursor, 2)
        statement = statement.where(tuple_(c.created_at, c.id) < tuple_(_moment(created_at, cursor), experiment_id))
    found = [_stored(row) for row in connection.execute(statement)]
    return page_of(found, limit, lambda last: (last.created_at.isoformat(), last.id))


def keys_in_use(connection: Connection, organization_id: str) -> frozenset[str]:
    """Return every key of an organization."""
    mine = select(experiments.c.key).where(experiments.c.organization_id == organization_id)
    return frozenset(connection.scalars(mine))


def compare_and_set(
    connection: Connection,
    organization_id: str,
    experiment_id: str,
    expected_version: int,
    *,
    now: datetime,
    **changes: Any,
) -> bool:
    """Change columns of an experiment if nobody changed it since `expected_version` was read; say whether."""
    c = experiments.c
    done = connection.execute(
        update(experiments)
        .where(c.organization_id == organization_id, c.id == experiment_id, c.version == expected_version)
        .values(**changes, version=expected_version + 1, updated_at=now)
    )
    return done.rowcount == 1


def _of(organization_id: str) -> Select[Any]:
    return select(experiments).where(experiments.c.organization_id == organization_id)


def _stored(row: Row[Any]) -> StoredExperiment:
    return StoredExperiment(**row._mapping)


def _moment(text: str, cursor: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParameterError(f"{cursor[:40]!a} is not a cursor of this list") from None
