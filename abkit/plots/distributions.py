"""Figures of distributions: the share of values at or below each value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abkit.analyzer.breakdown import Curve, DistributionResult
from abkit.analyzer.numbers import level, percent
from abkit.analyzer.result import Analysis
from abkit.errors import DataError
from abkit.plots.axes import curve, escape, new_axes, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SKEWED = 10.0


def distribution(analysis: Analysis, column: str, ax: Axes | None = None) -> Axes:
    """Draw the share of values at or below each value (ECDF) in every variant; a logarithmic axis where it is skewed.

    Raises
    ------
    DataError
        The column has no distribution: no mean and no quantile is of it, or it has too few values.
    """
    found = _found(analysis, column)
    ax = ax if ax is not None else new_axes(6)
    shares = [100 * probability for probability in found.probabilities]
    for place, one in enumerate(found.curves):
        ax.step(one.quantiles, shares, where="post", label=escape(short(one.variant)), **curve(place))
    if is_skewed(found):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylim(0, 100)
    ax.set_xlabel(escape(short(column)))
    ax.set_ylabel("share of values at or below (%)")
    ax.legend(frameon=False, loc="lower right")
    tidy(ax)
    return ax


def columns_drawn(analysis: Analysis) -> list[str]:
    """Return the columns that have a distribution to draw, in the analysis' order."""
    return [one.column for one in analysis.distributions if all(curve.quantiles for curve in one.curves)]


def is_skewed(found: DistributionResult) -> bool:
    """Whether the values are positive and their 99th percentile is far beyond their median."""
    ends = [(curve.quantiles[0], at(found, curve, 0.5), curve.quantiles[-1]) for curve in found.curves]
    return all(low > 0 for low, _, _ in ends) and any(high > _SKEWED * middle for _, middle, high in ends)


def at(found: DistributionResult, curve: Curve, q: float) -> float:
    """Return a quantile of a curve."""
    return curve.quantiles[found.probabilities.index(q)]


def describe_distribution(analysis: Analysis, column: str) -> str:
    """Say in words what the figure shows."""
    found = _found(analysis, column)
    parts = [
        f"{curve.variant}: p10 {level(at(found, curve, 0.1), 'mean')}, p50 {level(at(found, curve, 0.5), 'mean')}, "
        f"p90 {level(at(found, curve, 0.9), 'mean')}, p99 {level(at(found, curve, 0.99), 'mean')}, "
        f"zeros {percent(curve.zero_share)}"
        for curve in found.curves
    ]
    return f"Share of values of {column} at or below each value. {'; '.join(parts)}."


def _found(analysis: Analysis, column: str) -> DistributionResult:
    if not analysis.distributions:
        raise DataError("no distribution was read; ask for them: ab.analyze(..., details=True)")
    if column not in columns_drawn(analysis):
        raise DataError(f"{column!r} has no distribution to draw: it takes rows of a mean or a quantile, ten or more")
    return next(one for one in analysis.distributions if one.column == column)
