"""Results and records as plain data, as JSON holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any


def to_plain(value: Any) -> Any:
    """Return dataclasses as dicts, tuples and arrays as lists, times in ISO form, and numbers that are none as None.

    Examples
    --------
    >>> to_plain({"a": (1.5, float("nan")), "at": datetime(2026, 11, 22, tzinfo=UTC)})
    {'a': [1.5, None], 'at': '2026-11-22T00:00:00Z'}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: to_plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(part) for part in value]
    if isinstance(value, datetime):
        return iso(value, timespec="auto")
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "tolist"):  # of an array, or a number of numpy
        return to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def iso(moment: datetime, timespec: str = "seconds") -> str:
    """Return a time in ISO form with Z, to seconds, or "auto": to microseconds where it has any.

    Examples
    --------
    >>> iso(datetime(2026, 11, 22, tzinfo=UTC))
    '2026-11-22T00:00:00Z'
    """
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
