"""Agents and what they should run with; the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from abkit.api.answers import AgentOut, Agents, Audit
from abkit.api.auth import Manager, Reader
from abkit.api.routes.common import Cursor, IfVersion, Limit, tagged
from abkit.api.schemas import NewConfig, Why
from abkit.plain import to_plain

router = APIRouter(prefix="/api/v1", tags=["agents"])


@router.get("/agents", response_model=Agents)
def list_agents(caller: Reader) -> Any:
    """List every agent, by id."""
    return {"items": to_plain(caller.lab.agents())}


@router.get("/agents/{agent_id}", response_model=AgentOut)
def get(agent_id: str, caller: Reader, response: Response) -> Any:
    """Show an agent with its configuration."""
    return tagged(response, caller.lab.agent(agent_id))


@router.put("/agents/{agent_id}", response_model=AgentOut)
def configure(agent_id: str, body: NewConfig, caller: Manager, version: IfVersion, response: Response) -> Any:
    """Set the configuration of an agent, known or new."""
    changed = caller.lab.configure(agent_id, body.config, actor=caller.actor, reason=body.reason, if_version=version)
    return tagged(response, changed)


@router.post("/agents/{agent_id}/rollback", response_model=AgentOut)
def rollback(agent_id: str, caller: Manager, version: IfVersion, response: Response, body: Why | None = None) -> Any:
    """Give an agent the configuration that it had before the last change."""
    why = (body or Why()).reason
    return tagged(response, caller.lab.rollback(agent_id, actor=caller.actor, reason=why, if_version=version))


@router.get("/audit", response_model=Audit, tags=["audit"])
def audit(
    caller: Reader,
    experiment_id: Annotated[str | None, Query(description="Id or key.")] = None,
    agent_id: Annotated[str | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """Show who did what, when and why, the oldest first."""
    return to_plain(caller.lab.audit(experiment_id, agent_id=agent_id, limit=limit, cursor=cursor))
