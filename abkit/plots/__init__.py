"""Figures: a result in, Axes out; nothing is computed here."""

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
from abkit.plots.results import (
    describe_forest,
    describe_power_by_size,
    describe_series,
    forest,
    forest_rows,
    lift_over_time,
    look_days,
    power_by_size,
)

__all__ = [
    "arrivals",
    "describe_arrivals",
    "describe_forest",
    "describe_p_values",
    "describe_power_by_size",
    "describe_power_curve",
    "describe_series",
    "describe_split",
    "describe_verdicts",
    "forest",
    "forest_rows",
    "lift_over_time",
    "look_days",
    "p_values",
    "power_by_size",
    "power_curve",
    "split",
    "verdicts",
]
