"""One metric of a plan: from its gate to sizes, effects and what monitoring and covariate do to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from abkit.analyzer.compare import choose_test
from abkit.analyzer.pilot import Pilot, read_pilot
from abkit.analyzer.plan_estimate import Covariate, MetricPlan, MonitoringCost, SizeEffect
from abkit.analyzer.power import Gate, gate_of
from abkit.models import Experiment, Proportion
from abkit.models.metric import Metric, Role
from abkit.models.plan import Inference
from abkit.snapshot import Population
from abkit.stats import ConfidenceSequence, Levels

_INFERENCES: tuple[Inference, ...] = ("fixed", "group_sequential", "always_valid")


@dataclass(frozen=True, slots=True)
class Planned:
    """A metric with its gate, or the reason why it has none, and what it is planned for.

    Parameters
    ----------
    metric : Metric
    role : {"primary", "guardrail", "secondary"}
    gate : Gate or None
        Of the treatment that needs most units.
    effect : float
        Distance planned for, relative to control: the effect to detect, or the margin.
    power : float
    alpha : float
        As it is told: one-sided for a guardrail.
    units : float or None
        Over all variants, not rounded.
    reason : str or None
    """

    metric: Metric
    role: Role
    gate: Gate | None
    effect: float
    power: float
    alpha: float
    units: float | None = None
    reason: str | None = None


def plan_metric(experiment: Experiment, metric: Metric, role: Role, population: Population, power: float) -> Planned:
    """Set up the gate of a metric and find the units it needs."""
    alpha = experiment.alpha / len(experiment.treatments) if role == "primary" else experiment.alpha
    effect = (metric.margin or 0.0) if role == "guardrail" else experiment.min_detectable_effect
    planned = Planned(metric, role, None, effect, power, alpha)
    pilot = read_pilot(experiment, metric, population)
    if isinstance(pilot, str):
        return replace(planned, reason=pilot)
    level = float(pilot.levels[experiment.variants.index(experiment.control)])
    if level <= 0:
        state = "0" if level == 0 else "negative"
        return replace(planned, reason=f"the control level is {state}, so a relative change means nothing")
    gate = _hardest_gate(experiment, metric, role, pilot)
    if gate is None:
        return replace(planned, reason="no treatment has traffic, so there is nothing to compare")
    reason = _why_not(gate, effect)
    if reason is not None:
        return replace(planned, gate=gate, reason=reason)
    units = gate.units_for(effect, power)
    reason = None if units is not None else "more than a million million units are needed"
    return replace(planned, gate=gate, units=units, reason=reason)


def _hardest_gate(experiment: Experiment, metric: Metric, role: Role, pilot: Pilot) -> Gate | None:
    control = experiment.variants.index(experiment.control)
    gates = []
    for variant in experiment.treatments:
        place = experiment.variants.index(variant)
        if pilot.is_paired or variant.traffic_percentage > 0:
            burn_in = _burn_in(experiment, metric, pilot, (place, control))
            gates.append(gate_of(experiment, metric, role, pilot, place, burn_in))
    return max(gates, key=lambda gate: gate.variance(0.0, 1.0), default=None)


def _burn_in(experiment: Experiment, metric: Metric, pilot: Pilot, pair: tuple[int, int]) -> int:
    """Units per variant before which the analysis believes no always-valid test."""
    own = [np.outer(place, place) * pilot.plain for place in np.eye(len(pilot.levels))]
    blocks = pilot.plain[None] if pilot.is_paired else np.stack(own)
    levels = Levels(pilot.levels, blocks / pilot.units, np.full(len(blocks), float(pilot.units)))
    always = replace(experiment, plan=replace(experiment.plan, inference="always_valid"))
    test = choose_test(always, metric, levels, pair, pilot.units, paired=pilot.is_paired)
    assert isinstance(test, ConfidenceSequence)
    return int(test.burn_in)


def _why_not(gate: Gate, effect: float) -> str | None:
    if effect == 0:
        return "its margin is 0: no number of units shows that nothing at all got worse"
    if gate.role != "guardrail" and effect >= gate.largest_effect:
        what = "exceed 100 %" if isinstance(gate.metric, Proportion) and gate.metric.goal == "maximize" else "reach 0"
        return f"from {gate.level:.4g}, a change by {100 * effect:g} % would {what}: plan with a smaller effect"
    return None


def describe_metric(
    experiment: Experiment, planned: Planned, marks: Sequence[int], at_least_planned: int, daily: float | None
) -> MetricPlan:
    """Put a metric's plan together."""
    metric, gate = planned.metric, planned.gate
    plan = MetricPlan(
        name=metric.name,
        kind=metric.kind,
        role=planned.role,
        goal=metric.goal,
        margin=metric.margin if planned.role == "guardrail" else None,
        alpha=planned.alpha,
        power=planned.power,
        effect=0.0 if planned.role == "guardrail" else planned.effect,
        reason=planned.reason,
    )
    if gate is None:
        return plan
    plan = _with_pilot(plan, gate)
    if planned.units is None:
        return plan
    total, by_variant = whole_units(experiment, planned.units, paired=gate.pilot.is_paired)
    return replace(
        plan,
        units=total,
        units_by_variant=by_variant,
        days=None if not daily else math.ceil(total / daily),
        monitoring=_monitoring(experiment, planned, gate),
        covariate=_covariate(experiment, planned, gate),
        mde=tuple(SizeEffect(size, gate.effect_for(size, planned.power)) for size in marks),
        power_at_planned_units=gate.passes(at_least_planned, planned.effect),
    )


