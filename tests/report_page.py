"""A report's page made in this process: the notebook's own cells, without a kernel."""

import html
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_output

import abkit as ab
from abkit.report.html import render_html

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "experiment_report.ipynb"


def page_of(analysis: ab.Analysis, robustness: Any = None) -> str:
    """Run the cells that show something; the one about robustness only where there is some."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    names: dict[str, Any] = {"experiment": "file.yml", "as_of": "", "run_id": "run", "now": ""}
    for cell in notebook.cells:
        if cell.id in {"parameters", "validate", "sentinel"} or (cell.id == "robustness" and robustness is None):
            continue
        *lines, last = cell.source.splitlines()
        if cell.id == "analyze":
            exec("\n".join(lines), names)
            names |= {"analysis": analysis, "robustness_target": lambda *_, **__: robustness}
            continue
        exec("\n".join(lines), names)
        shown = eval(last, names)._repr_html_()
        cell.outputs = [new_output("execute_result", {"text/html": shown}, execution_count=1)]
    return render_html(notebook, analysis.experiment.name)


def words_of(page: str) -> str:
    """What a reader reads: the text, alternative texts included."""
    body = page.partition("<main>")[2]
    alternatives = " ".join(re.findall(r'alt="([^"]*)"', body))
    return html.unescape(re.sub(r"<[^>]+>", " ", body) + " " + alternatives)
