"""The hash of a design: the same for as long as nothing that the analysis depends on has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_FOR_PEOPLE = ("name", "description")
_METRICS = ("primary_metric", "guardrail_metrics", "secondary_metrics")


def design_hash(definition: Mapping[str, Any]) -> str:
    """Return the hash of everything in a definition, as JSON holds it, that the analysis depends on.

    For an experiment in a store it is taken from the definition as it was stored, so that a later abkit, whose
    definitions have more fields, comes to the same hash.

    Examples
    --------
    >>> design_hash({"key": "a", "name": "A"}) == design_hash({"name": "B", "key": "a"})
    True
    >>> design_hash({"key": "a", "min_sample_size": 10}) == design_hash({"key": "a", "min_sample_size": 5})
    False
    >>> design_hash({"primary_metric": {"unit": "USD"}}) == design_hash({"primary_metric": {"unit": "EUR"}})
    True
    """
    design = {
        name: _without_unit(part) if name in _METRICS else part
        for name, part in definition.items()
        if name not in _FOR_PEOPLE
    }
    text = json.dumps(design, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _without_unit(metrics: Any) -> Any:
    """What a metric's values are in is for people too; a metric may also be a preset's name."""
    if isinstance(metrics, list):
        return [_without_unit(one) for one in metrics]
    return {name: part for name, part in metrics.items() if name != "unit"} if isinstance(metrics, Mapping) else metrics
