import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

EXPERIMENTS = "/api/v1/experiments"
HOSTILE = {
    "quotes": "'\"`",
    "statement": "'; DROP TABLE experiments; --",
    "nul": "a\0b",
    "path": "../../etc/passwd",
    "right to left": "\u202egnp.exe",
    "10 kB": "é" * 10_240,
    "half a character": "\ud800",
    "template": "{{7*7}}${7*7}%s%n",
    "line ends": "a\r\nSet-Cookie: a=b",
}
ALWAYS = {"statement", "nul", "half a character", "line ends"}
KINDS = [kind if kind in ALWAYS else pytest.param(kind, marks=pytest.mark.full) for kind in HOSTILE]
NEVER = {"nul", "half a character"}
SIZE = {"10 kB"}


def places(given: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value where text stands."""
    if isinstance(given, str):
        yield path
    parts = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for name, part in parts:
        yield from places(part, (*path, name))


def replaced(given: Any, path: tuple[Any, ...], text: str) -> Any:
    copy = json.loads(json.dumps(given))
    part = copy
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = text
    return copy


def sent(client: Any, method: str, path: str, body: Any) -> Any:
    """Send JSON in ASCII, so that half characters come through."""
    return client(method, path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_in_every_field(client: Any, body: dict[str, Any], running: str, kind: str) -> None:
    text = HOSTILE[kind]
    body["variants"][0]["config"] = {"prompt": {"system": ["x"]}}
    row = {"experiment_id": running, "user_id": "u", "metric_type": "score", "value": 1, "variant_id": "plain"}
    targets: list[tuple[str, str, Any]] = [
        ("POST", EXPERIMENTS, body),
        ("POST", "/api/v1/assignments", {"agent_id": "writer", "user_id": "u"}),
        ("POST", "/api/v1/observations", {**row, "event_id": "e", "observed_at": "2026-11-22T12:00:00Z"}),
        ("PUT", "/api/v1/agents/other", {"config": {"prompt": "x"}, "reason": "because"}),
        ("POST", "/api/v1/keys", {"name": "x", "scopes": ["read"]}),
        ("POST", f"{EXPERIMENTS}/{running}/start", {"reason": "because"}),
        (
            "POST",
            f"{EXPERIMENTS}/{running}/complete?ship_winner=1",
            {"variant": "x", "override_reason": "y", "reason": "z"},
        ),
    ]
    for method, path, given in targets:
        for place in places(given):
            answer = sent(client, method, path, replaced(given, place, text))
            what = (method, path, place, answer.text[:300])
            assert answer.status_code < 500, what
            if kind in NEVER or (kind in SIZE and "config" not in place):
                assert answer.status_code >= 400, what
            if answer.status_code == 201 and path == EXPERIMENTS:
                shown = client("GET", f"{EXPERIMENTS}/{answer.json()['id']}").json()
                assert (
                    text in str(shown)
                    or text in json.dumps(shown, ensure_ascii=False)
                    or repr(text)[1:-1] in str(shown)
                )
    for bad in ({text: 1}, {"a": {text: 1}}):
        answer = sent(client, "PUT", "/api/v1/agents/other", {"config": bad})
        assert answer.status_code == (422 if kind in NEVER else 200), answer.text
    assert client("GET", f"{EXPERIMENTS}/{running}").json()["status"] == "running"


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_in_every_address(client: Any, running: str, kind: str) -> None:
    text = quote(HOSTILE[kind].encode("utf-8", "surrogatepass"), safe="")
    paths = [(method, path) for path, found in client.app.openapi()["paths"].items() for method in found if "{" in path]
    for method, path in sorted(paths, key=lambda one: one[0] == "put"):
        before, _, rest = path.partition("{")
        at = f"{before}{text}{rest.partition('}')[2]}"
        given = {"json": {"config": {}}} if method == "put" else {}
        answer = client(method.upper(), at, **given)
        assert answer.status_code in {404, 405, *((200, 422) if method == "put" else ())}, (
            method,
            at[:100],
            answer.text,
        )
    for query in ("experiment_id", "agent_id", "cursor", "status", "limit"):
        for path in (EXPERIMENTS, "/api/v1/audit"):
            assert client("GET", f"{path}?{query}={text}").status_code < 500
    bulk = {"content": b'{"a":1}', "headers": {"Content-Type": "application/x-ndjson"}}
    assert client("POST", f"/api/v1/observations/bulk?experiment_id={text}", **bulk).status_code in {404, 422}


@pytest.mark.parametrize(
    "text",
    [
        '{"config": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"config": {"a":' + '{"a":' * 400 + "1" + "}" * 400 + "}}",
        '{"config": {"a": NaN}}',
        '{"config": {"a": 1e999}}',
        '{"config": {"a": ' + "9" * 6000 + "}}",
        '{"config": [1]}',
        '{"config": {"a": 1}, "config": {"a": "\\ud800"}}',
        "[]",
        "null",
        "",
    ],
)
def test_odd_json_is_refused_or_stored(client: Any, text: str) -> None:
    answer = client("PUT", "/api/v1/agents/odd", content=text.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code in {200, 400, 422}, answer.text
    if answer.status_code == 200:
        assert client("GET", "/api/v1/agents/odd").status_code == 200


def test_hostile_lines_are_counted_and_never_an_error(client: Any, running: str) -> None:
    good = {"experiment_id": running, "user_id": "u", "metric_type": "score", "value": 1, "event_id": "e"}
    rows = [{**good, name: text} for name in good if name != "experiment_id" for text in HOSTILE.values()]
    content = "\n".join(json.dumps(row) for row in rows).encode() + b'\n\xff\xfe\n{"user_id": ' + b"[" * 20_000
    answer = client(
        "POST", "/api/v1/observations/bulk", content=content, headers={"Content-Type": "application/x-ndjson"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == len(rows) + 2
    assert answer.json()["rejected"] >= 2 * 4 + 2
