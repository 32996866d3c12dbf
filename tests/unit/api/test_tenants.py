import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from abkit.store.engine import reading
from abkit.store.tables import metadata

EXPERIMENTS = "/api/v1/experiments"
OPEN = {"/health"}
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/keys"): {"name": "k", "scopes": ["read"]},
    ("put", "/api/v1/agents/{agent_id}"): {"config": {"mine": True}},
    ("post", "/api/v1/assignments"): {"agent_id": "writer", "user_id": "u"},
}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    paths = app.openapi()["paths"]
    return [(method, path) for path, operations in paths.items() for method in operations if path not in OPEN]


def needed(method: str, path: str) -> str:
    if "/keys" in path:
        return "manage"
    if "/assignments" in path or "/observations" in path:
        return "ingest"
    return "read" if method == "get" else "manage"


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], path)


def dump(app: FastAPI) -> dict[str, list[Any]]:
    with reading(app.state.labs.engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))] for table in metadata.sorted_tables
        }


def test_every_route_needs_a_valid_key_with_its_scope(app: FastAPI, client_of: Callable[..., Any]) -> None:
    found = routes(app)
    assert len(found) >= 20
    values = dict.fromkeys(("experiment_id", "agent_id", "public_id"), "x")
    others = {
        scope: client_of("ours", [s for s in ("read", "ingest", "manage") if s != scope])
        for scope in ("read", "ingest", "manage")
    }
    nobody = client_of()
    for method, path in found:
        at, scope = filled(path, values), needed(method, path)
        sent = (
            {"headers": {"Content-Type": "application/x-ndjson"}}
            if path.endswith("bulk")
            else {"json": BODIES.get((method, path))}
        )
        for key in (None, "", "abk_1_2", "abk_" + "0" * 16 + "_" + "f" * 32, others[scope].key[:-1] + "!", "\u00e9"):
            nobody.key = key.encode() if key == "\u00e9" else key
            answer = (
                nobody(method.upper(), at, **sent)
                if key != "\u00e9"
                else nobody.__class__(app)(method.upper(), at, **sent)
            )
            assert answer.status_code == 401, (method, path, key)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        if method in {"get", "delete"} or (method, path) in BODIES or path.endswith(("start", "bulk", "rollback")):
            assert others[scope](method.upper(), at, **sent).status_code == 403, (method, path)


def test_ids_of_another_organization_are_404_on_every_route(
    app: FastAPI, client: Any, client_of: Callable[..., Any], running: str
) -> None:
    theirs = client_of("theirs")
    public_id = client.key.split("_")[1]
    row = {"experiment_id": running, "user_id": "u", "metric_type": "score", "value": 1.0, "event_id": "e"}
    client("POST", "/api/v1/observations", json=row)
    before = {name: [row for row in rows if "ours" in row] for name, rows in dump(app).items()}
    tried = 0
    for key in (running, "warming-or-plain"):
        values = {"experiment_id": key, "agent_id": "writer", "public_id": public_id}
        for method, path in routes(app):
            if "{" not in path or (method, path) == ("put", "/api/v1/agents/{agent_id}"):
                continue
            answer = theirs(method.upper(), filled(path, values))
            assert answer.status_code == 404, (method, path, answer.text)
            unknown = theirs(method.upper(), filled(path, dict.fromkeys(values, "zz")))
            assert set(unknown.json()) == set(answer.json())
            tried += 1
        observed = theirs("POST", "/api/v1/observations", json={**row, "experiment_id": key})
        assert observed.status_code == 404
        bulk = {"content": b'{"user_id":"u","metric_type":"score","value":1,"event_id":"e"}'}
        bulk["headers"] = {"Content-Type": "application/x-ndjson"}  # type: ignore[assignment]
        assert theirs("POST", f"/api/v1/observations/bulk?experiment_id={key}", **bulk).status_code == 404
        assert theirs("GET", f"/api/v1/audit?experiment_id={key}").status_code == 404
    assert tried >= 24
    assert theirs("POST", "/api/v1/assignments", json=BODIES["post", "/api/v1/assignments"]).json()["variant"] is None
    for path in (
        EXPERIMENTS,
        f"{EXPERIMENTS}?agent_id=writer",
        "/api/v1/agents",
        "/api/v1/audit",
        "/api/v1/audit?agent_id=writer",
    ):
        assert theirs("GET", path).json()["items"] == []
    assert [key["public_id"] for key in theirs("GET", "/api/v1/keys").json()["items"]] == [theirs.key.split("_")[1]]
    assert theirs("PUT", "/api/v1/agents/writer", json={"config": {"mine": True}}).status_code == 200
    assert {name: [row for row in rows if "ours" in row] for name, rows in dump(app).items()} == before


def test_a_cursor_of_another_organization_shows_nothing(client: Any, client_of: Callable[..., Any], body: Any) -> None:
    for _ in range(3):
        client("POST", EXPERIMENTS, json=body)
    cursor = client("GET", f"{EXPERIMENTS}?limit=1").json()["next_cursor"]
    assert client_of("theirs")("GET", f"{EXPERIMENTS}?cursor={cursor}").json()["items"] == []


def test_keys_are_made_shown_once_and_ended(app: FastAPI, client: Any) -> None:
    sent = {"json": {"name": "production", "scopes": ["ingest"]}, "headers": {"Idempotency-Key": "a-key"}}
    made = client("POST", "/api/v1/keys", **sent)
    assert made.status_code == 201
    replayed = client("POST", "/api/v1/keys", **sent)
    assert (replayed.json()["public_id"], replayed.json()["text"]) == (made.json()["public_id"], None)
    new = type(client)(app, made.json()["text"])
    assert new("POST", "/api/v1/assignments", json={"agent_id": "a", "user_id": "u"}).status_code == 200
    assert new("GET", EXPERIMENTS).status_code == 403
    listed = client("GET", "/api/v1/keys")
    assert made.json()["text"] not in listed.text
    assert len(listed.json()["items"]) == 2
    for _ in range(2):
        assert client("DELETE", f"/api/v1/keys/{made.json()['public_id']}").json()["revoked_at"] is not None
    assert new("POST", "/api/v1/assignments", json={"agent_id": "a", "user_id": "u"}).status_code == 401
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert client("POST", "/api/v1/keys", json={"name": "k", "scopes": ["read"], "expires_at": soon}).status_code == 201
    for bad in (
        {"name": "k", "scopes": []},
        {"name": "k", "scopes": ["all"]},
        {"name": "", "scopes": ["read"]},
        {"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "k", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-23:59"},
        {"name": "k", "scopes": ["read"], "expires_at": "2030-01-01"},
    ):
        assert client("POST", "/api/v1/keys", json=bad).status_code == 422, bad


def test_no_usable_key_is_in_the_database(app: FastAPI, client: Any, body: Any) -> None:
    texts = [client.key]
    for name in ("one", "two"):
        sent = {"json": {"name": name, "scopes": ["manage"]}, "headers": {"Idempotency-Key": name}}
        texts.append(client("POST", "/api/v1/keys", **sent).json()["text"])
    client("POST", EXPERIMENTS, json=body, headers={"Idempotency-Key": "three"})
    everything = str(dump(app))
    for text in texts:
        assert text.split("_")[1] in everything
        assert text.split("_")[2] not in everything


@pytest.mark.parametrize("text", ["", "Basic abc", "Bearer", "Bearer ", "bearer x y"])
def test_odd_authorization_headers_are_401(client: Any, text: str) -> None:
    client.key = None
    assert client("GET", EXPERIMENTS, headers={"Authorization": text}).status_code == 401
