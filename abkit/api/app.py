"""The application: its routes, and what every request goes through on its way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial

from fastapi import APIRouter, FastAPI
from sqlalchemy import Engine, text
from starlette.middleware import Middleware

from abkit import __version__
from abkit.api.answers import Health
from abkit.api.auth import Authentication, Labs
from abkit.api.gate import BodyLimit, Gate
from abkit.api.openapi import describe
from abkit.api.problems import add_handlers
from abkit.api.replay import Replay
from abkit.api.routes import agents, experiments, ingestion, keys
from abkit.controller.transitions import utc_now
from abkit.store.engine import open_engine, reading
from abkit.store.schema import upgrade


def create_app(
    url: str,
    *,
    clock: Callable[[], datetime] = utc_now,
    largest_body: int = 1 << 20,
    largest_bulk: int = 16 << 20,
) -> FastAPI:
    """Make the application on a store, which is created or upgraded.

    Parameters
    ----------
    url : str
        ``sqlite:///abkit.db``, ``sqlite://`` (in memory) or ``postgresql://user@host/database``.
    clock : callable
        Returns the time.
    largest_body, largest_bulk : int
        Bytes of a request, and of one with many observations.

    Returns
    -------
    FastAPI

    Raises
    ------
    ParameterError
        Not the address of a store.
    StoreError
        It cannot be reached, or a newer abkit wrote it.

    Examples
    --------
    >>> create_app("sqlite://").title
    'abkit'
    """
    return _build(Labs(_opened(url), clock), largest_body, largest_bulk)


def _opened(url: str) -> Engine:
    engine = open_engine(url)
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _build(labs: Labs, largest_body: int, largest_bulk: int) -> FastAPI:
    app = FastAPI(
        title="abkit",
        version=__version__,
        description="Controlled experiments on AI-agent variants: create, assign, record, decide.",
        docs_url=None,  # the stock pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_closing(labs),
        middleware=[
            Middleware(Gate),
            Middleware(Authentication, labs=labs),
            Middleware(BodyLimit, largest=largest_body, largest_bulk=largest_bulk),
            Middleware(Replay, labs=labs),
        ],
    )
    app.state.labs = labs
    add_handlers(app)
    routers = (experiments.router, ingestion.router, agents.router, keys.router, _health(labs))
    for router in routers:
        app.include_router(router)
    app.state.routes = [*app.routes[:1], *(route for router in routers for route in router.routes)]
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    return app


def _closing(labs: Labs) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        labs.close()

    return lifespan


def _health(labs: Labs) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health")
    def health() -> Health:
        """Say whether the store answers; needs no key."""
        with reading(labs.engine) as connection:
            connection.execute(text("SELECT 1"))
        return Health()

    return router
