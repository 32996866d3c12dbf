"""Frozen results as plain data."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abkit.analyzer.result import ComparisonResult, MetricResult


def to_plain(value: Any) -> Any:
    """Return dataclasses as dicts, tuples as lists, and numbers that are none as None.

    Examples
    --------
    >>> to_plain({"a": (1.5, float("nan"))})
    {'a': [1.5, None]}
    """
    if is_dataclass(value):
        return {part.name: to_plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def comparison_row(metric: MetricResult, one: ComparisonResult) -> dict[str, Any]:
    """Return one comparison as a row of a frame."""
    return {
        "metric": metric.name,
        "role": metric.role,
        "goal": metric.goal,
        "variant": one.variant,
        "level": metric.levels[one.variant].value,
        "difference": one.difference.value,
        "difference_low": one.difference.low,
        "difference_high": one.difference.high,
        "lift": one.lift.value,
        "lift_low": one.lift.low,
        "lift_high": one.lift.high,
        "p_value": one.p_value,
        "p_value_adjusted": one.p_value_adjusted,
        "is_significant": one.is_significant,
        "direction": one.direction,
        "guardrail": one.guardrail.status if one.guardrail else None,
        "method": one.method,
    }
