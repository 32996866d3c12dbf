"""Who asks: a bearer key, its organization, and what it may be used for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from anyio import to_thread
from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from abkit.api.problems import problem
from abkit.controller.experiments import ExperimentController
from abkit.errors import ParameterError, suggest
from abkit.store.engine import reading
from abkit.store.keys import ApiKey, Scope, authenticate

PROTECTED: Final = "/api/"
_BEARER: Final = HTTPBearer(auto_error=False, bearerFormat="abk_<id>_<secret>", description="An API key.")


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that was shown, and the experiments of its organization."""

    key: ApiKey
    lab: ExperimentController

    @property
    def actor(self) -> str:
        """Who it is, for the audit log."""
        return f"key:{self.key.public_id} {self.key.name}"[:200]


class Labs:
    """One controller for each organization that asks, all on one store."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.engine, self.clock = engine, clock
        self._labs: dict[str, ExperimentController] = {}
        self._lock = threading.Lock()

    def caller(self, text: str) -> Caller | None:
        """Return who showed this key, or None where it is not valid."""
        with reading(self.engine) as connection:
            key = authenticate(connection, text, now=self.clock())
        return Caller(key, self._of(key.organization_id)) if key is not None else None

    def _of(self, organization_id: str) -> ExperimentController:
        with self._lock:
            if organization_id not in self._labs:
                self._labs[organization_id] = ExperimentController(self.engine, organization_id, clock=self.clock)
            return self._labs[organization_id]

    def close(self) -> None:
        """Let go of the store."""
        for lab in self._labs.values():
            lab.close()
        self.engine.dispose()


class Authentication:
    """Answers 401 before anything else is looked at, unless a valid key is shown."""

    def __init__(self, app: ASGIApp, *, labs: Labs) -> None:
        self._app, self._labs = app, labs

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let requests with a key through."""
        if scope["type"] == "http" and scope["path"].startswith(PROTECTED):
            kind, _, text = Headers(scope=scope).get("authorization", "").partition(" ")
            is_bearer = kind.lower() == "bearer" and bool(text)
            caller = await to_thread.run_sync(self._labs.caller, text.strip()) if is_bearer else None
            if caller is None:
                said = "the API key is unknown, expired or revoked" if is_bearer else "an API key is needed"
                challenge = 'Bearer realm="abkit"' + (', error="invalid_token"' if is_bearer else "")
                detail = f"{said}; send it as `Authorization: Bearer abk_...`; `abkit keys create` makes one"
                await problem(401, detail, headers={"WWW-Authenticate": challenge})(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)


def _refuse_unknown(request: Request) -> None:
    """A misspelt filter must not look like one that found everything."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise ParameterError(f"no parameter {name[:100]!a} here{suggest(name[:100], known)}")


def _needs(wanted: Scope) -> Callable[..., Caller]:
    def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None) -> Caller:
        caller: Caller = request.state.caller
        _refuse_unknown(request)
        if not caller.key.allows(wanted):
            raise HTTPException(
                403,
                f"this key has the scopes {', '.join(caller.key.scopes)}; the request needs {wanted}",
                {"WWW-Authenticate": f'Bearer realm="abkit", error="insufficient_scope", scope="{wanted}"'},
            )
        return caller

    return check


Reader = Annotated[Caller, Depends(_needs("read"))]
Ingester = Annotated[Caller, Depends(_needs("ingest"))]
Manager = Annotated[Caller, Depends(_needs("manage"))]
