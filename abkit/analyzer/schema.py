"""The JSON Schema of an analysis, for other programs."""

from __future__ import annotations

from typing import Any

from abkit.analyzer.result import Analysis


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `Analysis.to_dict()`; a copy is kept in analysis.schema.json for other programs."""
    from pydantic import TypeAdapter

    return TypeAdapter(Analysis).json_schema(mode="serialization")
