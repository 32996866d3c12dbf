"""API keys of the caller's organization."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from abkit.api.answers import ApiKeyOut, ApiKeys, NewApiKeyOut
from abkit.api.auth import Manager
from abkit.api.replay import show_once
from abkit.api.schemas import NewApiKey
from abkit.controller.transitions import utc_now
from abkit.plain import to_plain
from abkit.store import keys
from abkit.store.engine import reading, writing
from abkit.store.text import searchable

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])


@router.post("", status_code=201, response_model=NewApiKeyOut)
def create(body: NewApiKey, caller: Manager, request: Request) -> Any:
    """Make a key; `text` is shown this once."""
    show_once(request, "text")
    lab, now = caller.lab, utc_now()
    with writing(lab.engine) as connection:
        new = keys.create_key(
            connection, lab.organization_id, body.name, body.scopes, now=now, expires_at=body.expires_at
        )
    return {**to_plain(new.key), "text": new.text}


@router.get("", response_model=ApiKeys)
def list_keys(caller: Manager) -> Any:
    """List every key, the oldest first."""
    with reading(caller.lab.engine) as connection:
        return {"items": to_plain(keys.list_keys(connection, caller.lab.organization_id))}


@router.delete("/{public_id}", response_model=ApiKeyOut)
def revoke(public_id: str, caller: Manager) -> Any:
    """End a key for good; once more changes nothing."""
    with writing(caller.lab.engine) as connection:
        return to_plain(keys.revoke_key(connection, caller.lab.organization_id, searchable(public_id), now=utc_now()))
