"""Rows of the store, as the rest of abkit sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from abkit.display import Card, Displayed, Table
from abkit.models import Experiment
from abkit.models.lifecycle import Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class StoredExperiment(Displayed):
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

    def _card(self) -> Card:
        times = [(name, getattr(self, name)) for name in ("created_at", "started_at", "ended_at")]
        rows = [("agent", self.agent_id), *((name[:-3], f"{at:%Y-%m-%d %H:%M %Z}") for name, at in times if at)]
        rows += [("winner", self.winner)] if self.winner else []
        return Card(f"{self.key}: {self.status}", [self.name] if self.name != self.key else [], [Table((), rows)])


@dataclass(frozen=True, slots=True, repr=False)
class Agent(Displayed):
    """An agent and the configuration it should run with."""

    organization_id: str
    id: str
    config: dict[str, Any]
    previous_config: dict[str, Any] | None
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class AuditEntry(Displayed):
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

    def _card(self) -> Card:
        step = f"{self.from_status or 'new'} → {self.to_status}" if self.to_status else self.agent_id or ""
        return Card(f"{self.at:%Y-%m-%d %H:%M %Z} {self.action} {step}{f': {self.reason}' if self.reason else ''}")


@dataclass(frozen=True, slots=True, repr=False)
class StoredResult(Displayed):
    """A kept analysis: `analysis` is `Analysis.to_dict()`."""

    experiment_id: str
    id: str
    created_at: datetime
    kind: str
    analysis: dict[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Page(Displayed, Generic[T]):
    """Some items, and the cursor with which the next ones are asked for; None after the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None

    def _card(self) -> Card:
        more = [] if self.next_cursor is None else ["There are more: ask with cursor=page.next_cursor."]
        shown: list[Any] = list(self.items)
        return Card(f"{len(shown)} items", [*more, *(one._card().title for one in shown)])

    def _records(self) -> list[dict[str, Any]]:
        shown: list[Any] = list(self.items)
        return [one.to_dict() for one in shown]
