"""What every request goes through: headers that keep browsers careful, errors as problems, a limit to the body."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from abkit.api.problems import of_error, problem

BULK: Final = "/api/v1/observations/bulk"
_SAFE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Gate:
    """Adds the headers to every answer, and answers for whatever was not foreseen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _SAFE.items():
                    headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception as error:
            if started:
                raise
            await of_error(error)(scope, receive, send_safely)


class BodyLimit:
    """Reads the whole body, whose size may be unknown before, and answers 413 as soon as it is too large.

    Parameters
    ----------
    app : ASGIApp
    largest, largest_bulk : int
        Bytes, and bytes of many observations at once.
    """

    def __init__(self, app: ASGIApp, *, largest: int, largest_bulk: int) -> None:
        self._app, self._largest, self._largest_bulk = app, largest, largest_bulk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body in memory."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._largest_bulk if scope["path"] == BULK else self._largest
        announced = Headers(scope=scope).get("content-length", "0")
        body = await _read(receive, limit) if not announced.isdecimal() or int(announced[:20]) <= limit else None
        if body is None:
            detail = f"the body is larger than {limit:,} bytes; send less at once"
            await problem(413, detail, headers={"Connection": "close"})(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = body
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_again() -> Message:
            return next(messages, None) or await receive()

        await self._app(scope, receive_again, send)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return the body, or None where it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the client has gone; whatever is answered, nobody reads it
            return b""
        size += len(message.get("body", b""))
        if size > limit:
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
