"""What would settle a verdict, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis, Need
from abkit.analyzer.robustness import HEADER, Robustness
from abkit.report.page import Block, effects

_NOTE = (
    "The planned verdict stands; this says how much it hangs on. To plan otherwise because of this table would undo "
    "the error rates that the plan has."
)


def needs_list(needs: Sequence[Need]) -> Markup:
    """List what each open gate still needs; a single need is told by the recommendation already."""
    items = Markup("").join(Markup("<li>{}</li>").format(need.text) for need in needs)
    return Markup("<p>What would settle it:</p><ul>{}</ul>").format(items) if len(needs) > 1 else Markup("")


def robustness_card(analysis: Analysis, robustness: Robustness) -> Block:
    """Say whether a few units, other choices, a prior or the winner's curse would change the verdict."""
    rows = [list(row) for row in robustness.rows()]
    table = html_table(HEADER, rows, caption="The verdict under other choices that could have been planned")
    note = Markup("<p>{}</p>").format(_NOTE)
    return effects(analysis, "Would the verdict change?", robustness.told, table, note)
