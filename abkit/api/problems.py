"""Failures as HTTP tells them: problem+json (RFC 9457), one status for each kind of error."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from abkit.errors import (
    AbkitError,
    ConflictError,
    DataError,
    DefinitionError,
    KernelDiedError,
    LockedError,
    NotebookError,
    NotFoundError,
    ParameterError,
    ReportError,
    StaleError,
    StoreError,
    TimeLimitError,
)

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[type[AbkitError], int]] = {
    AbkitError: 500,
    DefinitionError: 422,
    ParameterError: 422,
    ConflictError: 409,
    StaleError: 412,
    StoreError: 503,
    DataError: 422,
    NotFoundError: 404,
    ReportError: 500,
    NotebookError: 500,
    TimeLimitError: 500,
    KernelDiedError: 500,
    LockedError: 503,
}

_SAID: Final = {
    500: "something went wrong here; the server's log says what",
    503: "the store is busy or away: repeat the request later; nothing of it is known to be stored",
}
_log = logging.getLogger("abkit.api")


def problem(
    status: int, detail: str, *, problems: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> Response:
    r"""Return a problem as a response; `problems` lists every single thing that is wrong.

    Examples
    --------
    >>> problem(404, "no experiment 'demo'").body
    b'{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no experiment \'demo\'"}'
    """
    body: dict[str, object] = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    if problems:
        body["problems"] = list(problems)
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)  # ASCII, so that half characters can be told of


def of_error(error: BaseException) -> Response:
    """Return what a client is told of an error: everything about its own mistakes, nothing about the server's."""
    if isinstance(error, RecursionError):
        return problem(422, "the body is nested too deep")
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS) if _is_ours(error) else 500
    if status >= 500:
        _log.error("request failed", exc_info=error)
        return problem(status, _SAID[status], headers={"Retry-After": "5"} if status == 503 else None)
    if isinstance(error, DefinitionError):
        return problem(status, str(error).split("\n")[0], problems=error.problems)
    return problem(status, str(error))


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, AbkitError)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def add_handlers(app: FastAPI) -> None:
    """Make every failure that a route meets a problem."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(AbkitError, _of_known)
    app.add_exception_handler(RecursionError, _of_known)


async def _of_known(request: Request, error: Exception) -> Response:
    return of_error(error)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # the framework names the methods of the first route at this address only
        routes = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
        allowed = sorted({method for route in routes for method in route.methods})
        return problem(405, f"possible here: {', '.join(allowed)}", headers={"Allow": ", ".join(allowed)})
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return problem(422, "the request cannot be understood", problems=list(dict.fromkeys(found)))
