import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from abkit.api import create_app
from abkit.controller.transitions import utc_now
from abkit.store.engine import writing
from abkit.store.keys import SCOPES, create_key

Request = Callable[..., httpx.Response]


class Client:
    """A client with one key; each call is one request to the application, without a network."""

    def __init__(self, app: FastAPI, key: str | None = None) -> None:
        self.app, self.key = app, key

    def __call__(self, method: str, path: str, **given: Any) -> httpx.Response:
        return asyncio.run(self._send(method, path, given))

    def together(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        async def all_of_them() -> list[httpx.Response]:
            return await asyncio.gather(*(self._send(*request) for request in requests))

        return asyncio.run(all_of_them())

    async def _send(self, method: str, path: str, given: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://abkit.test") as client:
            return await client.request(method, path, **{**given, "headers": headers | given.get("headers", {})})


@pytest.fixture
def app(store_url: str) -> Iterator[FastAPI]:
    made = create_app(store_url, largest_body=100_000, largest_bulk=500_000)
    yield made
    made.state.labs.close()


@pytest.fixture
def client_of(app: FastAPI) -> Callable[..., Client]:
    """Makes clients, each with a key of its own."""

    def make(organization_id: str = "ours", scopes: Sequence[str] = SCOPES) -> Client:
        with writing(app.state.labs.engine) as connection:
            key = create_key(connection, organization_id, "a test", scopes, now=utc_now())
        return Client(app, key.text)

    return make


@pytest.fixture
def client(client_of: Callable[..., Client]) -> Client:
    return client_of()


@pytest.fixture
def body() -> dict[str, Any]:
    return {
        "agent_id": "writer",
        "name": "Warming or plain",
        "description": "Does a rising temperature help?",
        "hypothesis": "It does.",
        "primary_metric": "score",
        "primary_metric_goal": "maximize",
        "secondary_metrics": ["cost_per_execution", {"kind": "proportion", "column": "success"}],
        "variants": [
            {"name": "plain", "traffic_percentage": 50, "is_control": True, "config": {"temperature": 0}},
            {"name": "warming", "traffic_percentage": 50, "config": {"temperature": "rising"}, "description": "new"},
        ],
        "min_sample_size": 20,
        "confidence_level": 0.9,
        "min_detectable_effect": 0.1,
    }


@pytest.fixture
def running(client: Client, body: dict[str, Any]) -> str:
    """The id of an experiment that runs."""
    made = client("POST", "/api/v1/experiments/", json=body)
    assert made.status_code == 201, made.text
    started = client("POST", f"/api/v1/experiments/{made.json()['id']}/start")
    assert started.status_code == 200, started.text
    return str(made.json()["id"])
