"""All experiments at a glance: one page over a folder of reports, and one table in Markdown."""

from __future__ import annotations

import fcntl
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abkit.analyzer import numbers
from abkit.analyzer.wording import SYMBOLS, VERDICTS
from abkit.errors import NotFoundError
from abkit.report.fleet import Failed, Outcome, Rendered, Skipped
from abkit.report.html import render_page
from abkit.report.manifest import read_run
from abkit.report.publish import replace_text
from abkit.report.render import Report

INDEX = "index.html"
_MARKS = re.compile(r"([\\`*_\[\]#|~])")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said about one experiment where many are shown."""

    key: str
    name: str
    state: str
    verdict: str
    effect: str
    guardrails: str
    units: str
    as_of: str
    rendered_at: str
    page: Path

    @property
    def times(self) -> tuple[str, str]:
        """Until when rows count and when the report was rendered, to the minute."""
        as_of, rendered = (f"{moment[:10]} {moment[11:16]}Z" for moment in (self.as_of, self.rendered_at))
        return as_of, rendered


def entry_of(page: Path, manifest: Mapping[str, Any], analysis: Mapping[str, Any]) -> Entry:
    """Return what is said about a published report."""
    verdict, experiment = analysis["decision"]["verdict"], analysis["experiment"]
    return Entry(
        key=experiment["key"],
        name=experiment["name"],
        state=verdict,
        verdict=f"{SYMBOLS[verdict]} {VERDICTS[verdict]}",
        effect=_effect(analysis),
        guardrails=_guardrails(analysis),
        units=numbers.count(analysis["data"]["units"]),
        as_of=analysis["as_of"],
        rendered_at=manifest["started_at"],
        page=page,
    )


def _effect(analysis: Mapping[str, Any]) -> str:
    if analysis["decision"]["verdict"] == "invalid":
        return "not usable"
    primary = next(metric for metric in analysis["metrics"] if metric["role"] == "primary")
    told = next(one for one in primary["comparisons"] if one["variant"] == analysis["decision"]["variant"])
    lift, subject = told["lift"], f"{primary['name']} in {told['variant']}"
    if lift["low"] is None or lift["high"] is None:
        return f"{subject}: {lift['reason'] or 'no interval'}"
    span = numbers.span(lift["low"], lift["high"], kind="lift")
    return f"{subject}: {numbers.percent(lift['value'], signed=True)} ({span})"


def _guardrails(analysis: Mapping[str, Any]) -> str:
    variant = analysis["decision"]["variant"]
    told = [one for metric in analysis["metrics"] for one in metric["comparisons"] if one["variant"] == variant]
    states = [one["guardrail"]["status"] for one in told if one["guardrail"]]
    return f"{states.count('holds')} of {len(states)} hold" if states else "none"


def write_index(out: Path) -> Path:
    """Write the page over all experiments in a folder of reports, the newest first, in one step.

    Parameters
    ----------
    out : Path
        Folder of all reports; ``<out>/<key>/latest`` is what is shown of each experiment.

    Returns
    -------
    Path
        Of the page.
    """
    with open(out / ".index.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entries, unreadable = _entries(out)
        page = render_page("overview.html.j2", entries=entries, unreadable=unreadable, out=out, title="Experiments")
        replace_text(out / INDEX, page)
    return out / INDEX


def _entries(out: Path) -> tuple[list[Entry], list[str]]:
    entries, unreadable = [], []
    for latest in sorted(out.glob("*/latest")):
        try:
            entries.append(entry_of(latest / "report.html", *read_run(latest)))
        except (NotFoundError, LookupError, TypeError, AttributeError, StopIteration):
            unreadable.append(latest.parent.name)
    return sorted(entries, key=lambda entry: (entry.rendered_at, entry.key), reverse=True), unreadable


def summarize(outcomes: Sequence[Outcome], home: Path) -> str:
    """Write what a run of many reports came to, in Markdown for a chat or the summary of a CI job.

    Parameters
    ----------
    outcomes : sequence of Outcome
    home : Path
        Folder of the summary; reports below it are linked, others named.

    Returns
    -------
    str
        Markdown in which all text from outside is escaped.
    """
    reports = sorted((one.report for one in outcomes if isinstance(one, Rendered)), key=lambda report: report.key)
    skipped = {one.target: one.reason for one in outcomes if isinstance(one, Skipped)}
    failed = {one.target: f"{one.error} (exit code {one.exit_code})" for one in outcomes if isinstance(one, Failed)}
    lines = ["## Experiments", "", f"{len(reports)} rendered, {len(skipped)} skipped, {len(failed)} failed"]
    if reports:
        header = ("experiment", "verdict", "primary metric", "guardrails", "units", "as of", "report")
        lines += ["", _row(header), _row(["---"] * len(header)), *(_report_row(report, home) for report in reports)]
    for title, told in (("Failed", failed), ("Skipped", skipped)):
        if told:
            lines += [
                "",
                f"### {title}",
                "",
                *(f"- {escape(target)}: {escape(told[target])}" for target in sorted(told)),
            ]
    return "\n".join(lines) + "\n"


def _report_row(report: Report, home: Path) -> str:
    page = report.html.resolve()
    entry = entry_of(page, {"started_at": ""}, report.analysis)
    near = page.is_relative_to(home.resolve())
    link = f"[open](<{page.relative_to(home.resolve()).as_posix()}>)" if near else escape(str(report.html))
    cells = [entry.key, entry.verdict, entry.effect, entry.guardrails, entry.units, entry.as_of]
    return _row([*map(escape, cells), link])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is: no mark, no HTML, no mention, one line.

    Examples
    --------
    >>> print(escape("a|b <script> @team"))
    a\|b &lt;script&gt; &#64;team
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return _MARKS.sub(r"\\\1", plain).replace("@", "&#64;").replace("://", ":&#47;/")
