"""The first blocks of a report: what it is, the verdict, and whether the data can be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from abkit import __version__
from abkit.analyzer import numbers, reading
from abkit.analyzer.glossary import rule, what_would_change
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis, Check, ComparisonResult, GuardrailStatus, Reason
from abkit.analyzer.wording import SYMBOLS, VERDICTS
from abkit.report.doubts import needs_list
from abkit.report.page import Block, leave, section

_STATUSES = {"pass": "✓ pass", "fail": "✕ fail", "not_enough_data": "… not enough data", "not_run": "– not run"}
_PASSED = {True: "✓ yes", False: "✕ no", None: "– not run"}


def status_strip(analysis: Analysis, run_id: str = "") -> Block:
    """Say what this is, as of when, and how it was judged."""
    data, plan = analysis.data, analysis.plan
    facts = [
        ("experiment", analysis.experiment.key),
        ("as of", analysis.as_of),
        ("data", f"{data.first_seen} to {analysis.as_of}" if data.first_seen else "without times"),
        ("look", reading.look(plan)),
        ("units", f"{numbers.count(plan.units)} of {numbers.count(plan.planned_units)} planned"),
        ("design", f"{analysis.design}, {analysis.inference.replace('_', ' ')}"),
        ("plan", plan.design_hash.removeprefix("sha256:")[:12]),
        ("run", run_id or "by hand"),
        ("abkit", __version__),
    ]
    items = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*fact) for fact in facts)
    texts = [text for text in (analysis.experiment.hypothesis, analysis.experiment.description) if text]
    told = Markup("").join(Markup("<p>{}</p>").format(text) for text in texts)
    return Block(
        Markup('<header><h1>{}</h1><dl class="strip">{}</dl>{}</header>').format(analysis.experiment.name, items, told)
    )


def verdict_card(analysis: Analysis) -> Block:
    """Say the verdict, three numbers and every gate that led to it."""
    decision = analysis.decision
    best = _told(analysis)
    comparisons = [one for metric in analysis.metrics for one in metric.comparisons if one.variant == best.variant]
    guardrails = [one.guardrail for one in comparisons if one.guardrail is not None]
    split = analysis.check("srm")
    figures = [
        _effect_figure(analysis, best),
        _guardrail_figure([guardrail.status for guardrail in guardrails]),
        ("split as planned", _STATUSES[split.status], _split_note(split)),
    ]
    tiles = Markup("").join(
        Markup(
            '<div><span class="label">{}</span><span class="figure">{}</span><span class="note">{}</span></div>'
        ).format(*tile)
        for tile in figures
    )
    rules = [("The rule that fired", rule(analysis)), ("What would change it", what_would_change(analysis))]
    off = len(analysis.plan.deviations)
    rules += [("Mind the plan", reading.deviations_counted(off))] if off else []
    told = Markup("").join(Markup("<p><strong>{}.</strong> {}</p>").format(*one) for one in rules)
    return Block(
        Markup(
            '<section class="verdict {}"><h2>{} {}</h2><p class="lead">{}</p><div class="tiles">{}</div>'
            "{}{}{}</section>"
        ).format(
            decision.verdict,
            SYMBOLS[decision.verdict],
            VERDICTS[decision.verdict],
            decision.recommendation,
            tiles,
            told,
            needs_list(decision.needs),
            _gates(analysis),
        )
    )


def _split_note(split: Check) -> str:
    if split.p_value is None:
        return "no split to check"
    return numbers.p_equals(split.p_value)


def _guardrail_figure(statuses: Sequence[GuardrailStatus]) -> tuple[str, str, str]:
    if not statuses:
        return "guardrails", "none", "the plan has no guardrail"
    counts = Counter(statuses)
    others: list[GuardrailStatus] = ["violated", "undecided"]
    note = ", ".join(f"{counts[status]} {status}" for status in others if counts[status])
    return "guardrails that hold", f"{counts['holds']} of {len(statuses)}", note or "each shown within its margin"


def _told(analysis: Analysis) -> ComparisonResult:
    """The comparison that the decision speaks of."""
    return next(one for one in analysis.primary.comparisons if one.variant == analysis.decision.variant)


def _effect_figure(analysis: Analysis, one: ComparisonResult) -> tuple[str, str, str]:
    label = f"{analysis.primary.name} in {one.variant}"
    if analysis.decision.verdict == "invalid":
        return label, "not usable", "the experiment is invalid, so its effects are not shown here"
    if one.lift.low is None:
        return label, numbers.percent(one.lift.value, signed=True), one.lift.reason or "no interval"
    span = numbers.span(one.lift.low, one.lift.high, kind="lift")
    return (
        label,
        numbers.percent(one.lift.value, signed=True),
        f"{numbers.confidence(one.confidence_level)} interval {span}",
    )


def _gates(analysis: Analysis) -> Markup:
    """Those of the variant that the verdict speaks of in sight, the other variants' folded away.

    Checks of the data have a table of their own; here only the ones that failed.
    """
    reasons, told = analysis.decision.reasons, analysis.decision.variant
    shown = [r for r in reasons if r.variant == told or (r.variant is None and r.passed is False)]
    others = [r for r in reasons if r.variant not in (None, told)]
    table = _gate_table(shown, f"The gates and what each of them saw in {told}")
    if not others:
        return table
    folded = Markup("<details><summary>The gates of the other variants</summary>{}</details>")
    return table + folded.format(_gate_table(others, "The gates and what each of them saw in the other variants"))


def _gate_table(reasons: Sequence[Reason], caption: str) -> Markup:
    rows = [[_words(r.gate), r.variant or "all", _PASSED[r.passed], reading.sentence(r.text)] for r in reasons]
    return html_table(("gate", "variant", "passed", "what it saw"), rows, caption=caption)


def trust_panel(analysis: Analysis) -> Block:
    """Show the checks of the data, read before any effect."""
    rows = [[_words(check.name), _STATUSES[check.status], reading.sentence(check.message)] for check in analysis.checks]
    counts = Counter(_STATUSES[check.status] for check in analysis.checks)
    said = ", ".join(f"{counts[status]} {status[2:]}" for status in _STATUSES.values() if counts[status])
    told = Markup("<p>{} checks: {}. Read them before any effect.</p>").format(len(analysis.checks), said)
    table = html_table(("check", "status", "what was seen"), rows, caption="Checks of the data")
    return section("Can the data be trusted?", told, table)


def sentinel(analysis: Analysis, run_id: str) -> None:
    """Mark the end of a report: without it nothing is published. Carries the analysis."""
    leave("analysis", analysis.to_dict(), run_id)


def _words(name: str) -> str:
    return {"srm": "split (SRM)"}.get(name, name.replace("_", " "))
