"""The blocks of a report, each a piece of HTML whose every word from outside is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from markupsafe import Markup

from abkit import __version__, plots
from abkit.analyzer import numbers
from abkit.analyzer.render import HEADER, comparison_rows, finding, html_table
from abkit.analyzer.result import Analysis, Check, ComparisonResult, Reason
from abkit.analyzer.wording import SYMBOLS, VERDICTS, compatible
from abkit.report.doubts import needs_list
from abkit.report.page import Block, effects, figure, leave, section

_STATUSES = {"pass": "✓ pass", "fail": "✕ fail", "not_enough_data": "… not enough data", "not_run": "– not run"}
_PASSED = {True: "✓ yes", False: "✕ no", None: "– not run"}


def status_strip(analysis: Analysis, run_id: str = "") -> Block:
    """Say what this is, as of when, and how it was judged."""
    facts = [
        ("experiment", analysis.experiment.key),
        ("as of", analysis.as_of),
        ("units", numbers.count(analysis.data.units)),
        ("design", analysis.design),
        ("inference", analysis.inference.replace("_", " ")),
        ("look", "final" if analysis.plan.units >= analysis.plan.planned_units else "interim"),
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
    holding = sum(guardrail.status == "holds" for guardrail in guardrails)
    split = analysis.check("srm")
    figures = [
        _effect_figure(analysis, best),
        _guardrail_figure(holding, len(guardrails)),
        ("split as planned", _STATUSES[split.status], _split_note(split)),
    ]
    tiles = Markup("").join(
        Markup(
            '<div><span class="label">{}</span><span class="figure">{}</span><span class="note">{}</span></div>'
        ).format(*tile)
        for tile in figures
    )
    table = html_table(
        ("gate", "variant", "passed", "what decided"),
        [[_words(r.gate), r.variant or "all", _PASSED[r.passed], r.text] for r in _deciding(decision.reasons)],
        caption="The gates, in the order in which they decide",
    )
    return Block(
        Markup(
            '<section class="verdict {}"><h2>{} {}</h2><p class="lead">{}</p><div class="tiles">{}</div>{}{}</section>'
        ).format(
            decision.verdict,
            SYMBOLS[decision.verdict],
            VERDICTS[decision.verdict],
            decision.recommendation,
            tiles,
            needs_list(decision.needs),
            table,
        )
    )


def _split_note(split: Check) -> str:
    if split.p_value is None:
        return "no split to check"
    shown = numbers.p_value(split.p_value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _guardrail_figure(holding: int, total: int) -> tuple[str, str, str]:
    if not total:
        return "guardrails", "none", "the plan has no guardrail"
    return "guardrails that hold", f"{holding} of {total}", "each shown within its margin"


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


def _deciding(reasons: Sequence[Reason]) -> list[Reason]:
    """Checks of the data have a table of their own; here only the ones that failed."""
    return [reason for reason in reasons if reason.variant is not None or reason.passed is False]


def trust_panel(analysis: Analysis) -> Block:
    """Show the checks of the data, read before any effect."""
    rows = [[_words(check.name), _STATUSES[check.status], _capital(check)] for check in analysis.checks]
    left_out = analysis.data.rows_left_out
    note = Markup("<p>{} rows of other variants or outside the filters were left out.</p>").format(
        numbers.count(left_out)
    )
    table = html_table(("check", "status", "what was seen"), rows, caption="Checks of the data")
    return section("Can the data be trusted?", table, note if left_out else Markup(""))


def _capital(check: Check) -> str:
    return check.message[:1].upper() + check.message[1:]


def plan_table(analysis: Analysis) -> Block:
    """Show what was planned beside what was reached."""
    plan, experiment = analysis.plan, analysis.experiment
    rows = [
        ["units over all variants", numbers.count(plan.planned_units), numbers.count(plan.units)],
        ["confidence level", numbers.confidence(experiment.confidence_level), "as planned"],
        [
            f"power to detect {numbers.percent(experiment.min_detectable_effect)}, at the planned size",
            numbers.percent(plan.target_power),
            _computed(plan.power_at_planned_size, numbers.percent),
        ],
        [
            f"smallest detectable change at {numbers.percent(plan.target_power)} power",
            numbers.percent(experiment.min_detectable_effect),
            f"{_computed(plan.mde_at_reached_size, numbers.percent)} at the size reached",
        ],
        [
            "practical threshold",
            numbers.percent(plan.practical_threshold) if plan.practical_threshold is not None else "none",
            "as planned",
        ],
    ]
    if analysis.data.days is not None and plan.min_runtime_days:
        rows.append(["runtime", f"at least {numbers.days(plan.min_runtime_days)}", numbers.days(analysis.data.days)])
    note = Markup(
        "<p>Power is that of the plan at the variance seen in the data, never power at the observed effect.</p>"
    )
    return section("Plan and what was reached", html_table(("", "planned", "reached"), rows, caption="Plan"), note)


def _computed(value: float | None, write: Callable[[float], str]) -> str:
    return "not computable" if value is None else write(value)


def primary_metric(analysis: Analysis) -> Block:
    """Say what the data say about the primary metric, and how it moved over time."""
    primary = analysis.primary
    said = Markup("").join(Markup("<p>{}</p>").format(compatible(primary, one)) for one in primary.comparisons)
    header = ("variant", "level", "difference", "interval", "lift", "interval of the lift", "p", "method", "finding")
    control = next(variant.name for variant in analysis.variants if variant.is_control)
    rows: list[list[str]] = [
        [f"{control} (control)", numbers.level(primary.levels[control].value, primary.kind), *"———————"]
    ]
    rows += [
        [
            one.variant,
            numbers.level(primary.levels[one.variant].value, primary.kind),
            numbers.difference(one.difference.value, primary.kind),
            numbers.span(one.difference.low, one.difference.high, kind=primary.kind),
            numbers.percent(one.lift.value, signed=True),
            numbers.span(one.lift.low, one.lift.high, kind="lift"),
            numbers.p_value(one.p_value_adjusted),
            one.method,
            finding(one),
        ]
        for one in primary.comparisons
    ]
    parts = [said, html_table(header, rows, caption=f"{primary.name}: levels and intervals")]
    if analysis.series:
        parts.append(_over_time(analysis))
    return effects(analysis, f"Primary metric: {primary.name}", *parts)


def _over_time(analysis: Analysis) -> Markup:
    rows = [
        [
            point.day,
            series.variant,
            numbers.count(point.units),
            numbers.span(point.low, point.high, kind=analysis.primary.kind),
        ]
        for series in analysis.series
        for point in series.points
    ]
    table = html_table(("day", "variant", "units", "interval"), rows, caption="Effect up to each day")
    caption = "Effect up to each day; the band holds at all days together, so looking every day costs nothing"
    return figure(lambda ax: plots.lift_over_time(analysis, ax), plots.describe_series(analysis), caption, table, 5)


def forest_plot(analysis: Analysis) -> Block:
    """Draw all metrics with their intervals."""
    rows = plots.forest_rows(analysis)
    if not rows:
        text = Markup("<p>No metric has a relative change with an interval.</p>")
        return effects(analysis, "All metrics", text)
    table = html_table(HEADER, comparison_rows(analysis), caption="All metrics against control")
    caption = "▲ better, ▼ worse, ○ not told apart from no change; an arrow marks an interval that goes on"
    drawn = figure(lambda ax: plots.forest(analysis, ax), plots.describe_forest(analysis), caption, table, len(rows))
    return effects(analysis, "All metrics", drawn)


def guardrail_table(analysis: Analysis) -> Block:
    """Show for each guardrail its margin, its bound, and whether it holds, is violated or is undecided."""
    rows = [
        [metric.name, one.variant, numbers.percent(one.guardrail.margin), finding(one), one.guardrail.text]
        for metric in analysis.metrics
        for one in metric.comparisons
        if one.guardrail is not None
    ]
    if not rows:
        return effects(analysis, "Guardrails", Markup("<p>This experiment has no guardrails.</p>"))
    header = ("guardrail", "variant", "margin", "status", "why")
    return effects(analysis, "Guardrails", html_table(header, rows, caption="Guardrails against their margins"))


def level_table(analysis: Analysis) -> Block:
    """Show every metric's level in every variant."""
    names = [variant.name for variant in analysis.variants]
    counts: list[list[str]] = [
        ["units", *(numbers.count(variant.units) for variant in analysis.variants)],
        ["rows", *(numbers.count(variant.rows) for variant in analysis.variants)],
    ]
    levels = [[m.name, *(numbers.level(m.levels[name].value, m.kind) for name in names)] for m in analysis.metrics]
    notes = Markup("").join(
        Markup("<p>{}: {}.</p>").format(metric.name, note)
        for metric in analysis.metrics
        for note in (*metric.notes, *([metric.reason] if metric.reason else []))
    )
    table = html_table(("", *names), [*counts, *levels], caption="Levels by variant")
    return effects(analysis, "Levels", table, notes)


def how_to_reproduce(analysis: Analysis, command: str) -> Block:
    """Say what gives the same numbers again."""
    rows = [
        ["command", command],
        ["data fingerprint", analysis.data.fingerprint],
        ["as of", analysis.as_of],
        ["abkit", __version__],
        ["experiment id", analysis.experiment.id],
        ["numbers", "analysis.json beside this file"],
    ]
    return section("How to reproduce", html_table(("what", "value"), rows, caption="What gives these numbers again"))


def command_line(target: str, as_of: str) -> str:
    """Write the command that renders the same report again."""
    return f"abkit report {shlex.quote(target)}" + (f" --as-of {shlex.quote(as_of)}" if as_of else "")


def sentinel(analysis: Analysis, run_id: str) -> None:
    """Mark the end of a report: without it nothing is published. Carries the analysis."""
    leave("analysis", analysis.to_dict(), run_id)


def _words(name: str) -> str:
    return {"srm": "split (SRM)"}.get(name, name.replace("_", " "))
