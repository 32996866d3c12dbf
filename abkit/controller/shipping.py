"""Putting a variant's configuration into its agent, and taking it out again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from abkit.controller.transitions import Request
from abkit.errors import ConflictError, ParameterError, StaleError, suggest
from abkit.store.agents import merge_config, read_agent, write_config
from abkit.store.audit import append_audit
from abkit.store.records import Agent, AuditEntry, StoredExperiment
from abkit.store.text import require_text


def choose_variant(
    stored: StoredExperiment,
    analysis: Mapping[str, Any] | None,
    variant: str | None,
    override_reason: str | None,
) -> str:
    """Return the variant to ship.

    Parameters
    ----------
    stored : StoredExperiment
    analysis : mapping or None
        The analysis JSON; None where there was nothing to analyze.
    variant : str, optional
        Default: the winner.
    override_reason : str, optional
        Why to ship although the analysis does not say so.

    Raises
    ------
    ConflictError
        The analysis does not say that this variant should ship, and no reason to do so all the same was given.
    ParameterError
        There is no such variant, it must be named, or the reason cannot be stored.
    """
    require_text(override_reason or "", "override_reason")
    decision = analysis["decision"] if analysis is not None else {}
    winner = decision.get("winner") if decision.get("should_ship") else None
    names = [part["name"] for part in stored.definition["variants"]]
    if variant is not None and variant not in names:
        raise ParameterError(f"no variant {variant!r} in {stored.key!r}{suggest(variant, names)}")
    chosen = variant or winner
    if chosen is not None and (chosen == winner or (chosen in decision.get("tied", ()) and winner)):
        return chosen
    if not (override_reason or "").strip():
        said = decision.get("recommendation", "there is no data to analyze")
        raise ConflictError(
            f"{stored.key}: the analysis does not say to ship{f' {variant!r}' if variant else ''}: {said}; complete it "
            "without shipping, or give an override reason, which goes into the audit log"
        )
    if chosen is None:
        raise ParameterError(f"there is no winner: say which variant to ship ({', '.join(names)})")
    return chosen


def ship_variant(
    connection: Connection, stored: StoredExperiment, variant: str, request: Request, override_reason: str | None
) -> Agent:
    """Merge a variant's configuration into its agent's; the one before is kept for `roll_back`."""
    agent = read_agent(connection, stored.organization_id, stored.agent_id, for_update=True)
    change = next(part["config"] for part in stored.definition["variants"] if part["name"] == variant)
    merged = merge_config(agent.config, change)
    entry = AuditEntry(
        at=request.now,
        actor=request.actor,
        action="ship",
        experiment_id=stored.id,
        agent_id=agent.id,
        reason=override_reason or request.reason,
        details={
            "variant": variant,
            "override": override_reason is not None,
            "changed": merged != agent.config,
            "config": merged,
        },
    )
    append_audit(connection, stored.organization_id, entry, order=2 * stored.version + 1)
    if merged == agent.config:  # writing it again would lose the configuration to roll back to
        return agent
    return _write(connection, agent, merged, agent.config, request.now)


def configure(connection: Connection, agent: Agent, config: Mapping[str, Any], request: Request) -> Agent:
    """Replace an agent's configuration by hand; the one before is kept for `roll_back`."""
    _check_version(agent, request.if_version)
    if dict(config) == agent.config:
        return agent
    _append(connection, agent, "configure", config, request)
    return _write(connection, agent, config, agent.config, request.now)


def roll_back(connection: Connection, agent: Agent, request: Request) -> Agent:
    """Give an agent the configuration that it had before the last change.

    Raises
    ------
    ConflictError
        There is none.
    """
    _check_version(agent, request.if_version)
    if agent.previous_config is None:
        raise ConflictError(f"the agent {agent.id!r} has no earlier configuration to go back to; nothing was changed")
    _append(connection, agent, "rollback", agent.previous_config, request)
    return _write(connection, agent, agent.previous_config, None, request.now)


def _check_version(agent: Agent, if_version: int | None) -> None:
    if if_version is not None and if_version != agent.version:
        raise StaleError(
            f"the agent {agent.id!r} has changed: it is at version {agent.version}, the request was made on version "
            f"{if_version}; look at it again, then repeat the request"
        )


def _append(connection: Connection, agent: Agent, action: str, config: Mapping[str, Any], request: Request) -> None:
    entry = AuditEntry(
        at=request.now,
        actor=request.actor,
        action=action,
        agent_id=agent.id,
        reason=request.reason,
        details={"config": dict(config), "before": agent.config},
    )
    append_audit(connection, agent.organization_id, entry, order=agent.version)


def _write(
    connection: Connection,
    agent: Agent,
    config: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    now: datetime,
) -> Agent:
    if not write_config(connection, agent, config, previous=previous, now=now):
        raise ConflictError(f"the agent {agent.id!r} was changed by somebody else at the same moment; try again")
    return read_agent(connection, agent.organization_id, agent.id)
