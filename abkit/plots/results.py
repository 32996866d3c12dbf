"""Figures of an analysis: a result in, Axes out; nothing is computed here."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from abkit.analyzer.numbers import chance, confidence, count, percent, span
from abkit.analyzer.result import Analysis, ComparisonResult, MetricResult
from abkit.errors import DataError
from abkit.plots.axes import BETTER, NEUTRAL, PALETTE, WORSE, escape, finish_power, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDEST = 12.0


def forest(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw the lift of every metric with its interval, by role.

    Parameters
    ----------
    analysis : Analysis
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        No metric has a lift with an interval.
    """
    rows = forest_rows(analysis)
    if not rows:
        raise DataError("no metric has a relative change with an interval; look at analysis.to_frame() for the reasons")
    ax = ax if ax is not None else new_axes(len(rows))
    edges = _axis_edges([bound for _, one in rows for bound in (one.lift.low, one.lift.high) if bound is not None])
    for place, (metric, one) in enumerate(rows):
        _draw_interval(ax, len(rows) - 1 - place, metric, one, edges)
    ax.axvline(0, color="black", linewidth=0.8)
    for mde in (-analysis.experiment.min_detectable_effect, analysis.experiment.min_detectable_effect):
        if edges[0] <= mde <= edges[1]:
            ax.axvline(mde, color=NEUTRAL, linewidth=1.0, linestyle=":")
    roles = [metric.role for metric, _ in reversed(rows)]
    for place, (below, above) in enumerate(pairwise(roles)):
        if below != above:
            ax.axhline(place + 0.5, color="#bbbbbb", linewidth=0.8)
    ax.set_xlim(*edges)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_yticks(range(len(rows)), [_label(analysis, metric, one) for metric, one in reversed(rows)])
    ax.set_xlabel("change relative to control; bars: intervals, |: margin, dotted: MDE")
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, signed=True))
    tidy(ax)
    return ax


def forest_rows(analysis: Analysis) -> list[tuple[MetricResult, ComparisonResult]]:
    """Return what the forest plot shows, top to bottom."""
    return [(m, one) for m in analysis.metrics for one in m.comparisons if one.lift.low is not None]