def _with_pilot(plan: MetricPlan, gate: Gate) -> MetricPlan:
    pilot, place = gate.pilot, gate.control
    spread = gate.variance(0.0, 1.0) * pilot.coverage if pilot.is_paired else float(pilot.adjusted[place, place])
    icc = pilot.icc
    return replace(
        plan,
        baseline=gate.level,
        sd=math.sqrt(spread),
        variance=spread,
        icc=None if icc is None else icc.icc,
        design_effect=pilot.design_effect,
        icc_reason="every unit is one row" if icc is None else None if icc.icc is not None else "rows do not vary",
        rows_per_unit=pilot.rows_per_unit,
        coverage=pilot.coverage,
        notes=tuple(_notes(gate)),
    )


def _notes(gate: Gate) -> list[str]:
    notes = []
    if gate.metric.cap is not None:
        notes.append("values are clipped as in the past, at the same value in every variant")
    if gate.pilot.coverage < 1:
        notes.append(
            f"only {100 * gate.pilot.coverage:.3g} % of units have a value; the others count as units all the same"
        )
    return notes


def _monitoring(experiment: Experiment, planned: Planned, gate: Gate) -> tuple[MonitoringCost, ...]:
    costs: list[MonitoringCost] = []
    for inference in _INFERENCES:
        under = gate.under(inference)
        exact = under.units_for(planned.effect, planned.power)
        if exact is None:
            costs.append(MonitoringCost(inference, None, None, None, None, "more than a million million units"))
            continue
        total, _ = whole_units(experiment, exact, paired=gate.pilot.is_paired)
        fixed = costs[0].units if costs else total
        costs.append(
            MonitoringCost(
                inference,
                total,
                None if fixed is None else total - fixed,
                None if fixed is None else total / fixed,
                under.passes_at_some_look(total, planned.effect),
            )
        )
    return tuple(costs)


def _covariate(experiment: Experiment, planned: Planned, gate: Gate) -> Covariate | None:
    if gate.metric.covariate is None:
        return None
    plain = replace(gate, uses_covariate=False)
    exact, saved = plain.units_for(planned.effect, planned.power), None
    without = None if exact is None else whole_units(experiment, exact, paired=gate.pilot.is_paired)[0]
    if without is not None and planned.units is not None:
        saved = without - whole_units(experiment, planned.units, paired=gate.pilot.is_paired)[0]
    removed = 1 - gate.variance(0.0, 1.0) / plain.variance(0.0, 1.0)
    return Covariate(gate.metric.covariate, removed, without, saved)


def whole_units(experiment: Experiment, units: float, *, paired: bool) -> tuple[int, dict[str, int]]:
    """Round up to whole units in every variant; of a pair, every unit is in all variants."""
    shares = {variant.name: 1.0 if paired else variant.traffic_percentage / 100 for variant in experiment.variants}
    by_variant = {name: math.ceil(units * share * (1 - 1e-12)) for name, share in shares.items()}
    return max(by_variant.values()) if paired else sum(by_variant.values()), by_variant
