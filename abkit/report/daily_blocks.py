"""The block of a report that shows how many units came on each day."""

from __future__ import annotations

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis
from abkit.report.page import Block, figure, section


def daily_units(analysis: Analysis) -> Block:
    """Show new units by day and variant, and which days were not split as planned."""
    check = analysis.check("daily_counts")
    said = Markup("<p>{}.</p>").format(check.message[:1].upper() + check.message[1:])
    if not analysis.daily:
        return section("New units by day", said)
    names = [variant.name for variant in analysis.variants]
    rows = [
        [one.day, *(numbers.count(one.units[name]) for name in names), numbers.p_value(one.p_value_adjusted)]
        for one in analysis.daily
    ]
    table = html_table(("from", *names, "p of the split, adjusted"), rows, caption="New units by variant")
    caption = "Units by the day of their first row (UTC); a ring marks a day that was not split as planned"
    drawn = figure(lambda ax: plots.daily_units(analysis, ax), plots.describe_daily_units(analysis), caption, table, 5)
    return section("New units by day", said, drawn)
