"""What a plan has to say of itself, and what must not be overlooked."""

from __future__ import annotations

from collections.abc import Iterator

from abkit.analyzer import numbers
from abkit.analyzer.plan_estimate import MetricPlan, PlanEstimate
from abkit.display import Card, Table

_INFERENCES = {"fixed": "one look", "group_sequential": "group sequential", "always_valid": "always valid"}
METRICS = ("metric", "baseline", "sd of a unit", "ICC", "planned for", "alpha", "power", "units")


def plan_warnings(plan: PlanEstimate) -> Iterator[str]:
    """Say what must not be overlooked."""
    yield from _threshold_warnings(plan)
    if plan.units is not None and plan.fewest_units is None:
        count = sum(metric.role == "secondary" for metric in plan.metrics)
        yield (
            f"No number of units is sure to reach {chance(plan.target_power)}: each of {count} secondary metrics may "
            "be significantly worse by chance and block a good variant. Leave out those that nobody will act on."
        )
    at_plan = plan.decision_at_planned_units
    if at_plan is not None and plan.units is not None and plan.planned_units < plan.units:
        yield (
            f"The experiment is planned with {numbers.count(plan.planned_units)} units, which ship a good variant with "
            f"a chance of about {chance(at_plan.if_independent)}; set Plan(planned_units={plan.units})."
        )
    weeks, days = plan.runtime.weeks, plan.runtime.days
    if weeks is not None and days is not None and days < 7:
        yield (
            f"The size is reached in {days} {_days(days)}; run a full week all the same, and 3 days at the very least: "
            "days of the week differ."
        )


def _threshold_warnings(plan: PlanEstimate) -> Iterator[str]:
    found = plan.threshold
    if found is None or found.highest_power >= plan.target_power:
        return
    ways = []
    if found.threshold_for_power is not None:
        ways.append(f"lower the threshold to Plan(practical_threshold={_rounded_down(found.threshold_for_power):g})")
    if found.effect_for_power is not None:
        ways.append(f"count on a true effect of {numbers.percent(found.effect_for_power)}")
    out = f"; to reach {chance(plan.target_power)} with {numbers.count(plan.units)} units, {' or '.join(ways)}"
    yield (
        f"NO NUMBER OF UNITS SHIPS A TRUE EFFECT OF {numbers.percent(plan.effect)} MORE OFTEN THAN "
        f"{chance(found.highest_power)}: the estimate has to reach the practical threshold of "
        f"{numbers.percent(found.practical_threshold)}, and an estimate falls short of "
        f"{'the truth half the time' if found.practical_threshold == plan.effect else 'it that often'}"
        f"{out if ways else ''}."
    )


def plan_reasons(plan: PlanEstimate) -> Iterator[str]:
    """Say why there is no size."""
    for metric in plan.metrics:
        if metric.reason is not None:
            block = "" if metric.role == "secondary" else "; without it no variant can ship"
            yield f"{metric.name!r} ({metric.role}) cannot be planned: {metric.reason}{block}"


def headline(plan: PlanEstimate) -> str:
    """Say size, power and runtime in one line."""
    if plan.units is None:
        return f"{plan.key}: no size can be planned"
    runtime = plan.runtime
    span = f", {_weeks(runtime.weeks)}" if runtime.weeks else ""
    kind = counted(plan).lower()
    return f"{plan.key}: {numbers.count(plan.units)} {kind}{span}, {_INFERENCES[plan.inference]}"


def counted(plan: PlanEstimate) -> str:
    """What a size of the plan counts."""
    return "Units in every variant" if plan.design == "paired" else "Units over all variants"


def summary(plan: PlanEstimate) -> list[str]:
    """Say in sentences what the plan gives, what must not be overlooked first."""
    return [*(f"! {text}" for text in plan.warnings), *sentences(plan)]


