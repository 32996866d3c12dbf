"""Figures of parts of the data: effects by segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abkit.analyzer.breakdown import SegmentComparison, SegmentEffect, SegmentResult
from abkit.analyzer.interval import Interval
from abkit.analyzer.numbers import confidence, percent, span
from abkit.analyzer.result import Analysis, MetricResult
from abkit.errors import DataError
from abkit.plots.axes import BETTER, NEUTRAL, WORSE, escape, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FADED = "#a0a0a0"


def segments(analysis: Analysis, column: str, metric: str, ax: Axes | None = None) -> Axes:
    """Draw the effect on one metric in every segment of a column, below the effect over all units.

    Parameters
    ----------
    analysis : Analysis
    column, metric : str
        One of the segment columns of the data, and the name of a metric.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Raises
    ------
    DataError
        The data names no such column, or the metric has no values in it.
    """
    result, found = _found(analysis, column, metric)
    rows = segment_rows(analysis, result, metric)
    ax = ax if ax is not None else new_axes(len(rows))
    kind = drawn_kind(found)
    is_rate = kind == "difference" and analysis.metric(metric).kind == "proportion"
    scale = 100 if kind == "lift" or is_rate else 1
    bounds = [scale * bound for _, one, _ in rows for bound in (one.low, one.high) if bound is not None]
    for y, (_, one, color) in enumerate(reversed(rows)):
        _draw(ax, y, one, color, scale)
    ax.axvline(0, color="black", linewidth=0.8)
    left, right = min([0.0, *bounds]), max([0.0, *bounds])
    space = 0.06 * (right - left) or 1.0
    ax.set_xlim(left - space, right + space)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_yticks(range(len(rows)), [escape(short(label)) for label, _, _ in reversed(rows)])
    unit = "change relative to control" if kind == "lift" else "difference from control"
    ax.set_xlabel(f"{escape(short(metric))}: {unit}{' (pp)' if is_rate else ''}")
    if kind == "lift":
        ax.xaxis.set_major_formatter(lambda value, _: percent(value / 100, signed=True))
    tidy(ax)
    return ax


def segment_rows(analysis: Analysis, result: SegmentResult, metric: str) -> list[tuple[str, Interval, str]]:
    """Return label, interval and colour of what the figure shows, top to bottom."""
    overall = analysis.metric(metric)
    found = [one for one in result.comparisons if one.metric == metric]
    kind = drawn_kind(found)
    several = len(found) > 1
    rows = []
    for one in found:
        name = f" ({one.variant})" if several else ""
        whole = next(part for part in overall.comparisons if part.variant == one.variant)
        rows.append((f"all units{name}", whole.lift if kind == "lift" else whole.difference, "black"))
        for units, effect in zip(result.segments, one.effects, strict=True):
            small = ", too few units" if units.status == "not_enough_data" else ""
            interval = effect.lift if kind == "lift" else effect.difference
            rows.append((f"{effect.value}{name}{small}", interval, _color(effect)))
    return rows


def drawn_kind(found: list[SegmentComparison]) -> str:
    """Lifts where every segment that was compared has one, else differences; the same for all rows of a figure."""
    shown = [effect for one in found for effect in one.effects if effect.difference.low is not None]
    return "lift" if shown and all(effect.lift.low is not None for effect in shown) else "difference"


def _found(analysis: Analysis, column: str, metric: str) -> tuple[SegmentResult, list[SegmentComparison]]:
    result = next((one for one in analysis.segments if one.column == column), None)
    if result is None:
        raise DataError(f"there are no segments by {column!r}: name the column in `segments` of the data")
    found = [one for one in result.comparisons if one.metric == metric]
    if not found:
        raise DataError(f"there is no metric {metric!r} by {column!r}")
    return result, found


def _color(effect: SegmentEffect) -> str:
    if not effect.is_significant:
        return NEUTRAL
    return BETTER if effect.direction == "better" else WORSE


def _draw(ax: Axes, y: float, one: Interval, color: str, scale: float) -> None:
    if one.low is None or one.high is None or one.value is None:
        ax.plot([0], [y], color=_FADED, marker="x", markersize=5, linestyle="none")
        return
    marker = {"black": "D", BETTER: "^", WORSE: "v"}.get(color, "o")
    ax.plot([scale * one.low, scale * one.high], [y, y], color=color, linewidth=2.2, solid_capstyle="butt")
    face = "white" if marker == "o" else color
    ax.plot([scale * one.value], [y], color=color, marker=marker, markersize=8, markerfacecolor=face)


def describe_segments(analysis: Analysis, column: str, metric: str) -> str:
    """Say in words what the figure shows."""
    result, found = _found(analysis, column, metric)
    kind = drawn_kind(found)
    written = kind if kind == "lift" else analysis.metric(metric).kind
    parts = [
        f"{label}: {span(one.low, one.high, kind=written) if one.low is not None else 'no interval'}"
        for label, one, _ in segment_rows(analysis, result, metric)
    ]
    levels = sorted({confidence(one.confidence_level) for one in found})
    return (
        f"Effect on {metric} by {column}, with {' and '.join(levels)} intervals of segments, below the effect over all "
        f"units. {'; '.join(parts)}."
    )


def metrics_by(analysis: Analysis, result: SegmentResult) -> list[MetricResult]:
    """Return the metrics that were taken by that column, in the analysis' order."""
    names = {one.metric for one in result.comparisons}
    return [metric for metric in analysis.metrics if metric.name in names]
