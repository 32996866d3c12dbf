"""The blocks of a plan, each a piece of HTML whose every word from outside is escaped."""

from __future__ import annotations

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers, plan_text
from abkit.analyzer.aa import AAValidation
from abkit.analyzer.operating import OperatingCharacteristics
from abkit.analyzer.plan_estimate import PlanEstimate
from abkit.analyzer.render import html_table
from abkit.report.page import Block, figure, section


def plan_card(plan: PlanEstimate) -> Block:
    """Say the size, the runtime and the power of the decision, and what must not be overlooked."""
    tiles = Markup("").join(
        Markup(
            '<div><span class="label">{}</span><span class="figure">{}</span><span class="note">{}</span></div>'
        ).format(*tile)
        for tile in plan_text.tiles(plan)
    )
    warned = Markup("").join(Markup("<p><strong>{}</strong></p>").format(text) for text in plan.warnings)
    told = Markup("").join(Markup("<p>{}</p>").format(text) for text in plan_text.sentences(plan))
    kind = "do_not_ship" if plan.units is None else "inconclusive" if plan.warnings else "ship"
    return Block(
        Markup(
            '<header><h1>{}</h1></header><div class="verdict {}"><h2>{}</h2><div class="tiles">{}</div>{}{}</div>'
        ).format(f"Plan of {plan.key}", kind, plan_text.headline(plan), tiles, warned, told)
    )


def metric_table(plan: PlanEstimate) -> Block:
    """Show every metric at its role and margin, and what monitoring costs."""
    shown = [html_table(header, rows, caption=caption) for caption, header, rows in plan_text.tables(plan)]
    return section("Metrics", *shown)


def power_curve(plan: PlanEstimate) -> Block:
    """Draw the power of the decision against units, with the same as a table."""
    if not plan.curve:
        return section("Power", *(Markup("<p>{}</p>").format(reason) for reason in plan.reasons))
    names = list(plan.curve[0].gates)
    rows = [
        [numbers.count(point.units), *(plan_text.chance(p) for p in (point.decision, *point.gates.values()))]
        for point in plan.curve
    ]
    table = html_table(("units", "decision, at least", *names), rows, caption="Power by units over all variants")
    caption = (
        "Power to ship a variant with the planned effect. Every gate has to pass, so the decision lies below each."
    )
    drawn = figure(lambda ax: plots.power_curve(plan, ax), plots.describe_power_curve(plan), caption, table, 6)
    return section("Power", drawn)


def size_table(plan: PlanEstimate) -> Block:
    """Show units by true effect and power of the decision."""
    powers = list(dict.fromkeys(row.power for row in plan.sizes))
    effects = list(dict.fromkeys(row.effect for row in plan.sizes))
    units = {(row.effect, row.power): row.units for row in plan.sizes}
    rows = [[numbers.percent(e), *(numbers.count(units[e, p]) for p in powers)] for e in effects]
    header = ("true effect", *(f"power {numbers.percent(power)}" for power in powers))
    role = {metric.name: metric.role for metric in plan.metrics}.get(plan.bottleneck or "")
    decides = f" Where rows are equal, the guardrail {plan.bottleneck!r} decides." if role == "guardrail" else ""
    said = f"Every guardrail at its margin included, without a practical threshold.{decides}"
    note = Markup("<p>{}</p>").format(said)
    return section("Sample size", html_table(header, rows, caption=plan_text.counted(plan)), note)


def runtime_table(plan: PlanEstimate) -> Block:
    """Show how long each metric takes at the daily traffic."""
    runtime = plan.runtime
    if runtime.daily_units is None:
        return section("Runtime", Markup("<p>{}</p>").format(f"No runtime: {runtime.reason}."))
    rows = [
        [f"{metric.name} ({metric.role})", numbers.count(metric.units), numbers.count(metric.days)]
        for metric in plan.metrics
    ]
    rows.append(["the decision", numbers.count(plan.units), numbers.count(runtime.days)])
    told = Markup("<p>{}</p>").format(plan_text.runtime_sentence(plan))
    return section("Runtime", told, html_table(("metric", "units", "days"), rows, caption="Days to the size needed"))


def verdict_table(found: OperatingCharacteristics) -> Block:
    """Show how often the design ends with each verdict, as a figure and as a table."""
    header, rows = found.rows()
    table = html_table(header, rows, caption="Share of the simulated experiments that end with each verdict")
    caption = "Every simulated experiment goes through the inference and the gates of the real one, look by look."
    said = plots.describe_verdicts(found)
    drawn = figure(lambda ax: plots.verdicts(found, ax), said, caption, table, len(found.scenarios) + 1)
    return section("How often it decides rightly", Markup("<p>{}</p>").format(found.headline), drawn)


def false_positive_table(found: AAValidation) -> Block:
    """Show whether each metric's test keeps its false-positive rate on random splits of the past."""
    header, rows = found.rows()
    table = html_table(header, rows, caption="False positives where there is nothing to find")
    caption = "p-values of tests of nothing: those of an honest test follow the dotted diagonal."
    drawn = figure(lambda ax: plots.p_values(found, ax), plots.describe_p_values(found), caption, table, 6)
    return section("Are the tests honest on this past?", Markup("<p>{}</p>").format(found.headline), drawn)