def lift_over_time(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw the primary metric's effect up to each day, with a band that holds at all days together.

    Raises
    ------
    DataError
        The data has no time, or its design has no order in time.
    """
    if not analysis.series:
        raise DataError("there is no time series: name the time column of the data with `time`, in a randomized design")
    ax = ax if ax is not None else new_axes(5)
    scale = 100 if analysis.primary.kind == "proportion" else 1
    for place, series in enumerate(analysis.series):
        points = [point for point in series.points if point.low is not None and point.high is not None]
        days = [point.day for point in points]
        color = PALETTE[place % len(PALETTE)]
        ax.fill_between(
            days,
            [scale * (point.low or 0) for point in points],
            [scale * (point.high or 0) for point in points],
            color=color,
            alpha=0.18,
            linewidth=0,
        )
        ax.plot(days, [scale * (p.difference or 0) for p in points], color=color, marker="o", label=series.variant)
    for day in set(look_days(analysis)) & set(days):
        ax.axvline(days.index(day), color=NEUTRAL, linewidth=1.0, linestyle=":")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_ylabel(f"{escape(analysis.primary.name)}: difference{' (pp)' if scale == 100 else ''}")
    ax.tick_params(axis="x", labelrotation=30)
    if len(analysis.series) > 1:
        ax.legend(frameon=False)
    tidy(ax)
    return ax


def look_days(analysis: Analysis) -> list[str]:
    """Return the days on which the planned looks fell, where the plan counts them."""
    plan, points = analysis.plan, analysis.series[0].points
    sizes = [plan.planned_units * look / plan.looks for look in range(1, plan.looks + 1)] if plan.looks else []
    reached = [next((point.day for point in points if point.units >= size), None) for size in sizes]
    return list(dict.fromkeys(day for day in reached if day is not None))


def power_by_size(analysis: Analysis, ax: Axes | None = None) -> Axes:
    """Draw the power for planned effects against units over all variants, at the variance of the data.

    Raises
    ------
    DataError
        The primary metric has no relative change with a standard error.
    """
    found = analysis.plan.size_table
    if found is None:
        raise DataError("there is no table of sizes: the primary metric has no relative change with a standard error")
    ax = ax if ax is not None else new_axes(5)
    units = [size.units for size in found.sizes]
    for place, one in enumerate(found.effects):
        powers = [100 * size.powers[place] for size in found.sizes]
        style, marker = ("--", "-", "-.")[place % 3], "vo^"[place % 3]
        label = f"true change {percent(one.effect)}"
        ax.plot(units, powers, color=PALETTE[place], linestyle=style, marker=marker, markersize=4, label=label)
    ax.axhline(100 * analysis.plan.target_power, color=NEUTRAL, linewidth=0.8)
    ax.axvline(analysis.plan.units, color="black", linewidth=0.8, linestyle=":", label="size reached")
    finish_power(ax, units)
    ax.set_xticks(units[::3], [count(size) for size in units[::3]])
    ax.set_xticks([], minor=True)
    return ax


def describe_power_by_size(analysis: Analysis) -> str:
    """Say in words what the plot of power shows."""
    found = analysis.plan.size_table
    if found is None:
        return "No power can be told."
    reached = next(size for size in found.sizes if size.units == analysis.plan.units)
    said = [
        f"{chance(power)} for {percent(one.effect)}" for power, one in zip(reached.powers, found.effects, strict=True)
    ]
    return (
        f"Power by units over all variants, for three true changes. At {count(reached.units)} units: {', '.join(said)}."
    )


def _axis_edges(bounds: list[float]) -> tuple[float, float]:
    """Wide enough for all intervals and 0, unless one interval would squeeze the others flat."""
    sizes = sorted(abs(bound) for bound in bounds)
    widest = max(0.01, _WIDEST * sizes[len(sizes) // 2] or sizes[-1])
    left, right = max(min(0.0, *bounds), -widest), min(max(0.0, *bounds), widest)
    space = 0.06 * (right - left)
    return left - space, right + space


def _draw_interval(ax: Axes, y: float, metric: MetricResult, one: ComparisonResult, edges: tuple[float, float]) -> None:
    left, right = edges
    color, marker = NEUTRAL, "o"
    if one.is_significant:
        color, marker = (BETTER, "^") if one.direction == "better" else (WORSE, "v")
    low, high = one.lift.low or 0.0, one.lift.high or 0.0
    value = one.lift.value or 0.0
    ax.plot([max(low, left), min(high, right)], [y, y], color=color, linewidth=2.2, solid_capstyle="butt")
    for edge, goes_on, arrow in ((left, low < left, "<"), (right, high > right, ">")):
        if goes_on:
            ax.plot([edge], [y], color=color, marker=arrow, markersize=7, clip_on=False)
    if left <= value <= right:
        ax.plot(
            [value], [y], color=color, marker=marker, markersize=8, markerfacecolor="white" if marker == "o" else color
        )
    if metric.role == "guardrail" and metric.margin is not None:
        edge = metric.margin if metric.goal == "minimize" else -metric.margin
        if left <= edge <= right:
            ax.plot([edge], [y], color="black", marker="|", markersize=16, markeredgewidth=1.6)


def _label(analysis: Analysis, metric: MetricResult, one: ComparisonResult) -> str:
    several = len(analysis.primary.comparisons) > 1
    name = f"{metric.name} ({one.variant})" if several else metric.name
    return f"{escape(short(name))}\n{metric.role}, {metric.goal}"


def describe_forest(analysis: Analysis) -> str:
    """Say in words what the forest plot shows."""
    parts = [
        f"{metric.name} in {one.variant}: {span(one.lift.low, one.lift.high, kind='lift')}"
        for metric, one in forest_rows(analysis)
    ]
    levels = sorted({confidence(one.confidence_level) for _, one in forest_rows(analysis)}, reverse=True)
    return f"Change relative to control, with {' and '.join(levels)} intervals. {'; '.join(parts)}."


def describe_series(analysis: Analysis) -> str:
    """Say in words what the plot over time shows."""
    parts = []
    for series in analysis.series:
        last: Any = series.points[-1]
        parts.append(
            f"{series.variant}, {series.points[0].day} to {last.day}: at the end "
            f"{span(last.low, last.high, kind=analysis.primary.kind)}"
        )
    return f"Effect on {analysis.primary.name} up to each day, with an always-valid band. {'; '.join(parts)}."
