"""Secrets never enter: not as a parameter, and not by another way into a file that is published."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from abkit.errors import ParameterError

_NAMES = re.compile(r"(^|[_-])(passwords?|passwd|secrets?|token|api_?keys?|(access|private)_?key|credentials?)$", re.I)
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:'\"<>]*:([^\s/@'\"<>]+)@")
_SHAPES = {
    "an address with a password": re.compile(r"://[^\s/@:'\"<>]*:[^\s/@'\"<>]+@"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "an API key of abkit": re.compile(r"\babk_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{20,}"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    "a token of a model provider": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "a bearer token": re.compile(r"\bBearer\s+[A-Za-z0-9._~+/-]{20,}"),
    "a password": re.compile(
        r"\b(?:password|passwd|api_key|secret)\s*[=:]\s*['\"]?(?=[^\s'\"<>&]*\d)[^\s'\"<>&]{6,}", re.I
    ),
}
_SHORTEST = 8


def refuse_credentials(values: Mapping[str, object]) -> None:
    """Raise if a parameter or target looks like a credential; what is passed to a notebook is written into it.

    Raises
    ------
    ParameterError
        Names the parameter, never its value.

    Examples
    --------
    >>> refuse_credentials({"experiment": "warming", "max_tokens": 100})
    """
    for name, value in values.items():
        shape = next((what for what, pattern in _SHAPES.items() if pattern.search(str(value))), None)
        if shape is None and _NAMES.search(name):
            shape = "a credential"
        if shape is not None:
            raise ParameterError(
                f"{name!r} looks like {shape}, and whatever a notebook is given is written into the report; name the "
                "store in the variable ABKIT_STORE, and other secrets by variables that the notebook reads itself"
            )


def known_secrets(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the secrets that a process could leak: passwords in addresses, and variables named like credentials.

    Words that could stand in any text (short, or lower-case letters alone) are no secrets that can be looked for.

    Examples
    --------
    >>> sorted(known_secrets({"ABKIT_STORE": "postgresql://me:s3cr3t-word@host/db", "PAGER": "less"}))
    ['s3cr3t-word']
    """
    found = set()
    for name, value in (os.environ if environment is None else environment).items():
        found |= set(_IN_ADDRESS.findall(value))
        if _NAMES.search(name) and not value.startswith("/"):  # a path to a secret is none
            found.add(value.strip())
    return frozenset(word for word in found if len(word) >= _SHORTEST and not re.fullmatch("[a-z]+|[0-9.]+", word))


def find_secrets(text: str, secrets: Iterable[str]) -> list[str]:
    """Say which kinds of secrets a text holds; an empty list is good.

    Examples
    --------
    >>> find_secrets("see postgresql://me:hunter22@host/db", [])
    ['an address with a password']
    """
    found = [what for what, pattern in _SHAPES.items() if pattern.search(text)]
    return found + ["a secret of this process's environment"] * any(secret in text for secret in secrets)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with secrets struck out.

    Examples
    --------
    >>> without_secrets("postgresql://me:hunter22@host/db", [])
    'postgresql://***@host/db'
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    return _IN_ADDRESS.sub("***@", text)
