"""What agents in production call: which variant, and what happened."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.concurrency import run_in_threadpool

from abkit.api.answers import AssignmentOut, RecordedOut
from abkit.api.auth import Caller, Ingester
from abkit.api.schemas import NewObservation, Question
from abkit.plain import to_plain

router = APIRouter(prefix="/api/v1", tags=["ingestion"])
_MEDIA_TYPES = ("application/x-ndjson", "application/jsonl", "application/json")
_BULK = {
    "requestBody": {
        "required": True,
        "description": "JSON lines: one object with the fields of an observation in each line.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.post("/assignments", response_model=AssignmentOut)
def assign(body: Question, caller: Ingester) -> Any:
    """Say which variant a user of an agent gets, the same one at every call; nulls where nothing runs."""
    return to_plain(caller.lab.assign(body.agent_id, body.user_id))


@router.post("/observations", status_code=201, response_model=RecordedOut)
def observe(body: NewObservation, caller: Ingester) -> Any:
    """Record one observation; repeated, it answers that it was there before."""
    row = {**body.model_dump(), "experiment_id": None}
    done = caller.lab.record_many([row], experiment_id=body.experiment_id, as_new=True)
    if done.rejected:
        raise HTTPException(422, f"cannot record this observation: {done.examples[0].partition(': ')[2]}")
    if done.quarantined:
        raise HTTPException(409, "this event_id was recorded before with another payload; the new one was put aside")
    return done.to_dict()


@router.post("/observations/bulk", response_model=RecordedOut, openapi_extra=_BULK)
async def observe_many(
    request: Request,
    caller: Ingester,
    experiment_id: str | None = Query(None, description="Id or key, for lines that name none."),
    as_new: bool = Query(False, description="Lines with neither event_id nor observed_at are new events of now."),
) -> Any:
    """Record many observations, each once; says how many were new, and which lines were refused and why."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _MEDIA_TYPES:
        raise HTTPException(415, f"expected one of {', '.join(_MEDIA_TYPES)}, got {kind[:100]!a}")
    return await run_in_threadpool(_load, caller, await request.body(), experiment_id, as_new)


def _load(caller: Caller, body: bytes, experiment_id: str | None, as_new: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="abkit-") as folder:
        file = Path(folder, "body.jsonl")
        file.write_bytes(body)
        return caller.lab.record_many(file, experiment_id=experiment_id, as_new=as_new).to_dict()
