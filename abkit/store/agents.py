"""Agents in the store: the configuration each should run with, and the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from abkit.errors import NotFoundError, suggest
from abkit.store.insert import insert_new
from abkit.store.records import Agent
from abkit.store.tables import agents

_MOST_NAMES = 500


def ensure_agent(
    connection: Connection, organization_id: str, agent_id: str, config: Mapping[str, Any], *, now: datetime
) -> bool:
    """Keep a new agent, and say whether it was new; one that is there stays as it is."""
    row = {
        "organization_id": organization_id,
        "id": agent_id,
        "config": dict(config),
        "previous_config": None,
        "version": 1,
        "updated_at": now,
    }
    return insert_new(connection, agents, [row]) == 1


def read_agent(connection: Connection, organization_id: str, agent_id: str, *, for_update: bool = False) -> Agent:
    """Return an agent.

    Parameters
    ----------
    for_update : bool
        Nobody else may change it until the transaction ends.

    Raises
    ------
    NotFoundError
        The organization has no such agent.
    """
    mine = select(agents).where(agents.c.organization_id == organization_id)
    statement = mine.where(agents.c.id == agent_id)
    row = connection.execute(statement.with_for_update() if for_update else statement).first()
    if row is None:
        names = connection.execute(mine.order_by(agents.c.id).limit(_MOST_NAMES)).all()
        raise NotFoundError(f"no agent {agent_id[:200]!a}{suggest(agent_id[:200], [known.id for known in names])}")
    return Agent(**row._mapping)


def list_agents(connection: Connection, organization_id: str) -> list[Agent]:
    """Return every agent of an organization, by id."""
    statement = select(agents).where(agents.c.organization_id == organization_id).order_by(agents.c.id)
    return [Agent(**row._mapping) for row in connection.execute(statement)]


def write_config(
    connection: Connection,
    agent: Agent,
    config: Mapping[str, Any],
    *,
    previous: Mapping[str, Any] | None,
    now: datetime,
) -> bool:
    """Change the agent's configuration if nobody changed it since it was read; say whether."""
    c = agents.c
    done = connection.execute(
        update(agents)
        .where(c.organization_id == agent.organization_id, c.id == agent.id, c.version == agent.version)
        .values(
            config=dict(config),
            previous_config=None if previous is None else dict(previous),
            version=agent.version + 1,
            updated_at=now,
        )
    )
    return done.rowcount == 1


def merge_config(config: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with a variant's put into it: dicts merge, everything else is replaced.

    Examples
    --------
    >>> merge_config({"model": "a", "retry": {"times": 1, "wait": 2}}, {"model": "b", "retry": {"times": 3}})
    {'model': 'b', 'retry': {'times': 3, 'wait': 2}}
    """
    merged = dict(config)
    for name, value in change.items():
        here = merged.get(name)
        merged[name] = merge_config(here, value) if isinstance(here, Mapping) and isinstance(value, Mapping) else value
    return merged
