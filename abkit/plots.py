"""Figures: a result in, Axes out; nothing is computed here.

Colours are from Okabe & Ito's palette, and every colour has a marker of its own: ▲ better, ▼ worse, ○ not told apart.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from abkit.analyzer.numbers import confidence, count, percent, span
from abkit.analyzer.plan_estimate import PlanEstimate
from abkit.analyzer.numbers import confidence, number, percent, span
from abkit.analyzer.result import Analysis, ComparisonResult, MetricResult
from abkit.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from abkit.assignment.split_result import SplitSimulation, VariantShare

BETTER, WORSE, NEUTRAL = "#0072B2", "#D55E00", "#666666"
_CURVES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_OFFSET = "offset points"
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
    ax = ax if ax is not None else _new_axes(len(rows))
    edges = _axis_edges([bound for _, one in rows for bound in (one.lift.low, one.lift.high) if bound is not None])
    for place, (metric, one) in enumerate(rows):
        _draw_interval(ax, len(rows) - 1 - place, metric, one, edges)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlim(*edges)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_yticks(range(len(rows)), [_label(analysis, metric, one) for metric, one in reversed(rows)])
    ax.set_xlabel("change relative to control; bars are intervals, | is a guardrail's margin")
    ax.xaxis.set_major_formatter(lambda value, _: percent(value, signed=True))
    _tidy(ax)
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
    ax = ax if ax is not None else _new_axes(5)
    scale = 100 if analysis.primary.kind == "proportion" else 1
    for place, series in enumerate(analysis.series):
        points = [point for point in series.points if point.low is not None and point.high is not None]
        days = [point.day for point in points]
        color = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")[place % 4]
        ax.fill_between(
            days,
            [scale * (point.low or 0) for point in points],
            [scale * (point.high or 0) for point in points],
            color=color,
            alpha=0.18,
            linewidth=0,
        )
        ax.plot(days, [scale * (p.difference or 0) for p in points], color=color, marker="o", label=series.variant)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_ylabel(f"{_escape(analysis.primary.name)}: difference{' (pp)' if scale == 100 else ''}")
    ax.tick_params(axis="x", labelrotation=30)
    if len(analysis.series) > 1:
        ax.legend(frameon=False)
    _tidy(ax)
    return ax


def power_curve(plan: PlanEstimate, ax: Axes | None = None) -> Axes:
    """Draw the power of the decision, and of each gate, against units over all variants.

    Raises
    ------
    DataError
        The plan has no size.
    """
    if not plan.curve or plan.units is None:
        raise DataError("\n".join(["there is no power curve:", *(f"  - {reason}" for reason in plan.reasons)]))
    ax = ax if ax is not None else _new_axes(7)
    units = [point.units for point in plan.curve]
    for place, name in enumerate(plan.curve[0].gates):
        powers = [100 * point.gates[name] for point in plan.curve]
        style = ("--", ":", "-.")[place % 3]
        ax.plot(units, powers, color=_CURVES[place % len(_CURVES)], linestyle=style, label=_escape(_short(name)))
    ax.plot(units, [100 * p.decision for p in plan.curve], color="black", linewidth=2.2, label="decision, at least")
    ax.axhline(100 * plan.target_power, color=NEUTRAL, linewidth=0.8)
    target = (units[-1], 100 * plan.target_power)
    ax.annotate(f"target {percent(plan.target_power)}", target, (-2, -12), textcoords=_OFFSET, ha="right")
    for size, word, height in ((plan.units, "needed", 2), (plan.planned_units, "as planned now", 9)):
        if units[0] <= size <= units[-1] and (word == "needed" or size != plan.units):
            ax.axvline(size, color=NEUTRAL, linewidth=0.8, linestyle=":")
            side = -1 if size**3 > units[-1] ** 2 * units[0] else 1  # in the right third there is no room to the right
            ha = "right" if side < 0 else "left"
            ax.annotate(f"{count(size)} {word}", (size, height), (4 * side, 0), textcoords=_OFFSET, ha=ha)
    ax.set_xscale("log")
    ax.set_xlim(units[0], units[-1])
    ax.set_ylim(0, 102)
    ax.xaxis.set_major_formatter(lambda value, _: count(value))
    ax.xaxis.set_minor_formatter("")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    ax.set_xlabel("units over all variants")
    ax.set_ylabel("power")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _tidy(ax)
    return ax


def _new_axes(rows: int) -> Axes:
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(8, 1.2 + 0.42 * rows), layout="constrained")
    return cast("Axes", ax)


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
    return f"{_escape(_short(name))}\n{metric.role}, {metric.goal}"


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"


def _escape(text: str) -> str:
    """A dollar sign would start a formula."""
    return text.replace("\\", "\\\\").replace("$", r"\$")


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)


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


def describe_power_curve(plan: PlanEstimate) -> str:
    """Say in words what the power curve shows."""
    points = [p for p in plan.curve if p.units in (plan.planned_units, plan.units)]
    said = "; ".join(f"{count(point.units)} units: at least {percent(point.decision)}" for point in points)
    return f"Power of the decision to ship a true effect of {percent(plan.effect)}, by units over all variants. {said}."
def split(simulation: SplitSimulation, ax: Axes | None = None) -> Axes:
    """Draw how far each variant's share is off the plan, with the ranges of sound splits.

    Parameters
    ----------
    simulation : SplitSimulation
        What `ab.simulate_split` returns.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes
    """
    variants = simulation.variants
    ax = ax if ax is not None else _new_axes(len(variants))
    for place, one in enumerate(reversed(variants)):
        for low, high, width, color in (
            (one.low_999, one.high_999, 3.0, "#bbbbbb"),
            (one.low_95, one.high_95, 9.0, "#8c8c8c"),
        ):
            ends = [100 * (edge - one.planned_share) for edge in (low, high)]
            ax.plot(ends, [place, place], color=color, linewidth=width, solid_capstyle="butt")
        is_sound = one.low_999 <= one.share <= one.high_999
        color, marker = (BETTER, "o") if is_sound else (WORSE, "X")
        off = 100 * (one.share - one.planned_share)
        ax.plot([off], [place], color=color, marker=marker, markersize=9, markeredgecolor="white", linestyle="none")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_ylim(-0.7, len(variants) - 0.3)
    ax.set_yticks(range(len(variants)), [_share_label(one) for one in reversed(variants)])
    ax.set_xlabel("deviation from the planned share (pp)")
    ax.xaxis.set_major_formatter(lambda value, _: number(value, 2, signed=True))
    _tidy(ax)
    return ax


def arrivals(simulation: SplitSimulation, ax: Axes | None = None) -> Axes:
    """Draw how many users have come up to each day, and the planned size."""
    ax = ax if ax is not None else _new_axes(5)
    days, target = [day.day for day in simulation.arrivals], simulation.duration.planned_users
    visits = list(accumulate(day.new + day.returning for day in simulation.arrivals))
    ax.plot(days, [day.users for day in simulation.arrivals], color=BETTER, marker="o", label="users")
    if any(day.returning for day in simulation.arrivals):
        ax.plot(days, visits, color=NEUTRAL, linestyle=":", label="visits, returning users counted again")
    ax.axhline(target, color=WORSE, linestyle="--", label=f"planned size: {target:,}")
    ax.set_ylim(0)
    ax.set_xlim(0.5, len(days) + 0.5)
    ax.set_xlabel("day")
    ax.set_ylabel("up to the end of the day")
    ax.locator_params(axis="x", integer=True)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.legend(frameon=False)
    _tidy(ax)
    return ax


def _share_label(one: VariantShare) -> str:
    return f"{_escape(_short(one.name))}\nplanned {percent(one.planned_share, 2)}"


def describe_split(simulation: SplitSimulation) -> str:
    """Say in words what the plot of shares shows."""
    parts = [
        f"{one.name}: {percent(one.share, 2)}, planned {percent(one.planned_share, 2)}, 99.9 % of sound splits between "
        f"{percent(one.low_999, 2)} and {percent(one.high_999, 2)}"
        for one in simulation.variants
    ]
    return f"Shares of the variants beside the plan. {'; '.join(parts)}."


def describe_arrivals(simulation: SplitSimulation) -> str:
    """Say in words what the plot of arrivals shows."""
    last = simulation.arrivals[-1]
    return f"Users up to each day: {last.users:,} by day {last.day}. {simulation.check('duration').message}."
