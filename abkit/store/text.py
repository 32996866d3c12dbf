"""What both databases can keep: text without NUL and without half characters, finite numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from abkit.errors import ParameterError

LONGEST_NAME = 200


def unstorable(value: Any, where: str) -> Iterator[str]:
    """Yield what a database would refuse, or give back changed, in a value and everything inside it.

    Examples
    --------
    >>> list(unstorable({"prompt": "a" + chr(0)}, "config"))
    ['config.prompt: holds a NUL character, which PostgreSQL cannot store; take it out']
    >>> list(unstorable([1.5, "text", None], "config"))
    []
    """
    if isinstance(value, str):
        if "\0" in value:
            yield f"{where}: holds a NUL character, which PostgreSQL cannot store; take it out"
        elif not value.isascii() and not _is_unicode(value):
            yield f"{where}: holds half of a character (an unpaired surrogate), which is not Unicode text; take it out"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: {value} is not a number that JSON knows; use null or text"
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from unstorable(name, f"{where}: the key {str(name)!a}")
            yield from unstorable(part, f"{where}.{name}" if where else str(name))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from unstorable(part, f"{where}.{place}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from unstorable(getattr(value, field.name), f"{where}.{field.name}" if where else field.name)
    elif value is not None and not isinstance(value, bool | int | float):
        yield f"{where}: a {type(value).__name__} is not JSON; use text, numbers, lists and dicts"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_text(value: str, where: str, longest: int | None = None) -> str:
    """Return the text, or say why it cannot be stored.

    Raises
    ------
    ParameterError
        NUL, half a character, or too long.

    Examples
    --------
    >>> require_text("code-writer", "agent_id", LONGEST_NAME)
    'code-writer'
    """
    if not isinstance(value, str):
        raise ParameterError(f"{where}: expected text, got {type(value).__name__}")
    for problem in unstorable(value, where):
        raise ParameterError(problem)
    if longest is not None and not 0 < len(value) <= longest:
        raise ParameterError(f"{where}: expected 1 to {longest} characters, got {len(value)}")
    return value


def require_storable(config: Mapping[str, Any]) -> None:
    """Say whether a configuration can be stored.

    Raises
    ------
    ParameterError
        It cannot, and why.
    """
    for problem in unstorable(dict(config), "config"):
        raise ParameterError(problem)


def searchable(text: str) -> str:
    """Return the text, or what stands for it: no store holds such text, and a database would answer with an error.

    Examples
    --------
    >>> searchable("code-writer")
    'code-writer'
    """
    return text if isinstance(text, str) and not any(unstorable(text, "")) else ascii(text)