def sentences(plan: PlanEstimate) -> list[str]:
    """Say in sentences what the plan gives."""
    lines = list(plan.reasons)
    if plan.decision is not None:
        lines += [_size_sentence(plan, sum(metric.role == "guardrail" for metric in plan.metrics))]
        lines += [_decision_sentence(plan)]
    return [*lines, runtime_sentence(plan), f"Planned with {plan.history}."]


def runtime_sentence(plan: PlanEstimate) -> str:
    """Say how long it takes, or why nobody knows."""
    runtime = plan.runtime
    if runtime.days is None or runtime.weeks is None or runtime.daily_units is None:
        return f"No runtime: {runtime.reason}."
    rate = numbers.number(runtime.daily_units, 0 if runtime.daily_units >= 10 else None)
    return (
        f"At {rate} new units a day ({runtime.note}) it takes {numbers.count(runtime.days)} {_days(runtime.days)}; "
        f"plan {_weeks(runtime.weeks)}."
    )


def tiles(plan: PlanEstimate) -> list[tuple[str, str, str]]:
    """Three numbers with a label and a note: size, runtime, power of the decision."""
    weeks = plan.runtime.weeks
    size = counted(plan).lower()
    bound = None if plan.decision is None else plan.decision.at_least
    return [
        (size, numbers.count(plan.units), f"most for {plan.bottleneck}" if plan.bottleneck else "cannot be planned"),
        ("runtime", _weeks(weeks) if weeks else "—", plan.runtime.note or plan.runtime.reason or ""),
        ("a good variant ships", f"≥ {chance(bound)}" if bound else "—", f"true effect {numbers.percent(plan.effect)}"),
    ]


def _size_sentence(plan: PlanEstimate, guardrails: int) -> str:
    assert plan.units_by_variant is not None
    variants = ", ".join(f"{name} {numbers.count(units)}" for name, units in plan.units_by_variant.items())
    split = ""
    if guardrails:
        count = "the guardrail" if guardrails == 1 else f"each of {guardrails} guardrails"
        split = (
            f" The primary metric and {count} get {chance(plan.power_each)} power, so that all pass together "
            f"with {chance(plan.target_power)}; with {chance(plan.target_power)} each it would be "
            f"{chance(plan.uncorrected_power)}."
        )
    return f"{plan.bottleneck!r} needs most units ({variants}).{split}"


def _decision_sentence(plan: PlanEstimate) -> str:
    assert plan.decision is not None
    if plan.threshold is not None and plan.threshold.highest_power < plan.target_power:
        fewest = ""
    elif plan.fewest_units is not None and plan.units is not None and plan.fewest_units < 0.98 * plan.units:
        fewest = (
            f" {numbers.count(plan.fewest_units)} would do for {chance(plan.target_power)}, since other gates hold."
        )
    else:
        fewest = ""
    bound = "at least " if len(plan.decision.misses) > 1 else ""
    return (
        f"A variant with a true effect of {numbers.percent(plan.effect)} ships with a chance of {bound}"
        f"{chance(plan.decision.at_least)} at that size.{fewest}"
    )


def metric_rows(plan: PlanEstimate) -> list[list[str]]:
    """One row per metric, in the order of `METRICS`."""
    return [_metric_row(plan, metric) for metric in plan.metrics]


def _metric_row(plan: PlanEstimate, metric: MetricPlan) -> list[str]:
    sided = "one-sided" if metric.role == "guardrail" else "two-sided"
    aim = (
        f"margin {numbers.percent(metric.margin)}, no effect"
        if metric.role == "guardrail"
        else (f"effect {numbers.percent(metric.effect)}")
    )
    return [
        f"{metric.name} ({metric.role}, {metric.goal})",
        numbers.level(metric.baseline, metric.kind),
        numbers.level(metric.sd, "mean"),
        "one row each" if metric.icc_reason else numbers.number(metric.icc),
        aim,
        f"{numbers.percent(metric.alpha)} {sided}",
        chance(metric.power),
        numbers.count(metric.units),
    ]


