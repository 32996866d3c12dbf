"""The parts that blocks are made of: sections, folded effects, figures with words."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from abkit.analyzer.result import Analysis

SENTINEL = "application/vnd.abkit.report+json"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a report that shows itself in a notebook."""

    html: Markup

    def _repr_html_(self) -> str:
        return str(self.html)


def section(title: str, *parts: Markup) -> Block:
    """Put parts under a heading."""
    return Block(Markup("<section><h2>{}</h2>{}</section>").format(title, Markup("").join(parts)))


def effects(analysis: Analysis, title: str, *parts: Markup) -> Block:
    """Effects of an invalid experiment stay folded and are marked as not to be used."""
    if analysis.decision.verdict != "invalid":
        return section(title, *parts)
    warning = "Do not use these numbers for decisions: the experiment is invalid. Show them all the same"
    end = "End of numbers that must not be used for decisions."
    folded = Markup(
        '<details class="unusable"><summary>{}</summary><div class="watermarked">{}<p class="note">{}</p></div>'
        "</details>"
    ).format(warning, Markup("").join(parts), end)
    return section(title, folded)


def figure(draw: Callable[[Any], Any], description: str, caption: str, table: Markup, rows: int) -> Markup:
    """Draw into an SVG that is an image to the page: no script in it runs, and it has words and a table beside it.

    It has no background, so that a dark page can turn it over.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = {"svg.fonttype": "none", "svg.hashsalt": "abkit", "font.family": "sans-serif", "font.size": 10}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's own fonts draw the text
        figure = Figure(figsize=(8.6, 1.1 + 0.5 * max(rows, 2)), layout="constrained")
        draw(figure.subplots())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    image = base64.b64encode(buffer.getvalue()).decode()
    return Markup(
        '<figure><div class="scroll" role="group" tabindex="0" aria-label="Figure, may scroll sideways">'
        '<img src="data:image/svg+xml;base64,{}" alt="{}"></div><figcaption>{}</figcaption>'
        "<details><summary>The same as a table</summary>{}</details></figure>"
    ).format(image, description, caption, table)


def leave(document: str, content: dict[str, Any], run_id: str) -> None:
    """Mark the end of a report: without it nothing is published. Carries the document, such as the analysis."""
    from IPython.display import display

    bundle = {SENTINEL: {"run_id": run_id, document: content}, "text/plain": f"report {run_id} is complete"}
    display(bundle, raw=True)  # type: ignore[no-untyped-call]
