"""Experiments: drafted, listed, taken through their life, looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from abkit.api.answers import ExperimentOut, Experiments, Results, StatusOut
from abkit.api.auth import Manager, Reader
from abkit.api.routes.common import Cursor, ExperimentId, IfVersion, Limit, tagged
from abkit.api.schemas import Completion, NewExperiment, Why
from abkit.collectors.observation_metrics import VariantMetrics
from abkit.errors import DataError
from abkit.models.lifecycle import Status
from abkit.plain import to_plain

router = APIRouter(prefix="/api/v1/experiments", tags=["experiments"])


@router.post("", status_code=201, response_model=ExperimentOut)
@router.post("/", status_code=201, response_model=ExperimentOut, include_in_schema=False)
def create(body: NewExperiment, caller: Manager, request: Request, response: Response) -> Any:
    """Keep a new experiment as a draft."""
    stored = caller.lab.create(body.definition(), actor=caller.actor)
    response.headers["Location"] = f"{request.url.path.rstrip('/')}/{stored.id}"
    return tagged(response, stored)


@router.get("", response_model=Experiments)
@router.get("/", response_model=Experiments, include_in_schema=False)
def list_experiments(
    caller: Reader,
    agent_id: Annotated[str | None, Query()] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """List experiments, the newest first."""
    return to_plain(caller.lab.list(agent_id, status, limit=limit, cursor=cursor))


@router.get("/{experiment_id}", response_model=ExperimentOut)
def get(experiment_id: ExperimentId, caller: Reader, response: Response) -> Any:
    """Show an experiment."""
    return tagged(response, caller.lab.get(experiment_id))


@router.post("/{experiment_id}/start", response_model=ExperimentOut)
def start(
    experiment_id: ExperimentId, caller: Manager, version: IfVersion, response: Response, body: Why | None = None
) -> Any:
    """Start a draft: freeze its design and give users variants."""
    why = (body or Why()).reason
    return tagged(response, caller.lab.start(experiment_id, actor=caller.actor, reason=why, if_version=version))


@router.post("/{experiment_id}/pause", response_model=ExperimentOut)
def pause(
    experiment_id: ExperimentId, caller: Manager, version: IfVersion, response: Response, body: Why | None = None
) -> Any:
    """Give no more variants until it is resumed."""
    why = (body or Why()).reason
    return tagged(response, caller.lab.pause(experiment_id, actor=caller.actor, reason=why, if_version=version))


@router.post("/{experiment_id}/resume", response_model=ExperimentOut)
def resume(
    experiment_id: ExperimentId, caller: Manager, version: IfVersion, response: Response, body: Why | None = None
) -> Any:
    """Go on after a pause."""
    why = (body or Why()).reason
    return tagged(response, caller.lab.resume(experiment_id, actor=caller.actor, reason=why, if_version=version))


@router.post("/{experiment_id}/cancel", response_model=ExperimentOut)
def cancel(
    experiment_id: ExperimentId, caller: Manager, version: IfVersion, response: Response, body: Why | None = None
) -> Any:
    """End an experiment without a result."""
    why = (body or Why()).reason
    return tagged(response, caller.lab.cancel(experiment_id, actor=caller.actor, reason=why, if_version=version))


@router.post("/{experiment_id}/complete", response_model=ExperimentOut)
def complete(
    experiment_id: ExperimentId,
    caller: Manager,
    version: IfVersion,
    response: Response,
    ship_winner: Annotated[bool, Query(description="Put the winner's config into the agent.")] = False,
    body: Completion | None = None,
) -> Any:
    """End an experiment with a final analysis, and ship its winner on request."""
    how = body or Completion()
    done = caller.lab.complete(
        experiment_id,
        ship_winner=ship_winner,
        variant=how.variant,
        override_reason=how.override_reason,
        actor=caller.actor,
        reason=how.reason,
        if_version=version,
    )
    return tagged(response, done)


@router.get("/{experiment_id}/status", response_model=StatusOut)
def status(experiment_id: ExperimentId, caller: Reader) -> Any:
    """Show where an experiment stands; while it runs, with a live analysis."""
    return caller.lab.status(experiment_id).to_dict()


@router.get("/{agent_id}/active", response_model=ExperimentOut)
def active(agent_id: str, caller: Reader, response: Response) -> Any:
    """Show the experiment that runs on an agent."""
    found = caller.lab.active(agent_id)
    if found is None:
        raise HTTPException(404, f"no experiment runs on the agent {agent_id[:200]!a}")
    return tagged(response, found)


@router.get("/{experiment_id}/results", response_model=Results)
def results(experiment_id: ExperimentId, caller: Reader) -> Any:
    """Show the analysis with its time series, and what was recorded day by day."""
    found = caller.lab.status(experiment_id)
    stored, reason = found.experiment, found.reason
    daily: Sequence[VariantMetrics] = ()
    cumulative: Sequence[VariantMetrics] = ()
    try:
        daily = caller.lab.daily_metrics(stored.id)
        cumulative = caller.lab.daily_metrics(stored.id, cumulative=True)
    except DataError as error:
        reason = reason or str(error)
    return {
        "experiment_id": stored.id,
        "status": stored.status,
        "analysis": found.analysis,
        "reason": reason,
        "daily": [{**asdict(one), "std": one.std} for one in daily],
        "cumulative": [{**asdict(one), "std": one.std} for one in cumulative],
    }
