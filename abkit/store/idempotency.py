"""Answers by `Idempotency-Key`: a request that comes twice is carried out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from abkit.store.insert import insert_new
from abkit.store.tables import idempotency
from abkit.store.text import LONGEST_NAME, require_text


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of an earlier request; `status` is None while it is being carried out."""

    request_hash: str
    status: int | None
    body: Mapping[str, Any] | None
    created_at: datetime


def claim(connection: Connection, organization_id: str, key: str, request_hash: str, *, now: datetime) -> Answer | None:
    """Take a key for a request: None means go on, anything else is what the earlier request with it came to."""
    require_text(key, "Idempotency-Key", LONGEST_NAME)
    row = {"organization_id": organization_id, "key": key, "request_hash": request_hash, "created_at": now}
    if insert_new(connection, idempotency, [{**row, "status": None, "body": None}]):
        return None
    c = idempotency.c
    statement = select(c.request_hash, c.status, c.body, c.created_at).where(*_mine(organization_id, key))
    return Answer(**connection.execute(statement).one()._mapping)


def finish(connection: Connection, organization_id: str, key: str, status: int, body: Mapping[str, Any] | None) -> None:
    """Keep the answer for whoever sends the request again."""
    kept = None if body is None else dict(body)
    connection.execute(update(idempotency).where(*_mine(organization_id, key)).values(status=status, body=kept))


def release(connection: Connection, organization_id: str, key: str) -> None:
    """Give the key back: the request was not carried out and may come again."""
    connection.execute(delete(idempotency).where(*_mine(organization_id, key)))


def forget(connection: Connection, organization_id: str, before: datetime) -> int:
    """Drop answers, and requests that never ended, from before a time; return how many."""
    mine = idempotency.c.organization_id == organization_id
    return connection.execute(delete(idempotency).where(mine, idempotency.c.created_at < before)).rowcount


def _mine(organization_id: str, key: str) -> tuple[Any, Any]:
    return idempotency.c.organization_id == organization_id, idempotency.c.key == key
