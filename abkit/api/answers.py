"""What clients get, as the OpenAPI document describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from abkit.models.lifecycle import Status
from abkit.store.keys import Scope


class ExperimentOut(BaseModel):
    """An experiment and where it is in its life; `version` is its ETag."""

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


class Experiments(BaseModel):
    """A page of experiments, the newest first; pass `next_cursor` as `cursor` for the next one."""

    items: list[ExperimentOut]
    next_cursor: str | None


class VariantOut(BaseModel):
    """A variant and how many users it has."""

    name: str
    is_control: bool
    traffic_percentage: float
    users: int


class StatusOut(BaseModel):
    """Where an experiment stands; `reason` says why there is no analysis."""

    id: str
    key: str
    name: str
    agent_id: str
    status: Status
    version: int
    winner: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    variants: list[VariantOut]
    total: int
    target: int
    analysis: dict[str, Any] | None
    reason: str


class Daily(BaseModel):
    """The values of one metric in one variant on one day (UTC); null: too large to add up, or one value varies not."""

    variant: str
    metric_type: str
    day: str
    n: int
    sum: float | None
    sum_sq: float | None
    mean: float | None
    variance: float | None
    std: float | None


class Results(BaseModel):
    """The analysis with its time series, and what was recorded, by day and up to each day."""

    experiment_id: str
    status: Status
    analysis: dict[str, Any] | None
    reason: str
    daily: list[Daily]
    cumulative: list[Daily]


class AssignmentOut(BaseModel):
    """What a user gets; nulls where nothing runs."""

    experiment_id: str | None
    variant: str | None


class RecordedOut(BaseModel):
    """What became of the rows that were sent."""

    rows: int
    added: int
    repeated: int
    quarantined: int
    rejected: int
    reasons: dict[str, int]
    examples: list[str]


class AgentOut(BaseModel):
    """An agent and the configuration it should run with; `version` is its ETag."""

    id: str
    config: dict[str, Any]
    previous_config: dict[str, Any] | None
    version: int
    updated_at: datetime


class Agents(BaseModel):
    """Every agent, by id."""

    items: list[AgentOut]


class AuditOut(BaseModel):
    """Who did what, when and why."""

    id: str
    at: datetime
    actor: str
    action: str
    experiment_id: str | None
    agent_id: str | None
    from_status: Status | None
    to_status: Status | None
    reason: str
    details: dict[str, Any]


class Audit(BaseModel):
    """A page of the audit log, the oldest first."""

    items: list[AuditOut]
    next_cursor: str | None


class ApiKeyOut(BaseModel):
    """A key; its secret is not part of it."""

    public_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    """A key that was just made; `text` is what clients send, shown this once and null in a replay."""

    text: str | None


class ApiKeys(BaseModel):
    """Every key, the oldest first."""

    items: list[ApiKeyOut]


class Health(BaseModel):
    """The store answers."""

    status: Literal["ok"] = "ok"
