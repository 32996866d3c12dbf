"""The reference of the analysis as JSON, from its schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markdown_table import code, table

from abkit.analyzer.schema import json_schema

_HEAD = """# Analysis JSON

`analysis.to_dict()`, `abkit analyze TARGET --json`, `analysis.json` beside every report and the HTTP API's results are
one object. Numbers have full precision; what cannot be computed is `null` with a reason. Keys are only ever added. The
schema for programs comes with the package: `abkit/analyzer/analysis.schema.json`.
"""


def page() -> str:
    """Return the page: a table of keys per object, the outermost first."""
    schema = json_schema()
    parts = [_HEAD, _section(schema["title"], schema)]
    parts += [_section(name, schema["$defs"][name]) for name in _in_order(schema)]
    return "\n".join(parts)


def _in_order(schema: dict[str, Any]) -> list[str]:
    """The objects in the order in which they are first named, walking from the outermost."""
    found: dict[str, None] = {}
    todo = [schema]
    while todo:
        for name in _references(todo.pop(0)):
            if name not in found:
                found[name] = None
                todo.append(schema["$defs"][name])
    return list(found)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for key, value in part.items():
            if key != "$defs":
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _section(name: str, schema: dict[str, Any]) -> str:
    told = schema.get("description", "")
    if "properties" not in schema:
        values = ", ".join(code(value) for value in schema.get("enum", ()))
        return "\n".join([f"## {name}\n", f"{told}\n", f"One of {values}.\n" if values else ""])
    rows = [
        (code(key), type_of(detail), str(detail.get("description", ""))) for key, detail in schema["properties"].items()
    ]
    return "\n".join([f"## {name}\n", f"{told}\n", table(("key", "type", ""), rows)])


def type_of(detail: dict[str, Any]) -> str:
    """Return what a JSON Schema says of a value's type, objects as links to their section."""
    if "$ref" in detail:
        name = detail["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in detail:
            return " or ".join(dict.fromkeys(type_of(one) for one in detail[word]))
    if "const" in detail:
        return code(detail["const"])
    if "enum" in detail:
        return " or ".join(code(value) for value in detail["enum"])
    if detail.get("type") == "array":
        return f"list of {type_of(detail.get('items', {}))}"
    if detail.get("type") == "object" and isinstance(detail.get("additionalProperties"), dict):
        return f"name → {type_of(detail['additionalProperties'])}"
    return str(detail.get("type", "anything"))
