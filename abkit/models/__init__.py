"""What an experiment is: frozen definitions, validated once, JSON and YAML in and out."""

from abkit.models.baseline import Baseline
from abkit.models.data import Data, Events, Summary
from abkit.models.experiment import Experiment, Variant
from abkit.models.lifecycle import TRANSITIONS, transition
from abkit.models.metric import Mean, Metric, Proportion, Quantile, Ratio, presets
from abkit.models.plan import Plan

__all__ = [
    "TRANSITIONS",
    "Baseline",
    "Data",
    "Events",
    "Experiment",
    "Mean",
    "Metric",
    "Plan",
    "Proportion",
    "Quantile",
    "Ratio",
    "Summary",
    "Variant",
    "presets",
    "transition",
]
