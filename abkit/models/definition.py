"""The decorator that makes a class a definition: frozen, validated once, its problems told in full."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from abkit.errors import DefinitionError, suggest

T = TypeVar("T")

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True)


@dataclass_transform(frozen_default=True)
def definition(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that raises one `DefinitionError` listing all its problems."""
    built: Any = dataclass(frozen=True, config=_CONFIG)(cls)
    init = built.__init__

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except ValidationError as error:
            raise explain(error, built) from None

    built.__init__ = checked
    return built  # type: ignore[no-any-return]


def validate(cls: type[T], data: Mapping[str, Any]) -> T:
    """Build a definition from plain data (as JSON or YAML hold it)."""
    try:
        return TypeAdapter(cls).validate_python(data)
    except ValidationError as error:
        raise explain(error, cls) from None


def explain(error: ValidationError, cls: type[Any]) -> DefinitionError:
    """Turn pydantic's list of errors into sentences that name the field and the way out."""
    problems = [_sentence(detail, cls) for detail in error.errors(include_url=False)]
    return DefinitionError(f"this {cls.__name__.lower()} cannot be used:", list(dict.fromkeys(problems)))


_KINDS: Final = ("mean", "proportion", "ratio", "quantile")  # pydantic names them as if they were keys


def _sentence(detail: Any, cls: type[Any]) -> str:
    path = ".".join(_names(detail["loc"], cls))
    kind, given = detail["type"], detail.get("input")
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"{path}: unknown key{suggest(str(detail['loc'][-1]), _known_keys(cls, nested='.' in path))}"
    if kind in {"missing", "missing_argument"}:
        return f"{path}: is required"
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "string_type":
        message = "must be text; in YAML, put it in quotes"
    if kind == "dataclass_type":
        message = f"must be a {detail['ctx']['class_name']}, or a mapping of its keys"
    if kind == "list_type":
        message = "must be a list"
    shown = "" if kind == "value_error" or isinstance(given, dict | list) else f" (got {given!r})"
    return f"{path}: {message}{shown}" if path else f"{message}{shown}"


def _names(location: tuple[str | int, ...], cls: type[Any]) -> list[str]:
    """As in a file: without the kind of a metric, and the field's name for the place of a positional argument."""
    steps = pairwise((None, *location))
    parts = [str(part) for before, part in steps if not (part in _KINDS and _is_metric(before))]
    if location and isinstance(location[0], int) and is_dataclass(cls):
        parts[0] = [field.name for field in fields(cls) if not field.kw_only][location[0]]
    return parts


def _is_metric(part: str | int | None) -> bool:
    return part == "primary_metric" or isinstance(part, int)


def _known_keys(cls: type[Any], nested: bool) -> list[str]:
    from abkit import models

    inner = [value for value in vars(models).values() if isinstance(value, type) and is_dataclass(value)]
    kinds = [kind for kind in (inner if nested else [cls]) if is_dataclass(kind)]
    return sorted({field.name for kind in kinds for field in fields(kind)} - {"folder"})
