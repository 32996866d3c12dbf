"""The reference of the HTTP API, from the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis_json import type_of
from markdown_table import code, table

_HEAD = """# HTTP

`abkit serve` (extra `api`) answers under `/api/v1`; every call but `/health` carries `Authorization: Bearer KEY`, a key
made by `abkit keys create`. Failures are `application/problem+json` ([Problem](#problem)). A call with an
`Idempotency-Key` that is repeated is answered as the first time. A changed object has an ETag; `If-Match` refuses a
change prepared on an older one. For programs: [openapi.json](../openapi.json).
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def operations(document: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of every call."""
    return [
        (method.upper(), path, calls[method])
        for path, calls in document["paths"].items()
        for method in _METHODS
        if method in calls
    ]


def page(file: Path) -> str:
    """Return the page: a section per call, then one per object."""
    document = json.loads(file.read_text(encoding="utf-8"))
    parts = [_HEAD, "## Calls\n"]
    parts += [_call(*operation) for operation in operations(document)]
    parts.append("## Objects\n")
    parts += [_object(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _call(method: str, path: str, call: Mapping[str, Any]) -> str:
    parts = [f"### {method} {path}\n", f"{call.get('description', '')}\n"]
    rows = [
        (code(one["name"]), one["in"], type_of(one["schema"]), one.get("description", ""))
        for one in call.get("parameters", ())
    ]
    if rows:
        parts.append(table(("parameter", "in", "type", ""), rows))
    bodies = call.get("requestBody", {}).get("content", {})
    said = [f"{code(kind)}: {type_of(body.get('schema', {}))}" for kind, body in bodies.items()]
    parts += [f"Body: {'; '.join(said)}.\n"] if said else []
    parts.append(f"Answers: {'; '.join(_answer(*answer) for answer in call['responses'].items())}.\n")
    return "\n".join(parts)


def _answer(status: str, answer: Mapping[str, Any]) -> str:
    schemas = [body.get("schema", {}) for body in answer.get("content", {}).values()]
    shown = f" {type_of(schemas[0])}" if schemas and status.startswith("2") else ""
    return f"{code(status)}{shown}"


def _object(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (code(key), type_of(detail), "required" if key in required else "", str(detail.get("description", "")))
        for key, detail in schema.get("properties", {}).items()
    ]
    told = schema.get("description", "")
    return "\n".join([f"### {name}\n", f"{told}\n", table(("key", "type", "", "meaning"), rows) if rows else ""])
