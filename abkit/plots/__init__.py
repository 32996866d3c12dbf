"""Figures: a result in, Axes out; nothing is computed here."""

from abkit.plots.axes import save
from abkit.plots.daily import daily_units, describe_daily_units
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
from abkit.plots.distributions import columns_drawn, describe_distribution, distribution
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
from abkit.plots.segments import describe_segments, metrics_by, segment_rows, segments
from abkit.plots.tenure import describe_tenure, tenure
from abkit.plots.tradeoff import cost_against_success, describe_cost_against_success, unbeaten

__all__ = [
    "arrivals",
    "columns_drawn",
    "cost_against_success",
    "describe_arrivals",
    "daily_units",
    "describe_daily_units",
    "describe_distribution",
    "describe_cost_against_success",
    "describe_forest",
    "describe_p_values",
    "describe_power_by_size",
    "describe_power_curve",
    "describe_segments",
    "describe_series",
    "describe_split",
    "describe_tenure",
    "describe_verdicts",
    "distribution",
    "forest",
    "forest_rows",
    "lift_over_time",
    "metrics_by",
    "look_days",
    "p_values",
    "power_by_size",
    "power_curve",
    "segment_rows",
    "segments",
    "save",
    "split",
    "unbeaten",
    "tenure",
    "verdicts",
]
