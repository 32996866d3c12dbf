"""The reference of Python, one entry per public name; mkdocstrings turns docstrings into text."""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict
from types import ModuleType

from markdown_table import code, table

import abkit
from abkit import plots, stats, widgets

_PARTS = {
    "Definitions": (
        "Experiment",
        "Variant",
        "Proportion",
        "Mean",
        "Ratio",
        "Quantile",
        "presets",
        "Plan",
        "Data",
        "Events",
        "Summary",
    ),
    "Analysis": ("Source", "analyze", "Analysis", "robustness"),
    "Before the experiment": (
        "plan",
        "Baseline",
        "power",
        "sample_size",
        "mde",
        "simulate_split",
        "srm",
        "operating_characteristics",
        "Scenario",
        "aa_validation",
    ),
    "A store": ("connect",),
    "Failures": ("AbkitError",),
}
_ELSEWHERE = {"plots", "stats", "widgets"}
_WIDGETS = ["plan_calculator", "power_calculator", "traffic_simulator"]
_BRIEF = "    options:\n      members: false\n"
_HEAD = """# Python: `import abkit as ab`

The arguments of definitions are the keys of [an experiment file](experiment-file.md), where their types and defaults
stand. `ab.plots` and `ab.widgets` have [pages](plots.md) [of their own](widgets.md), and `ab.stats` is
[told by subject](statistics/index.md).
"""
_STATISTICS = (
    "Numbers and arrays in, frozen results out. When to use what is said by the [methods](../../methods/index.md).\n"
)
_STORE = "abkit.controller.experiments.ExperimentController"


def pages() -> dict[str, str]:
    """Return the pages of the Python reference by their place in the site."""
    return {
        "reference/python.md": _public(),
        "reference/store.md": f"# The store: what `ab.connect` returns\n\n{_entry(_STORE, inherited=True)}",
        "reference/plots.md": _module("Figures: `ab.plots`", plots, plots.__all__),
        "reference/widgets.md": _module("Sliders: `ab.widgets`", widgets, _WIDGETS),
        "reference/statistics/index.md": _overview(),
        **{
            f"reference/statistics/{name}.md": _module(f"ab.stats: {_title(name)}", stats, names)
            for name, names in _homes().items()
        },
    }


def _public() -> str:
    """Names that no part lists come last, so that a new name is never left out."""
    listed = {name for names in _PARTS.values() for name in names}
    rest = tuple(sorted(set(abkit.__all__) - listed - _ELSEWHERE))
    parts = [_HEAD]
    for title, names in {**_PARTS, **({"More": rest} if rest else {})}.items():
        parts += [f"## {title}\n", *(_entry(_home(name)) for name in names)]
    parts.append(f"## Tree of failures\n\n```text\n{inspect.getdoc(importlib.import_module('abkit.errors'))}\n```\n")
    return "\n".join(parts)


def _home(name: str) -> str:
    """Where a public name is defined: mkdocstrings reads files, and the package loads its names when they are used."""
    value = getattr(abkit, name)
    module = getattr(value, "__module__", "") if inspect.isclass(value) or inspect.isfunction(value) else ""
    return f"{module or 'abkit.models.metric'}.{name}"


def _entry(path: str, inherited: bool = False, brief: bool = False) -> str:
    options = "    options:\n      inherited_members: true\n" if inherited else _BRIEF if brief else ""
    return f"::: {path}\n{options}"


def _module(title: str, package: ModuleType, names: list[str]) -> str:
    functions = [getattr(package, name) for name in names]
    paths = [f"{one.__module__}.{name}" for one, name in zip(functions, names, strict=True)]
    return "\n".join([f"# {title}\n", *(_entry(path, brief=True) for path in paths)])


def _homes() -> dict[str, list[str]]:
    """The public names of `ab.stats` by the module that defines them; constants are left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in stats.__all__:
        value = getattr(stats, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            found[value.__module__.rpartition(".")[2]].append(name)
    return dict(sorted(found.items()))


def _overview() -> str:
    rows = [(f"[{_title(name)}]({name}.md)", ", ".join(code(one) for one in names)) for name, names in _homes().items()]
    return "\n".join(["# Statistics: `ab.stats`\n", _STATISTICS, table(("subject", "names"), rows)])


def _title(module: str) -> str:
    return module.replace("_", " ")
