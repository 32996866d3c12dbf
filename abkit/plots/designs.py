"""Figures of a design before it runs: power, traffic, verdicts; a result in, Axes out; nothing is computed here."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from abkit.analyzer.numbers import count, number, percent
from abkit.errors import DataError
from abkit.plots.axes import BETTER, NEUTRAL, PALETTE, WORSE, curve, escape, finish_power, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from abkit.analyzer.aa import AAValidation
    from abkit.analyzer.operating import OperatingCharacteristics
    from abkit.analyzer.plan_estimate import PlanEstimate
    from abkit.assignment.split_result import SplitSimulation, VariantShare

_OFFSET = "offset points"
_VERDICTS = {
    "ship": (BETTER, "ship", "//"),
    "do_not_ship": (WORSE, "do not ship", "xx"),
    "invalid": ("#CC79A7", "invalid", ".."),
    "keep_running": ("#E69F00", "keep running", "--"),
    "below_threshold": ("#56B4E9", "below threshold", "++"),
    "inconclusive": ("#cccccc", "inconclusive", ""),
}


def power_curve(plan: PlanEstimate, ax: Axes | None = None) -> Axes:
    """Draw the power of the decision, and of each gate, against units over all variants.

    Raises
    ------
    DataError
        The plan has no size.
    """
    if not plan.curve or plan.units is None:
        raise DataError("\n".join(["there is no power curve:", *(f"  - {reason}" for reason in plan.reasons)]))
    ax = ax if ax is not None else new_axes(7)
    units = [point.units for point in plan.curve]
    for place, name in enumerate(plan.curve[0].gates):
        powers = [100 * point.gates[name] for point in plan.curve]
        style = ("--", ":", "-.")[place % 3]
        ax.plot(units, powers, color=PALETTE[place % len(PALETTE)], linestyle=style, label=escape(short(name)))
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
    finish_power(ax, units)
    ax.xaxis.set_major_formatter(lambda value, _: count(value))
    ax.xaxis.set_minor_formatter("")
    return ax


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
    ax = ax if ax is not None else new_axes(len(variants))
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
    tidy(ax)
    return ax


def arrivals(simulation: SplitSimulation, ax: Axes | None = None) -> Axes:
    """Draw how many users have come up to each day, and the planned size."""
    ax = ax if ax is not None else new_axes(5)
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
    tidy(ax)
    return ax


def _share_label(one: VariantShare) -> str:
    return f"{escape(short(one.name))}\nplanned {percent(one.planned_share, 2)}"


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


def verdicts(characteristics: OperatingCharacteristics, ax: Axes | None = None) -> Axes:
    """Draw the share of simulated experiments that end with each verdict, scenario by scenario.

    Parameters
    ----------
    characteristics : OperatingCharacteristics
        What `ab.operating_characteristics` returns.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes
    """
    scenarios = list(reversed(characteristics.scenarios))
    ax = ax if ax is not None else new_axes(len(scenarios) + 1)
    left = [0.0] * len(scenarios)
    for verdict, (color, word, hatch) in _VERDICTS.items():
        shares = [100 * one.probabilities[verdict] for one in scenarios]
        if any(shares):
            ax.barh(range(len(scenarios)), shares, left=left, color=color, hatch=hatch, edgecolor="white", label=word)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    ax.axvline(100 * characteristics.alpha, color="black", linewidth=0.8, linestyle=":")
    ax.axvline(100 * characteristics.power, color="black", linewidth=0.8, linestyle="--")
    ax.set_yticks(range(len(scenarios)), [escape(short(one.name)) for one in scenarios])
    ax.set_xlim(0, 100)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    ax.set_xlabel("simulated experiments; dotted: alpha, dashed: planned power")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    tidy(ax)
    return ax


def describe_verdicts(characteristics: OperatingCharacteristics) -> str:
    """Say in words what the plot of verdicts shows."""
    said = [f"{one.name}: ships in {percent(one.probabilities['ship'], 1)}" for one in characteristics.scenarios]
    return f"How often the design ships. {'; '.join(said)}."


def p_values(validation: AAValidation, ax: Axes | None = None) -> Axes:
    """Draw the share of A/A tests with at most each p-value; an honest test follows the diagonal."""
    ax = ax if ax is not None else new_axes(8)
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
    for place, one in enumerate(metric for metric in validation.metrics if metric.tests):
        steps = [(i + 1) / one.tests for i in range(one.tests)]
        ax.step(one.p_values, steps, where="post", label=escape(short(one.name)), **curve(place))
    ax.axvline(validation.alpha, color="black", linewidth=0.8)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("p-value; the upright line is alpha")
    ax.set_ylabel("share of A/A splits at or below it")
    ax.legend(frameon=False, loc="lower right")
    tidy(ax)
    return ax


def describe_p_values(validation: AAValidation) -> str:
    """Say in words what the plot of p-values shows."""
    said = [f"{one.name}: {percent(one.rate, 1)}" for one in validation.metrics if one.tests]
    return f"Share of A/A splits with a p-value of at most {validation.alpha:g}. {'; '.join(said)}."
