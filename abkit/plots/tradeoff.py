"""What a variant costs against what it achieves; a result in, Axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import special

from abkit.analyzer.numbers import confidence, level
from abkit.analyzer.result import Analysis, LevelEstimate, MetricResult
from abkit.errors import DataError
from abkit.plots.axes import NEUTRAL, PALETTE, escape, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^vP"


def cost_against_success(
    analysis: Analysis, cost: str = "cost_usd", success: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one point per variant, with both intervals, and a line through those that no other one beats on both.

    Intervals are of the levels, each by itself: whether two variants differ is said by their comparison, which knows
    what they share (the same tasks, say). The line goes by the estimates alone.

    Parameters
    ----------
    analysis : Analysis
    cost, success : str
        Metrics, across and up; `success` is the primary metric by default.
    ax : matplotlib Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    NotFoundError
        No such metric.
    DataError
        Fewer than two variants have a level of both.
    """
    across, up = analysis.metric(cost), analysis.metric(success or analysis.primary.name)
    points = _points(across, up)
    ax = ax if ax is not None else new_axes(8)
    z = float(special.ndtri((1 + analysis.experiment.confidence_level) / 2))
    for place, name in enumerate(points):
        x, y = across.levels[name], up.levels[name]
        color, marker = PALETTE[place % len(PALETTE)], _MARKERS[place % len(_MARKERS)]
        bars = [None if one.se is None else [z * one.se * _scale(m)] for one, m in ((x, across), (y, up))]
        at = [(one.value or 0) * _scale(m) for one, m in ((x, across), (y, up))]
        ax.errorbar(at[0], at[1], xerr=bars[0], yerr=bars[1], color=color, marker=marker, markersize=9, linewidth=1.6,
                    linestyle="none", label=escape(short(name)))  # fmt: skip
    frontier = [
        (points[name][0] * _scale(across), points[name][1] * _scale(up)) for name in unbeaten(analysis, cost, success)
    ]
    ax.plot(
        *zip(*frontier, strict=True), color=NEUTRAL, linestyle=":", linewidth=1.2, zorder=0, label="not beaten on both"
    )
    ax.set_xlabel(_axis(across))
    ax.set_ylabel(_axis(up))
    ax.margins(0.12)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    tidy(ax)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    return ax


def unbeaten(analysis: Analysis, cost: str = "cost_usd", success: str | None = None) -> list[str]:
    """Return the variants that no other one beats on both metrics, by their estimates, the cheapest first."""
    across, up = analysis.metric(cost), analysis.metric(success or analysis.primary.name)
    signs = [1 if metric.goal == "minimize" else -1 for metric in (across, up)]
    scores = {name: (signs[0] * x, signs[1] * y) for name, (x, y) in _points(across, up).items()}
    beaten = {
        name for name, (x, y) in scores.items() for a, b in scores.values() if a <= x and b <= y and (a, b) != (x, y)
    }
    return sorted(scores.keys() - beaten, key=lambda name: scores[name])


def describe_cost_against_success(analysis: Analysis, cost: str = "cost_usd", success: str | None = None) -> str:
    """Say in words what the plot of cost against success shows."""
    across, up = analysis.metric(cost), analysis.metric(success or analysis.primary.name)
    said = [
        f"{name}: {across.name} {level(x, across.kind)}, {up.name} {level(y, up.kind)}"
        for name, (x, y) in _points(across, up).items()
    ]
    names = ", ".join(unbeaten(analysis, cost, success))
    told = confidence(analysis.experiment.confidence_level)
    return (
        f"{up.name} against {across.name}, one point per variant with {told} intervals of both levels. "
        f"{'; '.join(said)}. Not beaten on both, by the estimates: {names}."
    )


def _points(across: MetricResult, up: MetricResult) -> dict[str, tuple[float, float]]:
    pairs: dict[str, tuple[LevelEstimate, LevelEstimate]] = {n: (one, up.levels[n]) for n, one in across.levels.items()}
    found = {n: (x.value, y.value) for n, (x, y) in pairs.items() if x.value is not None and y.value is not None}
    if len(found) < 2:
        raise DataError(f"fewer than two variants have a level of both {across.name!r} and {up.name!r}")
    return found


def _scale(metric: MetricResult) -> int:
    return 100 if metric.kind == "proportion" else 1


def _axis(metric: MetricResult) -> str:
    better = "less is better" if metric.goal == "minimize" else "more is better"
    return f"{escape(short(metric.name))}{' (%)' if metric.kind == 'proportion' else ''}, {better}"
