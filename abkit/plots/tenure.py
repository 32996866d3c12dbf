"""Figures of effects by tenure: days since a unit's first row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abkit.analyzer.numbers import confidence, span
from abkit.analyzer.result import Analysis
from abkit.errors import DataError
from abkit.plots.axes import PALETTE, escape, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "os^Dvp"

_ASK = "it was not read; ask for it: ab.analyze(..., details=True)"


def tenure(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw the primary metric's effect on rows of each day since the units' first row.

    Raises
    ------
    DataError
        There is none; the message says why.
    """
    found = analysis.tenure
    if found is None or not found.trends:
        raise DataError(f"there is no effect by days since the first row: {found.reason if found else _ASK}")
    ax = ax if ax is not None else new_axes(5)
    scale = 100 if analysis.primary.kind == "proportion" else 1
    for place, trend in enumerate(found.trends):
        shown = [(one.day, one.difference) for one in trend.effects if one.difference.low is not None]
        days = [day + 0.12 * place for day, _ in shown]
        values = [scale * (one.value or 0.0) for _, one in shown]
        below = [value - scale * (one.low or 0.0) for value, (_, one) in zip(values, shown, strict=True)]
        above = [scale * (one.high or 0.0) - value for value, (_, one) in zip(values, shown, strict=True)]
        color, marker = PALETTE[place % len(PALETTE)], _MARKERS[place % len(_MARKERS)]
        ax.errorbar(days, values, yerr=[below, above], fmt=marker, color=color, label=escape(short(trend.variant)))
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks([one.day for one in found.trends[0].effects])
    ax.set_xlabel("days since the unit's first row")
    ax.set_ylabel(f"{escape(short(found.metric))}: difference{' (pp)' if scale == 100 else ''}")
    if len(found.trends) > 1:
        ax.legend(frameon=False)
    tidy(ax)
    return ax


def describe_tenure(analysis: Analysis) -> str:
    """Say in words what the figure shows."""
    found = analysis.tenure
    if found is None or not found.trends:
        raise DataError("there is no effect by days since the first row")
    kind = analysis.primary.kind
    parts = [
        f"{trend.variant} on day {one.day}: {span(one.difference.low, one.difference.high, kind=kind)}"
        for trend in found.trends
        for one in (trend.effects[0], trend.effects[-1])
    ]
    level = confidence(found.trends[0].confidence_level)
    return f"Effect on {found.metric} by days since the unit's first row, with {level} intervals. {'; '.join(parts)}."
