"""The block of a report that shows what means hide: the distribution of values."""

from __future__ import annotations

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers
from abkit.analyzer.breakdown import DistributionResult, QuantileEffect
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis
from abkit.report.page import Block, effects, figure

_SHOWN = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_MOST_FIGURES = 6
_FINDINGS = {"better": "▲ better", "worse": "▼ worse", None: "○ not told apart from no change"}


def distributions(analysis: Analysis) -> Block:
    """Show the distribution of every mean and quantile: curves, zeros, and where the tails differ."""
    title = "Distributions"
    if not analysis.distributions:
        return effects(analysis, title, Markup("<p>No metric is a mean or a quantile of rows.</p>"))
    drawn = plots.columns_drawn(analysis)[:_MOST_FIGURES]
    parts = [_one(analysis, found, draws=found.column in drawn) for found in analysis.distributions]
    return effects(analysis, title, *parts)


def _one(analysis: Analysis, found: DistributionResult, *, draws: bool) -> Markup:
    head = Markup("<h3>{}</h3>").format(found.column)
    table = _curve_table(found)
    if draws:
        caption = "Share of values at or below each value, uncapped; the farther right, the larger the values"
        words = plots.describe_distribution(analysis, found.column)
        table = figure(lambda ax: plots.distribution(analysis, found.column, ax), words, caption, table, 6)
    return head + table + _effect_table(found)


def _curve_table(found: DistributionResult) -> Markup:
    reads = [dict(zip(found.probabilities, curve.quantiles, strict=False)) for curve in found.curves]
    rows = [
        ["values", *(numbers.count(curve.rows) for curve in found.curves)],
        ["zeros", *(numbers.percent(curve.zero_share) for curve in found.curves)],
        *([f"p{100 * q:g}", *(numbers.level(read.get(q), "quantile") for read in reads)] for q in _SHOWN),
    ]
    header = ("", *(curve.variant for curve in found.curves))
    return html_table(header, rows, caption=f"{found.column}: values, zeros and quantiles")


def _effect_table(found: DistributionResult) -> Markup:
    rows = [
        [
            f"p{100 * one.q:g}",
            one.variant,
            numbers.difference(one.difference.value, "quantile"),
            numbers.span(one.difference.low, one.difference.high, kind="quantile"),
            numbers.percent(one.lift.value, signed=True),
            numbers.span(one.lift.low, one.lift.high, kind="lift"),
            _finding(one),
        ]
        for one in found.effects
    ]
    level = numbers.confidence(found.effects[0].confidence_level)
    header = ("quantile", "variant", "difference", "interval", "lift", "interval of the lift", "finding")
    caption = f"{found.column}: quantiles against control, {level} intervals, which hold for all rows together"
    return html_table(header, rows, caption=caption)


def _finding(one: QuantileEffect) -> str:
    if one.difference.low is None:
        return f"… not compared: {one.difference.reason}"
    return _FINDINGS[one.direction if one.is_significant else None]
