"""An analysis as text and as HTML: tables of strings first, then one way to lay out each."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from abkit.analyzer import numbers
from abkit.analyzer.result import Analysis, ComparisonResult, MetricResult
from abkit.analyzer.wording import SYMBOLS, VERDICTS

_DIRECTIONS = {"better": "▲ better", "worse": "▼ worse"}


def headline(analysis: Analysis) -> str:
    """Say key and verdict in one line."""
    verdict = analysis.decision.verdict
    return f"{analysis.experiment.key}: {SYMBOLS[verdict]} {VERDICTS[verdict]}"


def finding(one: ComparisonResult) -> str:
    """Say in a word or two what a comparison shows, readable without colour."""
    if one.guardrail is not None:
        return {"holds": "● holds", "violated": "▼ violated", "undecided": "? undecided"}[one.guardrail.status]
    if one.p_value_adjusted is None:
        return "not computed"
    return _DIRECTIONS.get(one.direction or "", "same") if one.is_significant else "○ not significant"


def comparison_rows(analysis: Analysis) -> list[list[str]]:
    """One row per metric and treatment: metric, variant, levels, difference, lift, p-value, finding."""
    control = next(variant.name for variant in analysis.variants if variant.is_control)
    return [_row(metric, one, control) for metric in analysis.metrics for one in metric.comparisons]


def _row(metric: MetricResult, one: ComparisonResult, control: str) -> list[str]:
    levels = [numbers.level(metric.levels[name].value, metric.kind) for name in (control, one.variant)]
    return [
        f"{metric.name} ({metric.role})",
        one.variant,
        *levels,
        numbers.span(one.difference.low, one.difference.high, kind=metric.kind),
        numbers.percent(one.lift.value, signed=True),
        numbers.span(one.lift.low, one.lift.high, kind="lift"),
        numbers.p_value(one.p_value_adjusted),
        finding(one),
    ]


HEADER = ("metric", "variant", "control", "treatment", "difference", "lift", "lift interval", "p", "finding")


def to_text(analysis: Analysis) -> str:
    """Write verdict and comparisons as an aligned table."""
    rows = [list(HEADER), *comparison_rows(analysis)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if analysis.decision.verdict == "invalid":
        lines.insert(0, "the numbers below are not usable: the experiment is invalid")
    failing = [f"check {check.name}: {check.message}" for check in analysis.checks if check.status == "fail"]
    return "\n".join([headline(analysis), analysis.decision.recommendation, *failing, *lines])


def to_html(analysis: Analysis) -> str:
    """Write verdict, comparisons and checks as a fragment that follows the theme of the page it is in."""
    checks = [[check.name, check.status.replace("_", " "), check.message] for check in analysis.checks]
    return str(
        Markup('<div class="abkit"><p><strong>{}</strong></p><p>{}</p>{}{}</div>').format(
            headline(analysis),
            analysis.decision.recommendation,
            html_table(HEADER, comparison_rows(analysis), caption="Comparisons with control"),
            html_table(("check", "status", "what was seen"), checks, caption="Checks"),
        )
    )


def html_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str) -> Markup:
    """Lay out a table whose every cell is escaped; the first cell of each row is its heading.

    Every cell says which column it is in, so that a narrow page can show each row as a list.

    Examples
    --------
    >>> html_table(["a", "n"], [["<b>", 1]], caption="x").partition("<tbody>")[2]
    Markup('<tr><th scope="row">&lt;b&gt;</th><td data-label="n">1</td></tr></tbody></table>')
    """
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in header)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0],
            Markup("").join(
                Markup('<td data-label="{}">{}</td>').format(label, cell)
                for label, cell in zip(header[1:], row[1:], strict=True)
            ),
        )
        for row in rows
    )
    return Markup("<table><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        escape(caption), head, body
    )
