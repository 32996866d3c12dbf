"""`Idempotency-Key`: a POST that comes twice is carried out once, and answered alike."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from anyio import to_thread
from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from abkit.api.auth import Caller, Labs
from abkit.api.problems import problem
from abkit.store.engine import writing
from abkit.store.idempotency import Answer, claim, finish, forget, release

KEPT: Final = timedelta(hours=24)
_KEY: Final = re.compile(r"[!-~]{1,200}")
_HEADERS: Final = ("content-type", "etag", "location")


def show_once(request: Request, name: str) -> None:
    """Keep a field of the answer out of what is stored for replays: a replay has null there."""
    request.state.shown_once = name


class Replay:
    """Carries out each POST with a key once per organization, for a day."""

    def __init__(self, app: ASGIApp, *, labs: Labs) -> None:
        self._app, self._labs = app, labs
        self._forgotten: dict[str, datetime] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer as before."""
        caller = scope.get("state", {}).get("caller")
        key = Headers(scope=scope).get("idempotency-key") if scope["type"] == "http" else None
        if key is None or caller is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if _KEY.fullmatch(key) is None:
            await problem(422, "Idempotency-Key: expected 1 to 200 visible ASCII characters")(scope, receive, send)
            return
        digest = _digest(scope, caller)
        earlier = await to_thread.run_sync(self._claim, caller, key, digest)
        if earlier is None:
            await self._carry_out(scope, receive, send, caller, key)
        else:
            await _answer_of(earlier, digest)(scope, receive, send)

    def _claim(self, caller: Caller, key: str, digest: str) -> Answer | None:
        organization_id, now = caller.lab.organization_id, self._labs.clock()
        with writing(self._labs.engine) as connection:
            if now - self._forgotten.get(organization_id, now - KEPT) > KEPT / 24:
                forget(connection, organization_id, now - KEPT)
                self._forgotten[organization_id] = now
            return claim(connection, organization_id, key, digest, now=now)

    async def _carry_out(self, scope: Scope, receive: Receive, send: Send, caller: Caller, key: str) -> None:
        messages: list[MutableMapping[str, Any]] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        done = False
        try:
            await self._app(scope, receive, keep)
            done = bool(messages) and messages[0]["status"] < 400
        finally:
            kept = _kept(messages, scope["state"].get("shown_once")) if done else None
            await to_thread.run_sync(partial(self._end, caller, key, messages[0]["status"] if done else 0, kept))
        for message in messages:
            await send(message)

    def _end(self, caller: Caller, key: str, status: int, kept: Mapping[str, Any] | None) -> None:
        with writing(self._labs.engine) as connection:
            if kept is None:
                release(connection, caller.lab.organization_id, key)
            else:
                finish(connection, caller.lab.organization_id, key, status, kept)


def _digest(scope: Scope, caller: Caller) -> str:
    parts = (caller.key.public_id.encode(), scope["path"].encode(), scope["query_string"], scope["state"]["body"])
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _kept(messages: list[MutableMapping[str, Any]], shown_once: str | None) -> dict[str, Any]:
    headers = Headers(raw=messages[0]["headers"])
    body = json.loads(b"".join(message.get("body", b"") for message in messages[1:]))
    if shown_once is not None:
        body[shown_once] = None
    return {"headers": {name: headers[name] for name in _HEADERS if name in headers}, "body": body}


def _answer_of(earlier: Answer, digest: str) -> Response:
    if earlier.request_hash != digest:
        return problem(409, "this Idempotency-Key was sent with another request; choose a new one for each request")
    if earlier.status is None or earlier.body is None:
        detail = "the request with this Idempotency-Key is being carried out; ask again for its answer"
        return problem(409, detail, headers={"Retry-After": "1"})
    headers = {**earlier.body["headers"], "Idempotent-Replayed": "true"}
    text = json.dumps(earlier.body["body"], ensure_ascii=False, separators=(",", ":"))
    return Response(text, earlier.status, headers)
