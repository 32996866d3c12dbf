import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI

from abkit import errors
from abkit.api.problems import STATUS, of_error
from abkit.errors import AbkitError, DefinitionError, StoreError

EXPERIMENTS = "/api/v1/experiments"


def tree(kind: type[AbkitError]) -> Iterator[type[AbkitError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    found: dict[str, Any] = answer.json()
    assert (found["type"], found["status"], found["title"]) == ("about:blank", status, HTTPStatus(status).phrase)
    return found


def test_every_error_has_a_status_of_its_own_choice() -> None:
    kinds = {kind for kind in tree(AbkitError) if kind.__module__ == errors.__name__}
    assert set(STATUS) == kinds
    for kind in kinds:
        error = DefinitionError("wrong", ["a", "b"]) if kind is DefinitionError else kind("a password")
        answer = of_error(error)
        assert answer.status_code == STATUS[kind]
        assert (b"password" in answer.body) == (answer.status_code < 500 and kind is not DefinitionError)


def test_every_problem_is_problem_json(client: Any, body: dict[str, Any], running: str) -> None:
    at = f"{EXPERIMENTS}/{running}"
    is_problem(client("GET", "/api/v1/nothing"), 404)
    is_problem(client("GET", f"{EXPERIMENTS}/nothing"), 404)
    is_problem(client("DELETE", at), 405)
    assert client("DELETE", at).headers["allow"] == "GET"
    assert client("DELETE", "/api/v1/agents/writer").headers["allow"] == "GET, PUT"
    assert "GET" in is_problem(client("POST", "/openapi.json"), 405)["detail"]
    is_problem(client("POST", f"{at}/start"), 409)
    is_problem(client("POST", f"{at}/complete?ship_winner=true"), 409)
    is_problem(client("POST", f"{at}/complete", json={"variant": "plain"}), 422)
    is_problem(client("POST", EXPERIMENTS, content=b"{", headers={"Content-Type": "application/json"}), 422)
    is_problem(client("POST", EXPERIMENTS, content=b"\xff", headers={"Content-Type": "application/json"}), 400)
    found = is_problem(client("POST", EXPERIMENTS, json={**body, "more": 1, "min_sample_size": "20"}), 422)
    assert [problem.split(":")[0] for problem in found["problems"]] == ["body.min_sample_size", "body.more"]
    body["variants"][0] |= {"traffic_percentage": 40, "is_control": False}
    found = is_problem(client("POST", EXPERIMENTS, json=body), 422)
    assert len(found["problems"]) == 2
    for query in ("limit=0", "limit=501", "cursor=x", "status=gone", "statsu=draft"):
        is_problem(client("GET", f"{EXPERIMENTS}?{query}"), 422)
    client.key = "abk_0000000000000000_" + "0" * 32
    is_problem(client("GET", at), 401)


@pytest.mark.parametrize("moment", ["2026-11-22", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "x", "\0"])
def test_forged_cursors_are_422(client: Any, moment: str) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([moment, "id"]).encode()).decode().rstrip("=")
    is_problem(client("GET", f"{EXPERIMENTS}?cursor={cursor}"), 422)


def test_an_unforeseen_error_leaks_nothing(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab = type(client.app.state.labs._of("ours"))
    for error, status in ((RuntimeError("a password"), 500), (StoreError("postgresql://host"), 503)):

        def fail(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(lab, "list", fail)
        found = is_problem(client("GET", EXPERIMENTS), status)
        assert "password" not in str(found)
        assert "postgresql" not in str(found)
    assert "a password" in caplog.text


def test_a_store_that_is_away_is_503(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str) -> None:
        raise StoreError("away")

    monkeypatch.setattr(client.app.state.labs, "caller", fail)
    is_problem(client("GET", EXPERIMENTS), 503)
    assert client("GET", EXPERIMENTS).headers["retry-after"] == "5"


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize(("path", "limit"), [(EXPERIMENTS, 100_000), ("/api/v1/observations/bulk", 500_000)])
def test_large_bodies_are_413_announced_or_not(client: Any, path: str, limit: int) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    is_problem(client("POST", path, content=b"x" * (limit + 1), headers=headers), 413)
    is_problem(client("POST", path, content=_pieces(limit + 1000), headers=headers), 413)
    assert client("POST", path, content=_pieces(limit), headers=headers).status_code in {200, 422}
    is_problem(client("POST", path, content=b"", headers={**headers, "Content-Length": "9" * 5000}), 413)


def test_only_the_version_that_was_seen_is_changed(client: Any, running: str) -> None:
    at = f"{EXPERIMENTS}/{running}"
    tag = client("GET", at).headers["etag"]
    assert tag == '"2"'
    for stale in ('"1"', '"0"', 'W/"2"', '"x"', '"' + "9" * 40 + '"', "2", "x", "", '"2'):
        is_problem(client("POST", f"{at}/pause", headers={"If-Match": stale}), 412)
    paused = client("POST", f"{at}/pause", headers={"If-Match": tag})
    assert (paused.status_code, paused.headers["etag"]) == (200, '"3"')
    assert client("POST", f"{at}/resume", headers={"If-Match": "*"}).status_code == 200
    is_problem(client("POST", f"{at}/complete", headers={"If-Match": tag}), 412)
    agent = client("GET", "/api/v1/agents/writer")
    put = {"json": {"config": {"a": 1}}, "headers": {"If-Match": agent.headers["etag"]}}
    assert client("PUT", "/api/v1/agents/writer", **put).status_code == 200
    is_problem(client("PUT", "/api/v1/agents/writer", **put), 412)
    assert client("GET", "/api/v1/agents/writer").json()["config"] == {"a": 1}


def test_a_post_that_comes_twice_is_carried_out_once(client: Any, body: dict[str, Any]) -> None:
    sent = {"json": body, "headers": {"Idempotency-Key": "one"}}
    first, second = (client("POST", EXPERIMENTS, **sent) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert second.headers["idempotent-replayed"] == "true"
    for name in ("etag", "location", "content-type"):
        assert first.headers[name] == second.headers[name]
    assert len(client("GET", EXPERIMENTS).json()["items"]) == 1
    is_problem(client("POST", EXPERIMENTS, json={**body, "name": "other"}, headers=sent["headers"]), 409)
    at = f"{EXPERIMENTS}/{first.json()['id']}/start"
    is_problem(client("POST", at, headers=sent["headers"]), 409)
    started = [client("POST", at, headers={"Idempotency-Key": "two"}) for _ in range(2)]
    assert [answer.status_code for answer in started] == [200, 200]
    assert client("POST", at).status_code == 409


def test_a_request_that_failed_may_come_again(client: Any, running: str) -> None:
    at, headers = f"{EXPERIMENTS}/{running}", {"Idempotency-Key": "again"}
    is_problem(client("POST", f"{at}/resume", headers=headers), 409)
    client("POST", f"{at}/pause")
    assert client("POST", f"{at}/resume", headers=headers).status_code == 200
    for bad in ("", "x" * 201, "a b", "é".encode()):
        is_problem(client("POST", f"{at}/pause", headers={"Idempotency-Key": bad}), 422)


def test_racing_twins_are_carried_out_once(client: Any, body: dict[str, Any]) -> None:
    sent = {"json": body, "headers": {"Idempotency-Key": "race"}}
    answers = client.together(*[("POST", EXPERIMENTS, sent)] * 8)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert any(answer.status_code == 201 for answer in answers)
    assert len(client("GET", EXPERIMENTS).json()["items"]) == 1


def test_racing_starts_give_one(client: Any, body: dict[str, Any]) -> None:
    made = [client("POST", EXPERIMENTS, json=body).json()["id"] for _ in range(8)]
    answers = client.together(*[("POST", f"{EXPERIMENTS}/{one}/start", {}) for one in made])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


def test_another_key_gets_no_replay(client_of: Callable[..., Any], body: dict[str, Any]) -> None:
    sent = {"json": body, "headers": {"Idempotency-Key": "mine"}}
    assert client_of()("POST", EXPERIMENTS, **sent).status_code == 201
    is_problem(client_of("ours", ["read"])("POST", EXPERIMENTS, **sent), 409)
    assert client_of("theirs")("POST", EXPERIMENTS, **sent).status_code == 201


def test_a_client_that_leaves_does_no_harm(app: FastAPI) -> None:
    async def leave() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        assert message.get("status", 401) == 401

    scope = {"type": "http", "method": "POST", "path": EXPERIMENTS, "headers": [], "query_string": b""}
    asyncio.run(app(scope, leave, send))
