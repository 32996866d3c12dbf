"""The reference of experiment files, from the definitions that read them."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import griffe
from markdown_table import code, table
from pydantic import TypeAdapter

from abkit import models
from abkit.models import Data, Events, Experiment, Mean, Plan, Proportion, Quantile, Ratio, Summary, Variant
from abkit.models.metric import Metric

_SECTIONS: dict[str, tuple[str, type[Any]]] = {
    "The experiment": ("Top level of the file.", Experiment),
    "variants": ("A list, each with:", Variant),
    "plan": ("How it will be judged.", Plan),
    "data": ("Where the data is and what its columns mean.", Data),
    "data.events": ("Where the rows of `data` are exposures: what units did from then on.", Events),
    "data.summary": ("Where rows are totals per variant.", Summary),
}
_KINDS: tuple[type[Any], ...] = (Mean, Proportion, Ratio, Quantile)
_HEAD = """# Experiment file

YAML (or JSON) that `ab.Experiment.from_yaml` and every command read. An unknown key, a key that is there twice and a
value that does not fit are errors that name the place. `experiment.to_yaml()` writes one.
"""


def page() -> str:
    """Return the page: a table of keys per section of the file."""
    parts = [_HEAD]
    for title, (said, cls) in _SECTIONS.items():
        parts += [f"## {title}\n", f"{said}\n", _keys(cls)]
    parts += [
        "## Metrics\n",
        "`primary_metric`, and each entry of `guardrail_metrics` and `secondary_metrics`, is a mapping with `kind`:\n",
    ]
    parts.append(table(("kind", "what it is", "keys of its own"), [_kind(cls) for cls in _KINDS]))
    parts += ["Every kind takes:\n", _keys(Metric, without={"kind"})]
    names = ", ".join(code(name) for name in vars(models.presets))
    parts.append(f"Instead of a mapping, the name of a preset: {names}.\n")
    return "\n".join(parts)


def keys(cls: type[Any]) -> list[str]:
    """Return the keys that a section of the file takes."""
    return list(TypeAdapter(cls).json_schema(mode="validation")["properties"])


def _kind(cls: type[Any]) -> tuple[str, str, str]:
    schema = TypeAdapter(cls).json_schema(mode="validation")
    own = {key: detail for key, detail in schema["properties"].items() if key not in keys(Metric)}
    defaults = {key: f" (default {_default(detail)})" for key, detail in own.items() if key not in schema["required"]}
    return (
        code(schema["properties"]["kind"]["const"]),
        _summary(cls),
        ", ".join(code(key) + defaults.get(key, "") for key in own),
    )


def _keys(cls: type[Any], without: set[str] | frozenset[str] = frozenset()) -> str:
    schema = TypeAdapter(cls).json_schema(mode="validation")
    told = _descriptions(cls)
    rows = [
        (
            code(key),
            _type(cls, key, detail),
            "required" if key in schema.get("required", ()) else _default(detail),
            told.get(key, ""),
        )
        for key, detail in schema["properties"].items()
        if key not in {*without, "folder"}
    ]
    return table(("key", "type", "default", "meaning"), rows)


def _summary(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _descriptions(cls: type[Any]) -> dict[str, str]:
    """What the docstring says about each parameter; `a, b : type` speaks of both."""
    told: dict[str, str] = {}
    for section in griffe.Docstring(cls.__doc__ or "", parser="numpy").parse(warnings=False):
        if section.kind is griffe.DocstringSectionKind.parameters:
            for parameter in section.value:
                told |= dict.fromkeys(parameter.name.replace("*", "").split(", "), parameter.description)
    return told


def _type(cls: type[Any], key: str, detail: dict[str, Any]) -> str:
    hint = cls.__dataclass_fields__[key].type
    resolved = _resolved(cls)[key] if isinstance(hint, str) else hint
    words = dict.fromkeys(_words(resolved))
    bounds = [f"{sign} {value:g}" for sign, value in _bounds(detail)]
    return " or ".join(words) + (f", {' and '.join(bounds)}" if bounds else "")


def _resolved(cls: type[Any]) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(cls, include_extras=True)


def _words(hint: Any) -> Iterator[str]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _words(arguments[0])
    elif origin is Literal:
        yield from (code(value) for value in arguments)
    elif origin in (Union, UnionType):
        for one in arguments:
            yield from _words(one)
    elif origin is list:
        yield f"list of {' or '.join(dict.fromkeys(_words(arguments[0])))}"
    elif origin is dict:
        yield "mapping"
    elif hint is type(None):
        yield "nothing"
    elif hint in _KINDS:
        yield "metric"
    else:
        yield _NAMES.get(hint, hint.__name__.lower() if isinstance(hint, type) else "anything")


_NAMES: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _bounds(detail: dict[str, Any]) -> Iterator[tuple[str, float]]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for one in (detail, *detail.get("anyOf", ())):
        yield from ((sign, one[name]) for name, sign in signs.items() if name in one)


def _default(detail: dict[str, Any]) -> str:
    value = detail.get("default")
    if value is None or value == "" or isinstance(value, dict | list):
        return ""
    return code(str(value).lower() if isinstance(value, bool) else value)
