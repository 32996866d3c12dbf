"""One observation as it comes, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from numbers import Real
from typing import Any, Final

import numpy as np

FIELDS: Final = ("experiment_id", "user_id", "metric_type", "value", "variant_id", "observed_at", "event_id")
LONGEST_ID: Final = 1024
LONGEST_NAME: Final = 200
LARGEST_VALUE: Final = 1e150
"""Squares of larger values have no sum."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEARS = range(1970, 2200)


class BadRowError(ValueError):
    """What is wrong with one row."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One row that can be stored.

    Parameters
    ----------
    experiment_id, user_id, metric_type : str
    value : float
    variant_id : str or None
        The variant that the sender believes the user has.
    observed_at : int or None
        Microseconds since 1970; None: when it arrives.
    event_id : str or None
        By which a repeated observation is known; None: by everything else.
    """

    experiment_id: str
    user_id: str
    metric_type: str
    value: float
    variant_id: str | None = None
    observed_at: int | None = None
    event_id: str | None = None


def read_row(row: Any, experiment_id: str | None) -> Observation:
    """Read one row.

    Raises
    ------
    BadRowError
        Saying which field is wrong and how.

    Examples
    --------
    >>> read_row({"user_id": 7, "metric_type": "score", "value": "1.5"}, "e1").value
    1.5
    """
    if not isinstance(row, Mapping):
        raise BadRowError(f"expected an object with {', '.join(FIELDS[1:4])}, got {type(row).__name__}")
    unknown = [name for name in row if name not in FIELDS]
    if unknown:
        raise BadRowError(f"unknown field {unknown[0]!r}; known: {', '.join(FIELDS)}")
    named = row.get("experiment_id")
    return Observation(
        _text(experiment_id if _blank(named) else named, "experiment_id", LONGEST_NAME),
        _text(row.get("user_id"), "user_id", LONGEST_ID),
        _text(row.get("metric_type"), "metric_type", LONGEST_NAME),
        _number(row.get("value")),
        _optional(row.get("variant_id"), "variant_id", LONGEST_NAME),
        microseconds(row.get("observed_at")),
        _optional(row.get("event_id"), "event_id", LONGEST_ID),
    )


def _blank(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _optional(value: Any, name: str, longest: int) -> str | None:
    return None if _blank(value) else _text(value, name, longest)


def _text(value: Any, name: str, longest: int) -> str:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise BadRowError(f"{name}: {'is missing' if _blank(value) else f'expected text, got {value!r}'}")
    if value.isascii() and 0 < len(value) <= longest and "\0" not in value:
        return value
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadRowError(f"{name}: holds half of a character, which is not Unicode text") from None
    if not value:
        raise BadRowError(f"{name}: is missing")
    if longest == LONGEST_NAME and len(value) > longest:
        raise BadRowError(f"{name}: {len(value):,} characters are more than the {longest:,} that a name may have")
    if longest != LONGEST_NAME and size > longest:
        raise BadRowError(f"{name}: {size:,} bytes are more than the {longest:,} that can be stored")
    if "\0" in value:
        raise BadRowError(f"{name}: holds a NUL character, which no store can keep")
    return value


def _number(value: Any) -> float:
    if type(value) is not float:
        if _blank(value):
            raise BadRowError("value: is missing")
        if not isinstance(value, Real | str | np.bool_):
            raise BadRowError(f"value: expected a number, got {value!r}")
        try:
            if isinstance(value, str) and "_" in value:
                raise ValueError
            value = float(value)
        except (ValueError, OverflowError):
            raise BadRowError(f"value: {value!r} is not a number") from None
    if not math.isfinite(value):
        raise BadRowError(f"value: {value} is not a finite number")
    if abs(value) > LARGEST_VALUE:
        raise BadRowError(f"value: {value:g} is beyond {LARGEST_VALUE:g}, so that its square could not be added up")
    return float(value)


def microseconds(value: Any) -> int | None:
    """Return a time as microseconds since 1970; UTC where it names no zone.

    Raises
    ------
    BadRowError
        Not a time between 1970 and 2200.

    Examples
    --------
    >>> microseconds("2026-11-22T12:00:00Z") == microseconds("2026-11-22 13:00:00+01:00")
    True
    """
    if isinstance(value, str) and value:
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise BadRowError(f"observed_at: {value!r} is not an ISO time such as 2026-11-22T12:00:00Z") from None
    if _blank(value) or value != value:
        return None
    if not isinstance(value, datetime):
        raise BadRowError(f"observed_at: expected a time, got {value!r}")
    if value.year not in _YEARS:
        raise BadRowError(f"observed_at: {value.isoformat()} is not between 1970 and 2200")
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (aware - EPOCH) // _MICROSECOND
