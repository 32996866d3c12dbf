"""The steps of experiments: each is one transaction and one row in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from abkit.controller.shipping import choose_variant, ship_variant
from abkit.controller.transitions import Request, move
from abkit.errors import ConflictError
from abkit.models import Experiment
from abkit.models.lifecycle import Action
from abkit.store.agents import ensure_agent, read_agent, write_config
from abkit.store.audit import append_audit
from abkit.store.engine import reading, writing
from abkit.store.records import Agent, AuditEntry, StoredExperiment
from abkit.store.repository import insert_experiment, read_experiment, read_running
from abkit.store.results import add_result, latest_result


def keep_draft(
    engine: Engine, draft: Experiment, config: Mapping[str, Any] | None, request: Request
) -> StoredExperiment:
    """Store a draft, and its agent with the configuration where it is new."""
    try:
        with writing(engine) as connection:
            _introduce_agent(connection, draft, config, request)
            stored = insert_experiment(connection, draft, now=request.now)
            entry = AuditEntry(request.now, request.actor, "create", stored.id, stored.agent_id, to_status="draft")
            append_audit(connection, draft.organization_id, entry, order=0)
            return stored
    except IntegrityError:
        raise ConflictError(
            f"an experiment with the key {draft.key!r} or the id {draft.id!a} is there already; choose another key"
        ) from None


def _introduce_agent(
    connection: Connection, draft: Experiment, config: Mapping[str, Any] | None, request: Request
) -> None:
    organization_id, agent_id = draft.organization_id, draft.agent_id
    if ensure_agent(connection, organization_id, agent_id, config or {}, now=request.now) or config is None:
        return
    known = read_agent(connection, organization_id, agent_id, for_update=True)
    if not known.config:
        write_config(connection, known, config, previous=known.previous_config, now=request.now)
    elif known.config != dict(config):
        raise ConflictError(
            f"the agent {agent_id!a} is known with another configuration; configure(agent_id, config) changes it"
        )


def take_step(engine: Engine, stored: StoredExperiment, action: Action, request: Request) -> StoredExperiment:
    """Take an experiment one step further; the database sees to it that an agent has one that runs."""
    try:
        with writing(engine) as connection:
            current = read_experiment(connection, stored.organization_id, stored.id)
            return move(connection, current, action, request)
    except IntegrityError:
        with reading(engine) as connection:
            running = read_running(connection, stored.organization_id, stored.agent_id)
        other = f"the experiment {running.key!r}" if running else "another experiment, which has just ended,"
        raise ConflictError(
            f"cannot {action} {stored.key!r}: {other} runs on the agent {stored.agent_id!a}, and an agent has one "
            "at a time; complete, pause or cancel that one first"
        ) from None


def finish(
    engine: Engine,
    stored: StoredExperiment,
    analysis: Mapping[str, Any] | None,
    winner: str | None,
    request: Request,
    *,
    ship: str | None,
    override_reason: str | None,
) -> StoredExperiment:
    """End an experiment with its final analysis, and put the variant that ships into its agent."""
    with writing(engine) as connection:
        current = read_experiment(connection, stored.organization_id, stored.id)
        done = move(connection, current, "complete", request, winner=winner)
        if analysis is not None:
            add_result(connection, stored.organization_id, stored.id, "final", analysis, now=request.now)
        if ship is not None:
            ship_variant(connection, current, ship, request, override_reason)
    return done


def ship_completed(
    engine: Engine, organization_id: str, key: str, variant: str | None, override_reason: str | None, request: Request
) -> Agent:
    """Put the winner of a completed experiment, or another variant with a reason, into its agent."""
    with writing(engine) as connection:
        stored = read_experiment(connection, organization_id, key)
        if stored.status != "completed":
            raise ConflictError(
                f"{stored.key}: only a completed experiment ships, this one is {stored.status}; "
                "complete(key, ship_winner=True) does both"
            )
        final = latest_result(connection, organization_id, stored.id)
        chosen = choose_variant(stored, final.analysis if final else None, variant, override_reason)
        return ship_variant(connection, stored, chosen, request, override_reason)
