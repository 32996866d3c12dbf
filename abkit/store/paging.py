"""Cursors: where a page ended, as text that goes through an address unchanged."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from abkit.errors import ParameterError
from abkit.store.records import Page
from abkit.store.text import unstorable

T = TypeVar("T")
LARGEST_PAGE: Final = 500


def page_of(found: Sequence[T], limit: int, place: Callable[[T], Sequence[str]]) -> Page[T]:
    """Make a page of what was found when one more than `limit` was asked for."""
    more = len(found) > limit
    items = tuple(found[:limit])
    return Page(items, _encode(place(items[-1])) if more else None)


def _encode(parts: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode().rstrip("=")


def read_cursor(cursor: str, parts: int) -> list[str]:
    """Return the place that a cursor stands for.

    Raises
    ------
    ParameterError
        The text is not a cursor of this kind of list.

    Examples
    --------
    >>> read_cursor(_encode(["2026-11-22", "a"]), 2)
    ['2026-11-22', 'a']
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != parts
        or not all(isinstance(part, str) for part in found)
        or list(unstorable(found, ""))
    ):
        raise ParameterError(f"{cursor[:40]!a} is not a cursor; pass the `next_cursor` of the page before, unchanged")
    return found


def check_limit(limit: int) -> int:
    """Return the size of a page, or say which sizes there are."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise ParameterError(f"limit: expected 1 to {LARGEST_PAGE}, got {limit}")
    return limit
