"""The steps of an experiment's life: each is checked, made once, and written into the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from abkit.errors import ConflictError, DefinitionError, StaleError
from abkit.models.design import design_hash
from abkit.models.lifecycle import Action, transition
from abkit.store.audit import append_audit
from abkit.store.records import AuditEntry, StoredExperiment
from abkit.store.repository import compare_and_set, read_experiment
from abkit.store.text import LONGEST_NAME, require_text


def utc_now() -> datetime:
    """Return the time of the clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for a change, when and why, and on which version of the experiment it was prepared."""

    now: datetime
    actor: str = ""
    reason: str = ""
    if_version: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_text(self.actor or "-", "actor", LONGEST_NAME)
        require_text(self.reason, "reason")


def check_step(stored: StoredExperiment, action: Action, if_version: int | None) -> None:
    """Say whether the step is possible now.

    Raises
    ------
    ConflictError
        It is not possible from the experiment's status, or the experiment has changed.
    """
    if if_version is not None and if_version != stored.version:
        raise StaleError(
            f"the experiment {stored.key!r} has changed: it is at version {stored.version}, the request was made on "
            f"version {if_version}; look at it again, then repeat the request"
        )
    try:
        transition(stored.status, action)
    except DefinitionError as error:
        raise ConflictError(f"{stored.key}: {error}") from None


def move(
    connection: Connection, stored: StoredExperiment, action: Action, request: Request, **changes: Any
) -> StoredExperiment:
    """Take an experiment one step on, if nobody changed it since it was read.

    Raises
    ------
    ConflictError
        The step is not possible, or somebody else was faster.
    sqlalchemy.exc.IntegrityError
        Another experiment runs on the agent.
    """
    check_step(stored, action, request.if_version)
    status = transition(stored.status, action)
    if status == "running" and stored.started_at is None:
        changes |= {"started_at": request.now, "design_hash": design_hash(stored.definition)}
    if status in {"completed", "cancelled"}:
        changes["ended_at"] = request.now
    organization_id = stored.organization_id
    changed = {"status": status, **changes}
    if not compare_and_set(connection, organization_id, stored.id, stored.version, now=request.now, **changed):
        raise ConflictError(
            f"the experiment {stored.key!r} was changed by somebody else at the same moment; look at it again, then "
            f"repeat the request if you still want to {action} it"
        )
    entry = AuditEntry(
        at=request.now,
        actor=request.actor,
        action=action,
        experiment_id=stored.id,
        agent_id=stored.agent_id,
        from_status=stored.status,
        to_status=status,
        reason=request.reason,
        details={"version": stored.version + 1, **request.details},
    )
    append_audit(connection, organization_id, entry, order=2 * stored.version)
    return read_experiment(connection, organization_id, stored.id)
