"""From the JSON of the benchmarks to the figures and the table of docs/speed.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from measure import arguments

DOCS = Path(__file__).resolve().parents[1] / "docs"
MET, MISSED, OTHER, INK = "#0072b2", "#d55e00", "#7f7f7f", "#333333"  # told apart by colour-blind people, and by shape
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SETTINGS = {"svg.hashsalt": "abkit", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
            "axes.spines.right": False, "text.color": INK, "axes.edgecolor": INK}  # fmt: skip


def read(folder: Path) -> list[dict[str, Any]]:
    return [one for file in sorted(folder.glob("*.json")) for one in json.loads(file.read_text())]


def ratios(found: list[dict[str, Any]], file: Path) -> None:
    """Every ratio with a goal, and the goal, on a log axis."""
    shown = [one for one in found if one["ratio"] is not None and one["goal"] is not None][::-1]
    figure, axes = plt.subplots(figsize=(8, 0.26 * len(shown) + 0.8), layout="constrained")
    for place, one in enumerate(shown):
        met = one["ratio"] <= one["goal"]
        axes.plot([1, one["ratio"]], [place, place], color=OTHER, linewidth=0.8, zorder=1)
        axes.plot(one["ratio"], place, marker="o" if met else "D", color=MET if met else MISSED, markersize=5)
        axes.plot(one["goal"], place, marker="|", color=INK, markersize=11, markeredgewidth=1.5)
    axes.set_yticks(range(len(shown)), [one["name"] for one in shown])
    axes.set_xscale("log")
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) if tick <= 2 * max(map(_top, shown))]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("times its bound (bar: goal; circle: met; diamond: missed)")
    _save(figure, file)


def _top(one: dict[str, Any]) -> float:
    return float(max(one["ratio"], one["goal"]))


def growth(found: list[dict[str, Any]], file: Path) -> None:
    """CPU seconds and extra memory over the number of rows."""
    rows = [one["rows"] for one in found]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    left.plot(rows, [one["cpu_s"] for one in found], "o-", color=MET)
    last = found[-1]
    left.plot(rows, [last["cpu_s"] * row / last["rows"] for row in rows], "--", color=OTHER, label="in proportion")
    left.set(xscale="log", yscale="log", xlabel="rows", ylabel="CPU seconds")
    left.legend(frameon=False)
    right.plot(rows, [one["extra_mib"] for one in found], "D-", color=MISSED)
    right.set(xscale="log", ylim=0, xlabel="rows", ylabel="extra memory, MiB")
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def table(found: list[dict[str, Any]]) -> str:
    lines = ["| case | abkit | bound | ratio | of the least | goal | extra memory | |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|---|")
    for one in found:
        clock = one["clock"]
        goal = f"{one['goal']:.3g}" if one["goal"] else _time(one["goal_s"]) if one["goal_s"] else ""
        memory = "" if one["extra_mib"] is None else f"{one['extra_mib']:.0f} MiB"
        memory += f" of {one['goal_mib']:.0f}" if one["goal_mib"] else ""
        cells = (
            one["name"],
            _time(one[f"{clock}_s"]),
            _time(one[f"bound_{clock}_s"]),
            *("" if one[name] is None else f"{one[name]:.2f}" for name in ("ratio", "ratio_of_least")),
            goal,
            memory,
            {True: "met", False: "**missed**", None: ""}[one["met"]],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def fill(page: Path, text: str) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def write(options: argparse.Namespace) -> None:
    found = read(options.results)
    grown = [one for one in found if one["name"].endswith("rows in Parquet")]
    figures = "![Ratios to the bounds, with their goals](images/speed.svg)"
    with mpl.rc_context(SETTINGS):
        ratios(found, DOCS / "images/speed.svg")
        if grown:
            growth(grown, DOCS / "images/growth.svg")
            figures += "\n\nCost over rows, and memory:\n\n![CPU seconds and extra memory over rows](images/growth.svg)"
    versions = found[0]["versions"]
    names = ", ".join(f"{name} {value}" for name, value in versions.items() if name != "cores")
    fill(DOCS / "speed.md", f"{figures}\n\n{table(found)}\n\nMeasured on {versions['cores']} cores with {names}.")


if __name__ == "__main__":
    write(arguments(__doc__).parse_args())
