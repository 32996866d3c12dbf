"""What the figures share: axes, a palette, and text that no formula starts in.

Colours are from Okabe & Ito's palette, and every colour has a marker of its own: ▲ better, ▼ worse, ○ not told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BETTER, WORSE, NEUTRAL = "#0072B2", "#D55E00", "#666666"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def new_axes(rows: int) -> Axes:
    """Make a figure with room for so many rows."""
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(8, 1.2 + 0.42 * rows), layout="constrained")
    return cast("Axes", ax)


def escape(text: str) -> str:
    """A dollar sign would start a formula, and a character that XML does not take would break the image."""
    return _NOT_XML.sub("\ufffd", text).replace("\\", "\\\\").replace("$", r"\$")


def short(name: str) -> str:
    """Cut a name to what fits beside an axis."""
    return name if len(name) <= 40 else f"{name[:39]}…"


def tidy(ax: Axes) -> None:
    """Leave what carries information."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
