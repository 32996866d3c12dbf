"""Rows of the store, as the rest of abkit sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from abkit.models import Experiment
from abkit.models.lifecycle import Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """An experiment and where it is in its life.

    Parameters
    ----------
    version : int
        Rises by one with every change; a change that was prepared on an older one is refused.
    definition : dict
        `Experiment.to_dict()`.
    design_hash : str or None
        Of the design at its start; None for a draft.
    """

    organization_id: str
    id: str
    key: str
    agent_id: str
    name: str
    status: Status
    version: int
    definition: dict[str, Any]
    design_hash: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    winner: str | None
    updated_at: datetime

    @property
    def experiment(self) -> Experiment:
        """The definition."""
        return Experiment.from_dict(self.definition)


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent and the configuration it should run with."""

    organization_id: str
    id: str
    config: dict[str, Any]
    previous_config: dict[str, Any] | None
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when and why."""

    at: datetime
    actor: str
    action: str
    experiment_id: str | None = None
    agent_id: str | None = None
    from_status: Status | None = None
    to_status: Status | None = None
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A kept analysis: `analysis` is `Analysis.to_dict()`."""

    experiment_id: str
    id: str
    created_at: datetime
    kind: str
    analysis: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the cursor with which the next ones are asked for; None after the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None


def plain(record: Any) -> Any:
    """Return a record, and everything inside it, as JSON holds it; times in ISO form with Z.

    Examples
    --------
    >>> from datetime import UTC
    >>> plain(AuditEntry(datetime(2026, 11, 22, tzinfo=UTC), "ana", "start"))["at"]
    '2026-11-22T00:00:00Z'
    """
    if is_dataclass(record):
        return {part.name: plain(getattr(record, part.name)) for part in fields(record)}
    if isinstance(record, Mapping):
        return {name: plain(part) for name, part in record.items()}
    if isinstance(record, list | tuple):
        return [plain(part) for part in record]
    if isinstance(record, datetime):
        return record.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return record
