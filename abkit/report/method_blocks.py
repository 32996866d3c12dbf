"""How the numbers were made, what the words mean, and what gives them again."""

from __future__ import annotations

import shlex

from markupsafe import Markup

from abkit import __version__
from abkit.analyzer.glossary import exclusions, method_notes, terms
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis
from abkit.report.page import Block, section


def methods(analysis: Analysis) -> Block:
    """Explain the methods that were used, what was left out, and the words."""
    table = html_table(("method", "what it does"), list(method_notes(analysis)), caption="Methods that were used")
    left_out = Markup("").join(Markup("<li>{}</li>").format(text) for text in exclusions(analysis))
    words = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*term) for term in terms())
    return section(
        "Methods and words",
        table,
        Markup("<h3>Left out</h3><ul>{}</ul>").format(left_out),
        Markup('<h3>Words</h3><dl class="words">{}</dl>').format(words),
    )


def how_to_reproduce(analysis: Analysis, command: str) -> Block:
    """Say what gives the same numbers again."""
    rows = [
        ["command", command],
        ["data fingerprint", analysis.data.fingerprint],
        ["plan hash", analysis.plan.design_hash],
        ["as of", analysis.as_of],
        ["abkit", __version__],
        ["experiment id", analysis.experiment.id],
        ["numbers", "analysis.json beside this file, in full precision"],
        ["versions and parameters", "manifest.json beside this file"],
    ]
    return section("How to reproduce", html_table(("what", "value"), rows, caption="What gives these numbers again"))


def command_line(target: str, as_of: str) -> str:
    """Write the command that renders the same report again."""
    return f"abkit report {shlex.quote(target)}" + (f" --as-of {shlex.quote(as_of)}" if as_of else "")
