"""Experiments in a store, from draft to shipped, with their agents and the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Engine

from abkit.controller.drafting import draft_of
from abkit.controller.shipping import choose_variant, configure, roll_back
from abkit.controller.steps import finish, keep_draft, ship_completed, take_step
from abkit.controller.transitions import Request, check_step
from abkit.errors import ParameterError, suggest
from abkit.models import Experiment
from abkit.models.lifecycle import Action, Status
from abkit.store.agents import ensure_agent, list_agents, read_agent
from abkit.store.audit import list_audit
from abkit.store.engine import reading, writing
from abkit.store.records import Agent, AuditEntry, Page, StoredExperiment
from abkit.store.repository import keys_in_use, list_experiments, read_experiment, read_running
from abkit.store.text import LONGEST_NAME, require_storable, require_text, searchable

AnalysisOf = Callable[[StoredExperiment, datetime | None], tuple[dict[str, Any] | None, str]]


class Lifecycle:
    """The steps of experiments, and what they leave: agents' configurations, results, the audit log.

    Parameters
    ----------
    engine : Engine
        A store that `upgrade` was called on.
    organization_id : str
        Nothing of any other organization is seen or touched.
    clock : callable
        Returns the time.
    analysis_of : callable
        Returns the analysis JSON of an experiment as of a time, or None and why there is none.
    changed : callable
        Told an agent whose experiment was started, paused, resumed or ended.
    """

    def __init__(
        self,
        engine: Engine,
        organization_id: str,
        *,
        clock: Callable[[], datetime],
        analysis_of: AnalysisOf,
        changed: Callable[[str], None],
    ) -> None:
        self.organization_id = require_text(organization_id, "organization_id", LONGEST_NAME)
        self.engine, self._clock, self._changed, self._analysis_of = engine, clock, changed, analysis_of

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

    def create(
        self,
        experiment: Experiment | Mapping[str, Any],
        *,
        actor: str = "",
        agent: Mapping[str, Any] | None = None,
    ) -> StoredExperiment:
        """Keep a new experiment as a draft.

        Parameters
        ----------
        experiment : Experiment or mapping
            A mapping is as JSON holds it; without a `key` it gets one that reads like its name.
        actor : str
            Who does it, for the audit log.
        agent : mapping, optional
            Present configuration of an agent that the store does not know yet.

        Raises
        ------
        DefinitionError
            With everything that is wrong with the experiment.
        ConflictError
            Its key or id is taken, or the agent has another configuration.
        """
        require_storable(agent or {})
        draft = draft_of(experiment, self.organization_id, self._keys_in_use)
        return keep_draft(self.engine, draft, agent, Request(self._clock(), actor))

    def start(self, key: str, *, actor: str = "", reason: str = "", if_version: int | None = None) -> StoredExperiment:
        """Start a draft: freeze its design and give its users variants.

        Parameters
        ----------
        key : str
            Key or id.
        actor, reason : str
            Who does it and why, for the audit log.
        if_version : int, optional
            Do it only if the experiment still is at this version.

        Raises
        ------
        ConflictError
            It is no draft, has changed, or another experiment runs on its agent.
        """
        return self._step(key, "start", Request(self._clock(), actor, reason, if_version))

    def pause(self, key: str, *, actor: str = "", reason: str = "", if_version: int | None = None) -> StoredExperiment:
        """Give no more variants until `resume`; parameters and errors are those of `start`."""
        return self._step(key, "pause", Request(self._clock(), actor, reason, if_version))

    def resume(self, key: str, *, actor: str = "", reason: str = "", if_version: int | None = None) -> StoredExperiment:
        """Go on after `pause`; parameters and errors are those of `start`."""
        return self._step(key, "resume", Request(self._clock(), actor, reason, if_version))

    def cancel(self, key: str, *, actor: str = "", reason: str = "", if_version: int | None = None) -> StoredExperiment:
        """End without a result; parameters and errors are those of `start`."""
        return self._step(key, "cancel", Request(self._clock(), actor, reason, if_version))

    def complete(
        self,
        key: str,
        *,
        ship_winner: bool = False,
        variant: str | None = None,
        override_reason: str | None = None,
        actor: str = "",
        reason: str = "",
        if_version: int | None = None,
    ) -> StoredExperiment:
        """End with a final analysis, which is kept; on request, put the winner's configuration into the agent.

        Parameters
        ----------
        key : str
            Key or id.
        ship_winner : bool
            Merge the winner's configuration into the agent's, in the same transaction.
        variant : str, optional
            Ship this one instead of the winner.
        override_reason : str, optional
            Why to ship although the analysis does not say so; goes into the audit log.
        actor, reason, if_version
            As in `start`.

        Raises
        ------
        ConflictError
            Neither running nor paused, changed since, or not to ship and without override reason; nothing is changed.
        """
        if not ship_winner and (variant is not None or override_reason is not None):
            raise ParameterError("variant and override_reason say how to ship: pass ship_winner=True with them")
        stored, now = self.get(key), self._clock()
        check_step(stored, "complete", if_version)
        analysis, why = self._analysis_of(stored, now)
        decision = analysis["decision"] if analysis is not None else {"verdict": None, "why": why}
        chosen = choose_variant(stored, analysis, variant, override_reason) if ship_winner else None
        request = Request(now, actor, reason, stored.version, {"verdict": decision["verdict"], "shipped": chosen})
        winner = decision["winner"] if decision.get("should_ship") else None
        done = finish(self.engine, stored, analysis, winner, request, ship=chosen, override_reason=override_reason)
        self._changed(stored.agent_id)
        return done

    def ship(
        self,
        key: str,
        *,
        variant: str | None = None,
        override_reason: str | None = None,
        actor: str = "",
        reason: str = "",
    ) -> Agent:
        """Put the winner of a completed experiment into its agent; parameters and errors are those of `complete`."""
        request = Request(self._clock(), actor, reason)
        return ship_completed(self.engine, self.organization_id, searchable(key), variant, override_reason, request)

    def _step(self, key: str, action: Action, request: Request) -> StoredExperiment:
        stored = self.get(key)
        moved = take_step(self.engine, stored, action, request)
        self._changed(stored.agent_id)
        return moved

    def _keys_in_use(self) -> frozenset[str]:
        with reading(self.engine) as connection:
            return keys_in_use(connection, self.organization_id)
