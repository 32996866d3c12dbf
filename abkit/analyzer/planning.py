"""From past units to a plan: every metric at its role, the decision, the runtime; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from abkit.analyzer.decision_power import DecisionGates
from abkit.analyzer.metric_plan import Planned, describe_metric, plan_metric, whole_units
from abkit.analyzer.plan_estimate import PlanEstimate, Runtime
from abkit.analyzer.plan_text import plan_reasons, plan_warnings
from abkit.errors import ParameterError
from abkit.models import Experiment
from abkit.named import Named
from abkit.snapshot import Population
from abkit.stats import power_each

_SLOWING = 0.8


def plan_experiment(
    experiment: Experiment, population: Population, *, sizes: Sequence[int] = (), daily_units: float | None = None
) -> PlanEstimate:
    """Compute what the experiment needs, and what it will be able to say.

    Parameters
    ----------
    experiment : Experiment
    population : Population
        Past units, or made-up ones.
    sizes : sequence of int
        Units over all variants at which to say what can be detected; default: the planned and the needed ones.
    daily_units : float, optional
        New units per day, instead of those seen.

    Returns
    -------
    PlanEstimate

    Raises
    ------
    ParameterError
        A size below 4 units, or not more than 0 units per day.
    """
    _check(sizes, daily_units)
    paired = population.variant is not None
    target, effect = experiment.plan.power, experiment.min_detectable_effect
    each = float(power_each(target, len(experiment.guardrail_metrics)))
    planned = [
        plan_metric(experiment, metric, role, population, target if role == "secondary" else each)
        for metric, role in experiment.metrics
    ]
    decision = _decision(experiment, planned, paired=paired)
    now = max(experiment.planned_units, experiment.min_sample_size)
    estimate = PlanEstimate(
        key=experiment.key,
        history=population.note,
        design="paired" if paired else "randomized",
        inference=experiment.plan.inference,
        target_power=target,
        power_each=each,
        effect=effect,
        planned_units=now,
        uncorrected_power=target ** (1 + len(experiment.guardrail_metrics)),
    )
    if decision is not None:
        estimate = _with_decision(experiment, estimate, decision, planned)
    runtime = _runtime(population, estimate.units, daily_units)
    marks = tuple(sizes) or tuple(dict.fromkeys([now, estimate.units or now]))
    estimate = replace(
        estimate,
        runtime=runtime,
        metrics=Named(describe_metric(experiment, one, marks, now, runtime.daily_units) for one in planned),
    )
    return replace(estimate, warnings=tuple(plan_warnings(estimate)), reasons=tuple(plan_reasons(estimate)))


def _with_decision(
    experiment: Experiment, estimate: PlanEstimate, decision: DecisionGates, planned: Sequence[Planned]
) -> PlanEstimate:
    """Add the size that is enough for every gate and for the decision, and what it gives."""
    effect, target, now = estimate.effect, estimate.target_power, estimate.planned_units
    fewest = decision.fewest_units(effect, target)
    gates = [one for one in planned if one.role != "secondary"]
    hardest = max(gates, key=lambda one: one.units or 0.0)
    exact = max(fewest or 0.0, hardest.units or 0.0)
    total, by_variant = whole_units(experiment, exact, paired=estimate.design == "paired")
    return replace(
        estimate,
        units=total,
        units_by_variant=by_variant,
        fewest_units=None if fewest is None else math.ceil(fewest),
        bottleneck=hardest.metric.name,
        decision=decision.power(total, effect),
        decision_at_planned_units=decision.power(now, effect),
        threshold=decision.threshold_effect(total, effect, target),
        curve=decision.curve(total, effect, (now, total)),
        sizes=decision.sizes(effect),
    )


def _check(sizes: Sequence[int], daily_units: float | None) -> None:
    for size in sizes:
        if isinstance(size, bool) or size != int(size) or size < 4:
            raise ParameterError(f"sizes are whole numbers of units over all variants, 4 or more, not {size!r}")
    if daily_units is not None and not (math.isfinite(daily_units) and daily_units > 0):
        raise ParameterError(f"daily_units must be more than 0, got {daily_units!r}")


def _decision(experiment: Experiment, planned: Sequence[Planned], *, paired: bool) -> DecisionGates | None:
    """Every gate of the decision; None where one of them cannot be planned, and with it the decision."""
    primary = planned[0].gate
    guardrails = [one.gate for one in planned if one.role == "guardrail" and one.gate is not None]
    if primary is None or any(one.units is None for one in planned if one.role != "secondary"):
        return None
    return DecisionGates(
        primary=primary,
        guardrails=tuple(guardrails),
        secondaries=tuple(one.gate for one in planned if one.role == "secondary" and one.gate is not None),
        threshold=experiment.practical_threshold,
        split_alarm=0.0 if paired else experiment.plan.srm_threshold,
    )


def _runtime(population: Population, units: int | None, daily_units: float | None) -> Runtime:
    note, rate = "as given", daily_units
    if rate is None:
        if population.day is None:
            return Runtime(None, reason="the history has no time: name its time column, or give daily_units")
        rate, note = _daily_units(population)
    if units is None:
        return Runtime(rate, reason="there is no planned size", note=note)
    days = math.ceil(units / rate)
    return Runtime(rate, days, math.ceil(days / 7), note=note)


def _daily_units(population: Population) -> tuple[float, str]:
    """New units per day; those of the later half where they become fewer, since a unit that returns is not new."""
    assert population.day is not None
    first = np.full(population.units, np.iinfo(np.intp).max)
    np.minimum.at(first, population.unit, population.day)
    start, span = int(population.day.min()), int(np.ptp(population.day)) + 1
    scale = population.all_units / population.units
    rate = population.units / span * scale
    half = span // 2
    later = float((first >= start + half).sum()) / (span - half) * scale
    if half and 0 < later < _SLOWING * rate:
        return later, f"new units of the later half of the {span:,} days seen: they were {rate:,.0f} a day over all"
    return rate, f"new units over the {span:,} days seen"
