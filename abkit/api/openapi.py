"""The OpenAPI document: FastAPI's, with failures as they are."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from abkit.api.problems import MEDIA_TYPE

_PROBLEM: Final = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
}
_ALWAYS: Final = {
    400: "The body cannot be read",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "Not in this organization",
    413: "The body is too large",
    422: "The request cannot be carried out as it is",
    500: "Something went wrong here",
    503: "The store is busy or away",
}
_CHANGES: Final = {409: "Does not fit what is stored now", 412: "Prepared on an older version"}
_IDEMPOTENT: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A request that comes again with the same key within a day is answered alike, not carried out.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the application, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = found["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = _PROBLEM
        _mend_metrics(schemas)
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                _mend_parameters(operation)
                _add_failures(operation, method, path)
        app.openapi_schema = found
    return app.openapi_schema


def _mend_metrics(schemas: dict[str, Any]) -> None:
    """An object must say which kind of metric it is, two kinds have no cap, and what is recorded has no window."""
    for kind in ("Mean", "Proportion", "Ratio", "Quantile"):
        schemas[kind]["required"].append("kind")
        schemas[kind]["properties"]["window"] = {"type": "null", "title": "Window"}
    for kind in ("Proportion", "Quantile"):
        schemas[kind]["properties"]["cap"] = {"type": "null", "title": "Cap"}


def _mend_parameters(operation: dict[str, Any]) -> None:
    """A parameter can be left out, but no text in an address or a header is null."""
    for parameter in operation.get("parameters", ()):
        choices = parameter["schema"].pop("anyOf", [])
        for choice in choices:
            parameter["schema"] |= choice if choice != {"type": "null"} else {}


def _add_failures(operation: dict[str, Any], method: str, path: str) -> None:
    failures = {**_ALWAYS, **(_CHANGES if method != "get" else {})}
    if path.endswith("/bulk"):
        failures[415] = "Not JSON lines"
    if not path.startswith("/api/"):
        failures = {503: _ALWAYS[503]}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"] |= {
        str(status): {"description": said, "content": content} for status, said in failures.items()
    }
    if method == "post" and path.startswith("/api/"):
        operation.setdefault("parameters", []).append(_IDEMPOTENT)
