"""How many more units, and days at the present rate, would settle what is still open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from abkit.analyzer.compare import MetricInference, looks_so_far
from abkit.analyzer.result import ComparisonResult, MetricResult, Need
from abkit.analyzer.wording import need_of_guardrail, need_of_primary, need_of_runtime, need_of_size
from abkit.models import Experiment
from abkit.stats import Comparison, ConfidenceSequence, GroupSequentialTest, Test, units_needed
from abkit.stats.estimand import Effect

_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """How far the experiment is: units over all variants, and units per day where a rate is known."""

    units: int
    per_day: float | None = None

    def days_for(self, more: float | None) -> float | None:
        """Days until so many more units are there."""
        return None if more is None or not self.per_day else more / self.per_day


def with_needs(experiment: Experiment, metric: MetricResult, inference: MetricInference, pace: Pace) -> MetricResult:
    """Add to every comparison of a metric how many units would settle it, and in how many days they would be there."""
    alpha = experiment.alpha / (len(experiment.treatments) if metric.role == "primary" else 1)
    control = experiment.variants.index(experiment.control)
    base = metric.levels[experiment.control.name].value
    found = []
    for place, (variant, one) in enumerate(zip(experiment.treatments, metric.comparisons, strict=True)):
        pair = Comparison(inference.levels, experiment.variants.index(variant), control, inference.tests[place])
        needed = None
        if base is not None and base > 0 and one.difference.se:
            target = experiment.min_detectable_effect * base
            needed = units_at(experiment, pair.test, pair.effect(), target, alpha, pace)
        one = replace(one, units_needed=needed, days_needed=_days_to_come(needed, pace))
        if one.guardrail is not None and base is not None and base > 0 and one.difference.se:
            sign = 1.0 if metric.goal == "minimize" else -1.0
            effect = pair.effect(1 + sign * one.guardrail.margin)
            needed = units_at(experiment, pair.test, effect, -sign * float(effect.value), 2 * alpha, pace)
            guardrail = replace(one.guardrail, units_needed=needed, days_needed=_days_to_come(needed, pace))
            one = replace(one, guardrail=guardrail)
        found.append(one)
    return replace(metric, comparisons=tuple(found))


def _days_to_come(needed: int | None, pace: Pace) -> float | None:
    return None if needed is None else pace.days_for(max(needed - pace.units, 0))


def units_at(experiment: Experiment, test: Test, effect: Effect, target: float, alpha: float, pace: Pace) -> int | None:
    """Units at which a distance of `target` is seen with the planned power, judged as it will be at that size.

    A confidence sequence is wider early and late than at the planned size, so size and width are found together; a
    group-sequential plan is judged by the bound of its last look.
    """
    se = float(effect.se)
    if not (target > 0 and se > 0 and math.isfinite(se)):
        return None
    needed = float(pace.units)
    for _ in range(_ROUNDS):
        multiplier = multiplier_at(experiment, test, effect, alpha, needed / pace.units)
        if not math.isfinite(multiplier):
            return None
        before, needed = needed, float(units_needed(target, se, pace.units, multiplier, experiment.plan.power))
        if abs(needed - before) <= 1e-3 * needed:
            break
    if isinstance(test, ConfidenceSequence):
        needed = max(needed, math.ceil(pace.units * float(test.burn_in) / float(effect.smallest)))
    return int(needed)


def multiplier_at(experiment: Experiment, test: Test, effect: Effect, alpha: float, share: float) -> float:
    """Standard errors on each side of the interval at `share` times the present size."""
    if isinstance(test, GroupSequentialTest):
        test = replace(test, information=looks_so_far(experiment.plan.looks, 1.0), final=True)
    elif isinstance(test, ConfidenceSequence):
        test = replace(test, burn_in=0)
        effect = replace(effect, n=np.asarray(effect.n * share))
    return float(test.multiplier(effect, alpha))


def needs_of(variant: str, primary: MetricResult, metrics: list[MetricResult], pace: Pace) -> Iterator[Need]:
    """What a treatment's open metrics lack: the primary one that is not significant, guardrails that are undecided."""
    one = _of(variant, primary)
    if not one.is_significant and one.p_value_adjusted is not None:
        more = None if one.units_needed is None else max(one.units_needed - pace.units, 0)
        text = need_of_primary(primary.name, more, one.days_needed)
        yield Need("primary", primary.name, variant, more, one.days_needed, text)
    for metric in metrics:
        guardrail = _of(variant, metric).guardrail if metric.role == "guardrail" else None
        if guardrail is None or guardrail.status != "undecided" or guardrail.p_value is None:
            continue
        needed = guardrail.units_needed
        more = None if needed is None else max(needed - pace.units, 0)
        text = need_of_guardrail(metric.name, more, guardrail.days_needed)
        yield Need("guardrail", metric.name, variant, more, guardrail.days_needed, text)


def need_for_size(planned: int, pace: Pace) -> Need:
    """What the planned size lacks."""
    more = planned - pace.units
    days = pace.days_for(more)
    return Need("sample_size", None, None, more, days, need_of_size(more, days))


def need_for_runtime(days: float, minimum: float) -> Need:
    """What the minimum runtime lacks."""
    return Need("runtime", None, None, None, minimum - days, need_of_runtime(minimum - days))


def _of(variant: str, metric: MetricResult) -> ComparisonResult:
    return next(one for one in metric.comparisons if one.variant == variant)
