"""What was planned beside what was reached, and what other sizes would see."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from abkit import plots
from abkit.analyzer import numbers, reading
from abkit.analyzer.plan_summary import SizeTable
from abkit.analyzer.render import html_table
from abkit.analyzer.result import Analysis
from abkit.report.page import Block, figure, section

_POWER = "Power is that of the plan at the variance seen in the data, never power at the observed effect."


def plan_table(analysis: Analysis) -> Block:
    """Show what was planned beside what was reached, and everything that came out otherwise."""
    plan, experiment, primary = analysis.plan, analysis.experiment, analysis.primary
    rows = [
        ["primary metric", f"{primary.name} ({primary.kind}, {primary.goal})", "as planned"],
        ["units over all variants", numbers.count(plan.planned_units), numbers.count(plan.units)],
        *_traffic(analysis),
        ["looks", plan.inference.replace("_", " "), reading.look(plan)],
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
    if plan.min_runtime_days:
        reached = "not known: the data has no time" if analysis.data.days is None else numbers.days(analysis.data.days)
        rows.append(["runtime", f"at least {numbers.days(plan.min_runtime_days)}", reached])
    table = html_table(("what", "planned", "reached"), rows, caption="Plan")
    looks = Markup("<p>{} {}</p>").format(reading.about_looks(plan), _POWER)
    return section("Plan and what was reached", _deviations(analysis), table, looks)


def _traffic(analysis: Analysis) -> list[list[str]]:
    total = sum(variant.units for variant in analysis.variants)
    if analysis.design == "paired" or not total:
        return []
    return [
        [
            f"traffic of {variant.name}",
            numbers.percent(variant.traffic_percentage / 100, 2),
            f"{numbers.percent(variant.units / total, 2)} ({numbers.count(variant.units)})",
        ]
        for variant in analysis.variants
    ]


def _deviations(analysis: Analysis) -> Markup:
    broken = [check.message for check in analysis.checks if check.name == "plan_changed" and check.status == "fail"]
    texts = [*broken, *(deviation.text for deviation in analysis.plan.deviations)]
    if not texts:
        return Markup("<p>Nothing came out otherwise than planned.</p>")
    items = Markup("").join(Markup("<li>{}</li>").format(reading.sentence(text)) for text in texts)
    return Markup("<p>{}</p><ul>{}</ul>").format("What came out otherwise than planned:", items)


def _computed(value: float | None, write: Callable[[float], str]) -> str:
    return "not computable" if value is None else write(value)


def sample_size(analysis: Analysis) -> Block:
    """Show what other sizes would see, at the variance of the data, and how long they take."""
    found = analysis.plan.size_table
    if found is None:
        text = f"No size can be told: {analysis.primary.name!r} has no relative change with a standard error."
        return section("Power and sample size", Markup("<p>{}</p>").format(text))
    target = numbers.percent(analysis.plan.target_power)
    rows = [
        [
            numbers.percent(one.effect),
            _computed(one.units, numbers.count),
            "not known" if one.days_to_come is None else numbers.days(one.days_to_come) if one.days_to_come else "none",
        ]
        for one in found.effects
    ]
    header = ("true change", f"units for {target} power", "days still to come")
    needed = html_table(header, rows, caption="Units over all variants that a change needs")
    caption = f"Power for {found.metric} in {found.variant}, by units over all variants. {_POWER}"
    drawn = figure(
        lambda ax: plots.power_by_size(analysis, ax), plots.describe_power_by_size(analysis), caption, _powers(found), 5
    )
    return section("Power and sample size", needed, drawn)


def _powers(found: SizeTable) -> Markup:
    header = ("units", "days", *(f"power for {numbers.percent(one.effect)}" for one in found.effects))
    rows = [
        [
            numbers.count(size.units),
            "not known" if size.days is None else numbers.days(size.days),
            *(numbers.chance(power) for power in size.powers),
        ]
        for size in found.sizes
    ]
    return html_table(header, rows, caption="Power by size and true change")
