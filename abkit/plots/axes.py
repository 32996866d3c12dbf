"""What the figures share: axes, a palette, and text that no formula starts in.

Colours are from Okabe & Ito's palette, and every colour has a marker of its own: ▲ better, ▼ worse, ○ not told apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, cast

from abkit.errors import ParameterError, suggest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BETTER, WORSE, NEUTRAL = "#0072B2", "#D55E00", "#666666"
_DASHES = ("-", "--", "-.", ":")
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def new_axes(rows: int) -> Axes:
    """Make a figure with room for so many rows."""
    from matplotlib import pyplot

    _, ax = pyplot.subplots(figsize=(8, 1.2 + 0.42 * rows), layout="constrained")
    return cast("Axes", ax)


def save(ax: Axes, path: str | PathLike[str]) -> None:
    """Save the figure of some axes as SVG or PNG (or PDF): sharp, and the same bytes for the same figure.

    Parameters
    ----------
    ax : matplotlib Axes
        What a plot returned.
    path : path
        Its ending says which kind of file.

    Raises
    ------
    ParameterError
        matplotlib writes no such kind of file.
    """
    import matplotlib as mpl

    figure, ending = ax.get_figure(root=True), Path(path).suffix[1:].lower()
    assert figure is not None
    known = figure.canvas.get_supported_filetypes()
    if ending not in known:
        raise ParameterError(f"no kind of figure {ending!r}{suggest(ending, known)}")
    dates: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "abkit"}):
        figure.savefig(path, dpi=200, facecolor="white", metadata=dates.get(ending))


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


def curve(place: int) -> dict[str, str]:
    """Colour and dashes of the curve at that place, to be told apart by either."""
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": _DASHES[place % len(_DASHES)]}


def finish_power(ax: Axes, units: Sequence[int]) -> None:
    """Label axes of power against units, and put the legend beside them."""
    ax.set_xscale("log")
    ax.set_xlim(units[0], units[-1])
    ax.set_ylim(0, 102)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    ax.set_xlabel("units over all variants")
    ax.set_ylabel("power")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    tidy(ax)
