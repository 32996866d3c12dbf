"""Figures of an experiment's days: how many new units came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abkit.analyzer.numbers import count
from abkit.analyzer.result import Analysis
from abkit.errors import DataError
from abkit.plots.axes import PALETTE, escape, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "os^Dvp"
_LABELS = 12


def daily_units(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw the new units of each day in every variant; a ring marks a day whose split is off.

    Raises
    ------
    DataError
        The data has no time, or is paired.
    """
    if not analysis.daily:
        raise DataError("new units have no day: name the time column of the data with `time`, in a randomized design")
    ax = ax if ax is not None else new_axes(5)
    days = [one.day for one in analysis.daily]
    threshold = analysis.check("daily_counts").threshold or 0.0
    off = [i for i, one in enumerate(analysis.daily) if (one.p_value_adjusted or 1.0) < threshold]
    for place, variant in enumerate(analysis.variants):
        units = [one.units[variant.name] for one in analysis.daily]
        color, marker = PALETTE[place % len(PALETTE)], _MARKERS[place % len(_MARKERS)]
        label = escape(short(variant.name))
        ax.plot(range(len(days)), units, color=color, marker=marker, markersize=4.5, label=label)
        ax.plot(off, [units[i] for i in off], "o", markersize=12, markerfacecolor="none", markeredgecolor="black")
    step = -(-len(days) // _LABELS)
    ax.set_xticks(range(0, len(days), step), days[::step], rotation=30, ha="right")
    ax.set_ylim(bottom=0)
    ax.set_ylabel("new units" if analysis.daily[0].days == 1 else f"new units in {analysis.daily[0].days} days")
    ax.legend(frameon=False)
    tidy(ax)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    return ax


def describe_daily_units(analysis: Analysis) -> str:
    """Say in words what the figure shows."""
    first, last = analysis.daily[0], analysis.daily[-1]
    parts = []
    for variant in analysis.variants:
        units = [one.units[variant.name] for one in analysis.daily]
        parts.append(f"{variant.name}: {count(min(units))} to {count(max(units))}, {count(sum(units))} in all")
    period = "day" if first.days == 1 else f"{first.days} days"
    return f"New units per {period} from {first.day} to {last.day}. {'; '.join(parts)}."
