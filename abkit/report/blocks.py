"""The blocks of a report, each a piece of HTML whose every word from outside is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from abkit import __version__, plots
from abkit.analyzer import numbers
from abkit.analyzer.render import HEADER, comparison_rows, finding, html_table
from abkit.analyzer.result import Analysis, Check, Reason
from abkit.analyzer.wording import SYMBOLS, VERDICTS, compatible

SENTINEL = "application/vnd.abkit.report+json"
_STATUSES = {"pass": "✓ pass", "fail": "✕ fail", "not_enough_data": "… not enough data", "not_run": "– not run"}
_PASSED = {True: "✓ yes", False: "✕ no", None: "– not run"}


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a report that shows itself in a notebook."""

    html: Markup

    def _repr_html_(self) -> str:
        return str(self.html)


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
    decision, primary = analysis.decision, analysis.primary
    best = next((one for one in primary.comparisons if one.variant == decision.winner), primary.comparisons[0])
    comparisons = [one for metric in analysis.metrics for one in metric.comparisons if one.variant == best.variant]
    guardrails = [one.guardrail for one in comparisons if one.guardrail is not None]
    holding = sum(guardrail.status == "holds" for guardrail in guardrails)
    split = analysis.check("srm")
    figures = [
        (f"{primary.name} in {best.variant}", numbers.percent(best.lift.value, signed=True), _interval(analysis)),
        _guardrail_figure(holding, len(guardrails)),
        ("split as planned", _STATUSES[split.status], f"p = {numbers.p_value(split.p_value)}"),
    ]
    tiles = Markup("").join(
        Markup(
            '<div><span class="label">{}</span><span class="figure">{}</span><span class="note">{}</span></div>'
        ).format(*figure)
        for figure in figures
    )
    table = html_table(
        ("gate", "variant", "passed", "what decided"),
        [[_words(r.gate), r.variant or "all", _PASSED[r.passed], r.text] for r in _deciding(decision.reasons)],
        caption="The gates, in the order in which they decide",
    )
    return Block(
        Markup(
            '<section class="verdict {}"><h2>{} {}</h2><p class="lead">{}</p><div class="tiles">{}</div>{}</section>'
        ).format(
            decision.verdict,
            SYMBOLS[decision.verdict],
            VERDICTS[decision.verdict],
            decision.recommendation,
            tiles,
            table,
        )
    )


def _guardrail_figure(holding: int, total: int) -> tuple[str, str, str]:
    if not total:
        return "guardrails", "none", "the plan has no guardrail"
    return "guardrails that hold", f"{holding} of {total}", "each shown within its margin"


def _interval(analysis: Analysis) -> str:
    primary = analysis.primary
    one = next((c for c in primary.comparisons if c.variant == analysis.decision.winner), primary.comparisons[0])
    if one.lift.low is None:
        return one.lift.reason or "no interval"
    span = numbers.span(one.lift.low, one.lift.high, kind="lift")
    return f"{numbers.confidence(one.confidence_level)} interval {span}"


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
    return _section("Can the data be trusted?", table, note if left_out else Markup(""))


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
    note = Markup(
        "<p>Power is that of the plan at the variance seen in the data, never power at the observed effect.</p>"
    )
    return _section("Plan and what was reached", html_table(("", "planned", "reached"), rows, caption="Plan"), note)


def _computed(value: float | None, write: Callable[[float], str]) -> str:
    return "not computable" if value is None else write(value)


def primary_metric(analysis: Analysis) -> Block:
    """Say what the data say about the primary metric, and how it moved over time."""
    primary = analysis.primary
    said = Markup("").join(Markup("<p>{}</p>").format(compatible(primary, one)) for one in primary.comparisons)
    header = ("variant", "level", "difference", "lift", "p", "method", "finding")
    control = next(variant.name for variant in analysis.variants if variant.is_control)
    rows: list[list[str]] = [
        [f"{control} (control)", numbers.level(primary.levels[control].value, primary.kind), *"—————"]
    ]
    rows += [
        [
            one.variant,
            numbers.level(primary.levels[one.variant].value, primary.kind),
            numbers.span(one.difference.low, one.difference.high, kind=primary.kind),
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
    return _effects(analysis, f"Primary metric: {primary.name}", *parts)


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
    return _figure(lambda ax: plots.lift_over_time(analysis, ax), plots.describe_series(analysis), caption, table, 5)


def forest_plot(analysis: Analysis) -> Block:
    """Draw all metrics with their intervals."""
    rows = plots.forest_rows(analysis)
    if not rows:
        text = Markup("<p>No metric has a relative change with an interval.</p>")
        return _effects(analysis, "All metrics", text)
    table = html_table(HEADER, comparison_rows(analysis), caption="All metrics against control")
    caption = "▲ better, ▼ worse, ○ not told apart from no change; an arrow marks an interval that goes on"
    figure = _figure(lambda ax: plots.forest(analysis, ax), plots.describe_forest(analysis), caption, table, len(rows))
    return _effects(analysis, "All metrics", figure)


def guardrail_table(analysis: Analysis) -> Block:
    """Show for each guardrail its margin, its bound, and whether it holds, is violated or is undecided."""
    rows = [
        [metric.name, one.variant, numbers.percent(one.guardrail.margin), finding(one), one.guardrail.text]
        for metric in analysis.metrics
        for one in metric.comparisons
        if one.guardrail is not None
    ]
    if not rows:
        return _effects(analysis, "Guardrails", Markup("<p>This experiment has no guardrails.</p>"))
    header = ("guardrail", "variant", "margin", "status", "why")
    return _effects(analysis, "Guardrails", html_table(header, rows, caption="Guardrails against their margins"))


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
    return _effects(analysis, "Levels", table, notes)


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
    return _section("How to reproduce", html_table(("what", "value"), rows, caption="What gives these numbers again"))


def sentinel(analysis: Analysis, run_id: str) -> Any:
    """Mark the end of a report: without it nothing is published. Carries the analysis."""
    from IPython.display import display

    bundle = {
        SENTINEL: {"run_id": run_id, "analysis": analysis.to_dict()},
        "text/plain": f"report {run_id} is complete",
    }
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def _words(name: str) -> str:
    return {"srm": "split (SRM)"}.get(name, name.replace("_", " "))


def _section(title: str, *parts: Markup) -> Block:
    return Block(Markup("<section><h2>{}</h2>{}</section>").format(title, Markup("").join(parts)))


def _effects(analysis: Analysis, title: str, *parts: Markup) -> Block:
    """Effects of an invalid experiment stay folded and are marked as not to be used."""
    if analysis.decision.verdict != "invalid":
        return _section(title, *parts)
    warning = "Do not use these numbers for decisions: the experiment is invalid. Show them all the same"
    folded = Markup('<details class="unusable"><summary>{}</summary>{}</details>').format(
        warning, Markup("").join(parts)
    )
    return _section(title, folded)


def _figure(draw: Callable[[Any], Any], description: str, caption: str, table: Markup, rows: int) -> Markup:
    """Draw into an SVG that is an image to the page: no script in it runs, and it has words and a table beside it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = {"svg.fonttype": "none", "svg.hashsalt": "abkit", "font.family": "sans-serif", "font.size": 10}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(8.6, 1.1 + 0.5 * max(rows, 2)), layout="constrained")
        draw(figure.subplots())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    image = base64.b64encode(buffer.getvalue()).decode()
    return Markup(
        '<figure><img src="data:image/svg+xml;base64,{}" alt="{}"><figcaption>{}</figcaption>'
        "<details><summary>The same as a table</summary>{}</details></figure>"
    ).format(image, description, caption, table)
