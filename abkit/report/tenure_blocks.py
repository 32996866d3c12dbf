"""The block of a report that asks whether the effect lasts."""

from __future__ import annotations

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers
from abkit.analyzer.breakdown import TenureResult
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis
from abkit.report.page import Block, effects, figure

_TITLE = "Does the effect last?"


def tenure(analysis: Analysis) -> Block:
    """Show the primary metric's effect by days since a unit's first row, and whether it drifts."""
    found = analysis.tenure
    if found is None or not found.trends:
        reason = found.reason if found is not None else "it was not collected"
        return effects(analysis, _TITLE, Markup("<p>Not available: {}.</p>").format(reason))
    said = Markup("").join(Markup("<p>{}</p>").format(trend.text) for trend in found.trends)
    level = numbers.confidence(found.trends[0].confidence_level)
    caption = f"Effect by days since the unit's first row; {level} intervals, which hold for all days together"
    words = plots.describe_tenure(analysis)
    drawn = figure(lambda ax: plots.tenure(analysis, ax), words, caption, _table(analysis, found), 5)
    return effects(analysis, _TITLE, said, drawn)


def _table(analysis: Analysis, found: TenureResult) -> Markup:
    kind = analysis.primary.kind
    names = [variant.name for variant in analysis.variants]
    rows = [
        [
            str(one.day),
            trend.variant,
            *(numbers.count(one.units[name]) for name in names),
            numbers.difference(one.difference.value, kind),
            numbers.span(one.difference.low, one.difference.high, kind=kind),
        ]
        for trend in found.trends
        for one in trend.effects
    ]
    header = ("day", "variant", *(f"units in {name}" for name in names), "difference", "interval")
    return html_table(header, rows, caption=f"{found.metric} by days since the unit's first row")
