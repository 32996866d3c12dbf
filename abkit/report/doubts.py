"""The block of a report that doubts its verdict."""

from __future__ import annotations

from markupsafe import Markup

from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis
from abkit.analyzer.robustness import HEADER, Robustness
from abkit.report.page import Block, effects


_NOTE = (
    "The planned verdict stands; this says how much it hangs on. To plan otherwise because of this table would undo the "
    "error rates that the plan has."
)


def robustness_card(analysis: Analysis, robustness: Robustness) -> Block:
    """Say whether a few units, other choices, a prior or the winner's curse would change the verdict."""
    said = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in robustness.sentences)
    rows = [list(row) for row in robustness.rows()]
    table = html_table(HEADER, rows, caption="The verdict under other choices that could have been planned")
    note = Markup("<p>{}</p>").format(_NOTE)
    return effects(analysis, "Would the verdict change?", Markup("<ul>{}</ul>").format(said), table, note)
