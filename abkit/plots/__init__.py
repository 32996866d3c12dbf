"""Figures: a result in, Axes out; nothing is computed here."""

from abkit.plots.axes import save
from abkit.plots.designs import (
    arrivals,
    describe_arrivals,
    describe_p_values,
    describe_power_curve,
    describe_split,
    describe_verdicts,
    p_values,
    power_curve,
    split,
    verdicts,
)
from abkit.plots.results import describe_forest, describe_series, forest, forest_rows, lift_over_time
from abkit.plots.tradeoff import cost_against_success, describe_cost_against_success, unbeaten

__all__ = [
    "arrivals",
    "cost_against_success",
    "describe_arrivals",
    "describe_cost_against_success",
    "describe_forest",
    "describe_p_values",
    "describe_power_curve",
    "describe_series",
    "describe_split",
    "describe_verdicts",
    "forest",
    "forest_rows",
    "lift_over_time",
    "p_values",
    "power_curve",
    "save",
    "split",
    "unbeaten",
    "verdicts",
]
