"""What is in an organization's store: experiments, agents and the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from sqlalchemy import Engine

from abkit.controller.shipping import configure, roll_back
from abkit.controller.transitions import Request
from abkit.errors import ParameterError, suggest
from abkit.models.lifecycle import Status
from abkit.store.agents import ensure_agent, list_agents, read_agent
from abkit.store.audit import list_audit
from abkit.store.engine import reading, writing
from abkit.store.records import Agent, AuditEntry, Page, StoredExperiment
from abkit.store.repository import keys_in_use, list_experiments, read_experiment, read_running
from abkit.store.text import LONGEST_NAME, require_text, unstorable


def utc_now() -> datetime:
    """Return the time of the clock."""
    return datetime.now(UTC)


class Catalog:
    """Experiments, agents and the audit log of one organization.

    Parameters
    ----------
    engine : Engine
        A store that `upgrade` was called on.
    organization_id : str
        Nothing of any other organization is seen or touched.
    clock : callable
        Returns the time.
    """

    def __init__(
        self, engine: Engine, organization_id: str = "default", *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.engine, self._clock = engine, clock
        self.organization_id = require_text(organization_id, "organization_id", LONGEST_NAME)

    def get(self, key: str) -> StoredExperiment:
        """Return an experiment by key or id.

        Raises
        ------
        NotFoundError
            The organization has none.
        """
        with reading(self.engine) as connection:
            return read_experiment(connection, self.organization_id, searchable(key))

    def active(self, agent_id: str) -> StoredExperiment | None:
        """Return the experiment that runs on an agent, if one does."""
        with reading(self.engine) as connection:
            return read_running(connection, self.organization_id, searchable(agent_id))

    def list(
        self,
        agent_id: str | None = None,
        status: Status | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[StoredExperiment]:
        """Return a page of experiments, the newest first; `cursor` is the `next_cursor` of the page before."""
        if status is not None and status not in get_args(Status):
            raise ParameterError(f"no status {status!a}{suggest(str(status), get_args(Status))}")
        wanted = searchable(agent_id) if agent_id is not None else None
        with reading(self.engine) as connection:
            return list_experiments(
                connection, self.organization_id, agent_id=wanted, status=status, limit=limit, cursor=cursor
            )

    def agent(self, agent_id: str) -> Agent:
        """Return an agent with its configuration.

        Raises
        ------
        NotFoundError
            The organization has none of that name.
        """
        with reading(self.engine) as connection:
            return read_agent(connection, self.organization_id, searchable(agent_id))

    def agents(self) -> tuple[Agent, ...]:
        """Return every agent, by id."""
        with reading(self.engine) as connection:
            return tuple(list_agents(connection, self.organization_id))

    def audit(
        self,
        key: str | None = None,
        *,
        agent_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[AuditEntry]:
        """Return who did what, the oldest first: to one experiment, to one agent, or everything."""
        wanted = searchable(agent_id) if agent_id is not None else None
        with reading(self.engine) as connection:
            stored = read_experiment(connection, self.organization_id, searchable(key)) if key is not None else None
            return list_audit(
                connection,
                self.organization_id,
                experiment_id=stored.id if stored else None,
                agent_id=wanted,
                limit=limit,
                cursor=cursor,
            )

    def rollback(self, agent_id: str, *, actor: str = "", reason: str = "", if_version: int | None = None) -> Agent:
        """Give an agent the configuration that it had before the last change.

        Raises
        ------
        ConflictError
            There is none, or the agent has changed.
        """
        request = Request(self._clock(), actor, reason, if_version)
        with writing(self.engine) as connection:
            return roll_back(
                connection,
                read_agent(connection, self.organization_id, searchable(agent_id), for_update=True),
                request,
            )

    def configure(
        self,
        agent_id: str,
        config: Mapping[str, Any],
        *,
        actor: str = "",
        reason: str = "",
        if_version: int | None = None,
    ) -> Agent:
        """Set the configuration of an agent, known or new.

        Raises
        ------
        ConflictError
            The agent has changed.
        ParameterError
            The configuration cannot be stored.
        """
        require_text(agent_id, "agent_id", LONGEST_NAME)
        require_storable(config)
        request = Request(self._clock(), actor, reason, if_version)
        with writing(self.engine) as connection:
            ensure_agent(connection, self.organization_id, agent_id, {}, now=request.now)
            agent = read_agent(connection, self.organization_id, agent_id, for_update=True)
            return configure(connection, agent, config, request)

    def _keys_in_use(self) -> frozenset[str]:
        with reading(self.engine) as connection:
            return keys_in_use(connection, self.organization_id)


def require_storable(config: Mapping[str, Any]) -> None:
    """Say whether a configuration can be stored.

    Raises
    ------
    ParameterError
        It cannot, and why.
    """
    for problem in unstorable(dict(config), "config"):
        raise ParameterError(problem)


def searchable(text: str) -> str:
    """Return the text, or what stands for it: no store holds such text, and a database would answer with an error.

    Examples
    --------
    >>> searchable("code-writer")
    'code-writer'
    """
    return text if isinstance(text, str) and not any(unstorable(text, "")) else ascii(text)
