"""The block of a report that shows effects by segment."""

from __future__ import annotations

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers
from abkit.analyzer.breakdown import SegmentComparison, SegmentEffect, SegmentResult
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis, MetricResult
from abkit.analyzer.segment_wording import left_out_text
from abkit.report.page import Block, effects, figure

_FINDINGS = {"better": "▲ better", "worse": "▼ worse", None: "○ not told apart from no change"}


def segments(analysis: Analysis) -> Block:
    """Show every metric by segment: first whether the effects differ at all, then each with an adjusted interval."""
    if not analysis.segments:
        text = "No segment was planned: name columns in `segments` of the data to see results by them."
        return effects(analysis, "Segments", Markup("<p>{}</p>").format(text))
    return effects(analysis, "Segments", *(_by_column(analysis, result) for result in analysis.segments))


def _by_column(analysis: Analysis, result: SegmentResult) -> Markup:
    primary = analysis.primary.name
    parts = [Markup("<h3>By {}</h3>").format(result.column)]
    found = [one for one in result.comparisons if one.metric == primary]
    parts += [Markup("<p>{}</p>").format(one.interaction.text) for one in found]
    left_out = left_out_text(result)
    parts += [Markup("<p>{}</p>").format(left_out)] if left_out else []
    table = _effects_table(analysis, result, analysis.primary)
    if any(effect.difference.low is not None for one in found for effect in one.effects):
        parts.append(_figure(analysis, result, found, table))
    else:
        parts.append(table)
    others = [metric for metric in plots.metrics_by(analysis, result) if metric.name != primary]
    if others:
        tables = Markup("").join(_effects_table(analysis, result, metric) for metric in others)
        summary = Markup("<details><summary>Other metrics by {}</summary>{}{}</details>")
        parts.append(summary.format(result.column, _interactions(result, primary), tables))
    return Markup("").join(parts)


def _figure(analysis: Analysis, result: SegmentResult, found: list[SegmentComparison], table: Markup) -> Markup:
    level = " and ".join(sorted({numbers.confidence(one.confidence_level) for one in found}))
    caption = (
        f"Effect by {result.column}; {level} intervals, which hold for all segments together. ◆ all units, ▲ better, "
        "▼ worse, ○ not told apart from no change, × no interval"
    )
    name = analysis.primary.name
    words = plots.describe_segments(analysis, result.column, name)
    rows = len(plots.segment_rows(analysis, result, name))
    return figure(lambda ax: plots.segments(analysis, result.column, name, ax), words, caption, table, rows)


def _effects_table(analysis: Analysis, result: SegmentResult, metric: MetricResult) -> Markup:
    control = next(variant.name for variant in analysis.variants if variant.is_control)
    header = ("segment", "variant", "units", "difference", "interval", "lift", "interval of the lift", "p", "finding")
    rows = [
        [
            effect.value,
            one.variant,
            f"{numbers.count(units.units[one.variant])} and {numbers.count(units.units[control])} in control",
            numbers.difference(effect.difference.value, metric.kind),
            numbers.span(effect.difference.low, effect.difference.high, kind=metric.kind),
            numbers.percent(effect.lift.value, signed=True),
            numbers.span(effect.lift.low, effect.lift.high, kind="lift"),
            numbers.p_value(effect.p_value_adjusted),
            _finding(effect),
        ]
        for one in result.comparisons
        if one.metric == metric.name
        for units, effect in zip(result.segments, one.effects, strict=True)
    ]
    return html_table(header, rows, caption=f"{metric.name} by {result.column}, adjusted for the number of segments")


def _finding(effect: SegmentEffect) -> str:
    if effect.difference.low is None:
        return f"… not compared: {effect.difference.reason}"
    return _FINDINGS[effect.direction if effect.is_significant else None]


def _interactions(result: SegmentResult, primary: str) -> Markup:
    rows = [
        [one.metric, one.variant, numbers.p_value(one.interaction.p_value_adjusted), one.interaction.text]
        for one in result.comparisons
        if one.metric != primary
    ]
    header = ("metric", "variant", "interaction p", "what that says")
    return html_table(header, rows, caption=f"Does the effect differ by {result.column}?")
