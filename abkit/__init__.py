"""Controlled experiments on AI-agent variants: design, analyze, decide, report.

Names are loaded when they are first used, so that `import abkit` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AbkitError": "abkit.errors",
    "Analysis": "abkit.analyzer.result",
    "Baseline": "abkit.models",
    "Data": "abkit.models",
    "Events": "abkit.models",
    "Experiment": "abkit.models",
    "Mean": "abkit.models",
    "Plan": "abkit.models",
    "Proportion": "abkit.models",
    "Quantile": "abkit.models",
    "Ratio": "abkit.models",
    "Source": "abkit.collectors",
    "Summary": "abkit.models",
    "Variant": "abkit.models",
    "Scenario": "abkit.analyzer.scenario",
    "aa_validation": "abkit.controller.characteristics",
    "analyze": "abkit.controller.analysis",
    "connect": "abkit.controller.connection",
    "mde": "abkit.stats",
    "operating_characteristics": "abkit.controller.characteristics",
    "plan": "abkit.controller.planning",
    "power": "abkit.stats",
    "presets": "abkit.models",
    "robustness": "abkit.controller.robustness",
    "sample_size": "abkit.stats",
    "simulate_split": "abkit.assignment.simulate",
    "srm": "abkit.stats",
}
_MODULES = ("plots", "stats", "widgets")

__all__ = [
    "AbkitError",
    "Analysis",
    "Baseline",
    "Data",
    "Events",
    "Experiment",
    "Mean",
    "Plan",
    "Proportion",
    "Quantile",
    "Ratio",
    "Scenario",
    "Source",
    "Summary",
    "Variant",
    "aa_validation",
    "analyze",
    "connect",
    "mde",
    "operating_characteristics",
    "plan",
    "plots",
    "power",
    "presets",
    "robustness",
    "sample_size",
    "simulate_split",
    "srm",
    "stats",
    "widgets",
]

if TYPE_CHECKING:
    from abkit import plots, stats, widgets
    from abkit.analyzer.result import Analysis
    from abkit.analyzer.scenario import Scenario
    from abkit.assignment.simulate import simulate_split
    from abkit.collectors import Source
    from abkit.controller.analysis import analyze
    from abkit.controller.characteristics import aa_validation, operating_characteristics
    from abkit.controller.connection import connect
    from abkit.controller.planning import plan
    from abkit.controller.robustness import robustness
    from abkit.errors import AbkitError
    from abkit.models import (
        Baseline,
        Data,
        Events,
        Experiment,
        Mean,
        Plan,
        Proportion,
        Quantile,
        Ratio,
        Summary,
        Variant,
        presets,
    )
    from abkit.stats import mde, power, sample_size, srm


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"abkit.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'abkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
