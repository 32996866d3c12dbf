"""Frozen results as plain data."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any


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
