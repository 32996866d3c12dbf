"""The effects: primary metric, all metrics, guardrails, levels, and what a difference adds up to."""

from __future__ import annotations

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers, reading
from abkit.analyzer.render import HEADER, comparison_rows, finding, html_table
from abkit.analyzer.result import Analysis, ComparisonResult, Impact, MetricResult
from abkit.report.page import Block, effects, figure

_CURSE = (
    "The estimate of a variant that was chosen for being significant is too high on average (winner's curse): plan "
    "with the low end. The effects of several experiments do not add up."
)


def primary_metric(analysis: Analysis) -> Block:
    """Say what the data say about the primary metric, absolute and relative, and how it moved over time."""
    primary = analysis.primary
    threshold = analysis.plan.practical_threshold
    said = Markup("").join(
        Markup("<p>{} <strong>{}</strong></p>").format(
            reading.compatible(primary, one), reading.meaning(primary, one, threshold)
        )
        for one in primary.comparisons
    )
    control = next(variant.name for variant in analysis.variants if variant.is_control)
    counts = [
        [_of_control(name, control), numbers.count(level.n), numbers.level(level.value, primary.kind)]
        for name, level in primary.levels.items()
    ]
    levels = html_table(("variant", "units", "level"), counts, caption=f"{primary.name}: level by variant")
    header = ("variant", "change", "estimate", "low", "high", "p", "finding", "method")
    rows = [row for one in primary.comparisons for row in _changes(primary, one)]
    level = numbers.confidence(primary.comparisons[0].confidence_level)
    changes = html_table(header, rows, caption=f"{primary.name}: change against {control}, {level} intervals")
    parts = [said, levels, changes]
    if analysis.series:
        parts.append(_over_time(analysis))
    return effects(analysis, f"Primary metric: {primary.name}", *parts)


def _of_control(name: str, control: str) -> str:
    return f"{name} (control)" if name == control else name


def _changes(metric: MetricResult, one: ComparisonResult) -> list[list[str]]:
    """The absolute difference and the lift, each on a line of its own so that their units never stand side by side."""
    tail = [numbers.p_value(one.p_value_adjusted), finding(one), one.method]
    absolute, lift = one.difference, one.lift
    ends = numbers.ends(absolute.low, absolute.high, kind=metric.kind)
    return [
        [one.variant, "absolute", numbers.difference(absolute.value, metric.kind), *ends, *tail],
        [
            one.variant,
            "relative (lift)",
            numbers.percent(lift.value, signed=True),
            *numbers.ends(lift.low, lift.high, kind="lift"),
            *tail,
        ],
    ]


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
    table = html_table(("day (UTC)", "variant", "units", "interval"), rows, caption="Effect up to each day")
    caption = "Effect up to each day (UTC); the band holds at all days together, so looking every day costs nothing"
    looks = plots.look_days(analysis)
    caption += f". Dotted: the planned looks, reached on {', '.join(looks)}" if looks else ""
    return figure(lambda ax: plots.lift_over_time(analysis, ax), plots.describe_series(analysis), caption, table, 5)


def forest_plot(analysis: Analysis) -> Block:
    """Draw all metrics with their intervals, by role."""
    rows = plots.forest_rows(analysis)
    table = html_table(HEADER, comparison_rows(analysis), caption="All metrics against control")
    if not rows:
        text = Markup("<p>No metric has a relative change with an interval.</p>")
        return effects(analysis, "All metrics", text, table)
    caption = (
        "▲ better, ▼ worse, ○ not told apart from no change; | the margin of a guardrail; dotted: the minimum "
        "detectable effect. An arrow marks an interval that goes on. Intervals of two variants may overlap and still "
        "differ."
    )
    drawn = figure(lambda ax: plots.forest(analysis, ax), plots.describe_forest(analysis), caption, table, len(rows))
    return effects(analysis, "All metrics", drawn)


def guardrail_table(analysis: Analysis) -> Block:
    """Show for each guardrail its margin, its bound, and whether it holds, is violated or is undecided."""
    rows = [
        [
            metric.name,
            one.variant,
            _allowed(metric, one.guardrail.margin),
            "—" if one.guardrail.bound is None else numbers.percent(one.guardrail.bound, signed=True),
            finding(one),
            reading.sentence(one.guardrail.text),
        ]
        for metric in analysis.metrics
        for one in metric.comparisons
        if one.guardrail is not None
    ]
    if not rows:
        return effects(analysis, "Guardrails", Markup("<p>This experiment has no guardrails.</p>"))
    header = ("guardrail", "variant", "allowed", "bound", "status", "why")
    note = Markup("<p>{}</p>").format("Undecided is not safe: the data allow more harm than the margin does.")
    table = html_table(
        header, rows, caption="Guardrails against their margins; the bound is the worst still compatible"
    )
    is_open = any("undecided" in row[4] for row in rows)
    return effects(analysis, "Guardrails", table, note if is_open else Markup(""))


def _allowed(metric: MetricResult, margin: float) -> str:
    way = "rise" if metric.goal == "minimize" else "fall"
    return f"{way} of at most {numbers.percent(margin)}"


def level_table(analysis: Analysis) -> Block:
    """Show every metric's level in every variant."""
    names = [variant.name for variant in analysis.variants]
    counts: list[list[str]] = [
        ["units", *(numbers.count(variant.units) for variant in analysis.variants)],
        ["rows", *(numbers.count(variant.rows) for variant in analysis.variants)],
    ]
    levels = [[m.name, *(numbers.level(m.levels[name].value, m.kind) for name in names)] for m in analysis.metrics]
    missing = Markup("").join(
        Markup("<p>{}: {}</p>").format(metric.name, reading.sentence(metric.reason))
        for metric in analysis.metrics
        if metric.reason
    )
    table = html_table(("metric", *names), [*counts, *levels], caption="Levels by variant")
    return effects(analysis, "Levels", table, missing)


def impact_table(analysis: Analysis) -> Block:
    """Show what each difference adds up to, in the metric's own unit."""
    found = [(m, one, one.impact) for m in analysis.metrics for one in m.comparisons if one.impact is not None]
    if not found:
        text = "No metric here is a mean or a rate with an interval; ratios and quantiles do not add up."
        return effects(analysis, "What it adds up to", Markup("<p>{}</p>").format(text))
    rows = [[metric.name, one.variant, *_added_up(metric, impact)] for metric, one, impact in found]
    header = ("metric", "variant", "added up over", "estimate", "low", "high", "unit")
    table = html_table(header, rows, caption="Difference to control, were all of them in the variant")
    return effects(analysis, "What it adds up to", table, Markup("<p>{}</p>").format(_CURSE))


def _added_up(metric: MetricResult, impact: Impact) -> list[str]:
    over = f"{numbers.count(impact.amount)} {impact.of}"
    over += f" ({numbers.days(impact.days)} at the present rate)" if impact.days else ""
    unit = impact.unit or (f"{impact.of} with {metric.name}" if metric.kind == "proportion" else f"as {metric.name}")
    return [over, *numbers.total(impact.value, impact.low, impact.high), unit]