def detectable_rows(plan: PlanEstimate) -> list[list[str]]:
    """One row per metric: the effect, or of a guardrail the margin, that each size shows with the planned power."""
    return [
        [
            f"{metric.name}{' (margin)' if metric.role == 'guardrail' else ''}",
            *(numbers.percent(at.mde) for at in metric.mde),
        ]
        for metric in plan.metrics
        if metric.mde
    ]


def covariate_rows(plan: PlanEstimate) -> list[list[str]]:
    """One row per metric with a covariate: what it removes and saves."""
    return [
        [
            metric.name,
            one.name,
            numbers.percent(one.variance_removed),
            numbers.count(one.units_without),
            numbers.count(one.units_saved),
        ]
        for metric in plan.metrics
        if (one := metric.covariate) is not None
    ]


def monitoring_rows(plan: PlanEstimate) -> list[list[str]]:
    """One row per metric: units at one look, and what looking on the way costs."""
    rows = []
    for metric in plan.metrics:
        if not metric.monitoring:
            continue
        cells = [numbers.count(metric.monitoring[0].units)]
        for cost in metric.monitoring[1:]:
            extra = "" if cost.ratio is None else f" ({numbers.percent(cost.ratio - 1, signed=True)})"
            looks = "" if cost.power_with_looks is None else f", {chance(cost.power_with_looks)} with looks"
            cells.append(f"{numbers.count(cost.units)}{extra}{looks}")
        rows.append([metric.name, *cells])
    return rows


def miss_rows(plan: PlanEstimate) -> list[list[str]]:
    """One row per gate: what can keep a good variant from shipping at the needed and at the planned size."""
    if plan.decision is None or plan.decision_at_planned_units is None:
        return []
    pairs = zip(plan.decision.misses, plan.decision_at_planned_units.misses, strict=True)
    return [[at.gate, _miss(at.probability), _miss(now.probability)] for at, now in pairs]


def tables(plan: PlanEstimate) -> Iterator[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Captions, headers and rows: metrics, monitoring, and what can go wrong."""
    yield "Every metric at its role", METRICS, metric_rows(plan)
    monitoring = monitoring_rows(plan)
    if monitoring:
        yield (
            f"{counted(plan)}, by how the data may be looked at",
            ("metric", *_INFERENCES.values()),
            monitoring,
        )
    detectable = detectable_rows(plan)
    if detectable:
        sizes = next(metric.mde for metric in plan.metrics if metric.mde)
        header = ("metric", *(f"with {numbers.count(at.units)} units" for at in sizes))
        yield "Smallest effect that a size shows", header, detectable
    saved = covariate_rows(plan)
    if saved:
        header = ("metric", "covariate", "variance removed", "units without it", "units saved")
        yield "What covariates save (CUPED)", header, saved
    misses = miss_rows(plan)
    if misses and plan.decision is not None:
        header = (
            "gate",
            f"with {numbers.count(plan.units)} units",
            f"with {numbers.count(plan.planned_units)} units, as planned now",
        )
        yield "What can keep a good variant from shipping", header, misses


def card(plan: PlanEstimate) -> Card:
    """Say size, what must not be overlooked, and every metric."""
    shown = [Table(header, rows, caption) for caption, header, rows in tables(plan)]
    return Card(headline(plan), summary(plan), shown)


def chance(value: float | None) -> str:
    """A chance in whole percent, with decimals near 0 and 100, never rounded to certainty."""
    if value is None:
        return "—"
    if value > 0.99:
        return numbers.percent(value, 1) if value < 0.9995 else "over 99.9%"
    return numbers.percent(value, 0 if value >= 0.1 else None)


def _miss(value: float) -> str:
    return "<0.01%" if value < 1e-4 else chance(value) if value > 0.9 else numbers.percent(value)


def _weeks(count: int) -> str:
    return f"{numbers.count(count)} full {'week' if count == 1 else 'weeks'}"


def _days(count: int) -> str:
    return "day" if count == 1 else "days"


def _rounded_down(value: float) -> float:
    return int(value * 1e4) / 1e4
