"""Experiments in a store, from draft to shipped: every step is one transaction and one row in the audit log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from abkit.controller.catalog import Catalog, require_storable, searchable
from abkit.controller.drafting import draft_of
from abkit.controller.shipping import choose_variant, ship_variant
from abkit.controller.transitions import Request, check_step, move
from abkit.errors import ConflictError, ParameterError
from abkit.models import Experiment
from abkit.models.lifecycle import Action
from abkit.store.agents import ensure_agent, read_agent, write_config
from abkit.store.audit import append_audit
from abkit.store.engine import writing
from abkit.store.records import Agent, AuditEntry, StoredExperiment
from abkit.store.repository import insert_experiment, read_experiment
from abkit.store.results import add_result, latest_result


class Lifecycle(Catalog, ABC):
    """The steps of experiments, and what they leave: agents' configurations, results, the audit log."""

    @abstractmethod
    def _analysis_of(self, stored: StoredExperiment, as_of: datetime | None) -> tuple[dict[str, Any] | None, str]:
        """Return the analysis JSON, or None and why there is none."""

    @abstractmethod
    def _changed(self, agent_id: str) -> None:
        """Forget what is known of an agent: its experiment was started, paused, resumed or ended."""

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
        draft = draft_of(experiment, self.organization_id, self._keys_in_use)
        request = Request(self._clock(), actor)
        try:
            with writing(self.engine) as connection:
                self._introduce_agent(connection, draft.agent_id, agent, request)
                stored = insert_experiment(connection, draft, now=request.now)
                entry = AuditEntry(request.now, actor, "create", stored.id, stored.agent_id, to_status="draft")
                append_audit(connection, self.organization_id, entry, order=0)
                return stored
        except IntegrityError:
            raise ConflictError(
                f"an experiment with the key {draft.key!r} or the id {draft.id!a} is there already; choose another key"
            ) from None

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
            It is neither running nor paused, has changed, or should not ship and no override reason is given. Nothing
            is changed then.
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
        with writing(self.engine) as connection:
            current = read_experiment(connection, self.organization_id, stored.id)
            done = move(connection, current, "complete", request, winner=winner)
            if analysis is not None:
                add_result(connection, self.organization_id, stored.id, "final", analysis, now=now)
            if chosen is not None:
                ship_variant(connection, current, chosen, request, override_reason)
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
        with writing(self.engine) as connection:
            stored = read_experiment(connection, self.organization_id, searchable(key))
            if stored.status != "completed":
                raise ConflictError(
                    f"{stored.key}: only a completed experiment ships, this one is {stored.status}; "
                    "complete(key, ship_winner=True) does both"
                )
            final = latest_result(connection, self.organization_id, stored.id)
            chosen = choose_variant(stored, final.analysis if final else None, variant, override_reason)
            return ship_variant(connection, stored, chosen, request, override_reason)

    def _step(self, key: str, action: Action, request: Request) -> StoredExperiment:
        stored = self.get(key)
        try:
            with writing(self.engine) as connection:
                current = read_experiment(connection, self.organization_id, stored.id)
                moved = move(connection, current, action, request)
        except IntegrityError:
            running = self.active(stored.agent_id)
            other = f"the experiment {running.key!r}" if running else "another experiment, which has just ended,"
            raise ConflictError(
                f"cannot {action} {stored.key!r}: {other} runs on the agent {stored.agent_id!a}, and an agent has one "
                "at a time; complete, pause or cancel that one first"
            ) from None
        self._changed(stored.agent_id)
        return moved

    def _introduce_agent(
        self, connection: Connection, agent_id: str, config: Mapping[str, Any] | None, request: Request
    ) -> None:
        require_storable(config or {})
        if ensure_agent(connection, self.organization_id, agent_id, config or {}, now=request.now) or config is None:
            return
        known = read_agent(connection, self.organization_id, agent_id, for_update=True)
        if not known.config:
            write_config(connection, known, config, previous=known.previous_config, now=request.now)
        elif known.config != dict(config):
            raise ConflictError(
                f"the agent {agent_id!a} is known with another configuration; configure(agent_id, config) changes it"
            )
