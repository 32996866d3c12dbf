"""One metric: from moments to levels, comparisons and guardrail statuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.analyzer.guardrail import Pair, finite, with_guardrails
from abkit.analyzer.impact import unit_of
from abkit.analyzer.result import ComparisonResult, GuardrailResult, Interval, LevelEstimate, MetricResult
from abkit.models import Experiment
from abkit.models.metric import Metric, Role
from abkit.snapshot import MetricMoments, NotCollected, Snapshot
from abkit.stats import (
    Comparison,
    ConfidenceSequence,
    GroupSequentialTest,
    Levels,
    RateComparison,
    Spending,
    StudentTest,
    Test,
    cuped,
    delta_method,
    detectable_effect,
)
from abkit.stats.estimand import with_error
from abkit.stats.moments import Array
from abkit.stats.proportion import RateBatch

_BURN_IN, _LONGEST_BURN_IN = 30, 500
_FEWEST_CONSTANT = 1000


@dataclass(frozen=True, slots=True)
class MetricInference:
    """Everything that is computed from one metric's moments; batch axes lead, where the moments have some."""

    metric: Metric
    role: Role
    levels: Levels
    tests: tuple[Test, ...]
    pairs: tuple[Pair, ...]
    variance_removed: Array | None


def infer(experiment: Experiment, metric: Metric, role: Role, moments: MetricMoments, reached: int) -> MetricInference:
    """Compute levels and set up one comparison per treatment."""
    removed = None
    if moments.width > 2:
        adjusted = cuped(moments.blocks, moments.level, moments.width)
        levels, removed = adjusted.levels, adjusted.variance_removed
    else:
        levels = delta_method(moments.level, moments.blocks, moments.width)
    if moments.error:
        levels = with_error(levels, moments.error)
    control = experiment.variants.index(experiment.control)
    tests, pairs = [], []
    for variant in experiment.treatments:
        place = experiment.variants.index(variant)
        test = choose_test(experiment, metric, levels, (place, control), reached, paired=len(moments.blocks) == 1)
        general = Comparison(levels, place, control, test)
        tests.append(test)
        use_rates = moments.is_rate_of_units and experiment.plan.inference == "fixed"
        pairs.append(_rates(moments, place, control) if use_rates else general)
    return MetricInference(metric, role, levels, tuple(tests), tuple(pairs), removed)


def choose_test(
    experiment: Experiment, metric: Metric, levels: Levels, pair: tuple[int, int], reached: int, *, paired: bool
) -> Test:
    """Choose what counts as surprising: at one look, at the planned looks so far, or at any number of them."""
    plan, (treatment, control) = experiment.plan, pair
    if plan.inference == "fixed":
        return StudentTest("paired t" if paired else "welch t")
    if plan.inference == "group_sequential":
        looks = looks_so_far(plan.looks, reached / experiment.planned_units)
        return GroupSequentialTest(looks, Spending(plan.spending), final=reached >= experiment.planned_units)
    share = 1.0
    if not paired:
        used = experiment.variants[treatment].traffic_percentage + experiment.variants[control].traffic_percentage
        share = used / 100
    burn_in = _burn_in(metric, levels, pair)
    return ConfidenceSequence(experiment.planned_units * share, experiment.alpha, burn_in)


def _burn_in(metric: Metric, levels: Levels, pair: tuple[int, int]) -> Array:
    """Units per variant before which an asymptotic test is not believed: ten events, or what is as uneven as events.

    Ten times the squared coefficient of variation is the number of units with ten successes of a rate; of a mean of
    mostly zeros with a few large values, too. Bounded above, since a mean near 0 has no coefficient of variation.
    """
    if metric.kind == "quantile":
        return np.asarray(_BURN_IN)
    places = list(pair)
    units = levels.n if levels.n.shape[-1] == 1 else levels.n[..., places]
    variance = np.einsum("...bvv->...v", levels.covariance)[..., places] * units
    shares = np.broadcast_to(units, variance.shape) / np.broadcast_to(units, variance.shape).sum(axis=-1, keepdims=True)
    level = (levels.value[..., places] * shares).sum(axis=-1)
    if metric.kind == "proportion":
        level = np.minimum(level, 1 - level)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = 10 * (variance * shares).sum(axis=-1) / level**2
    return np.asarray(np.floor(np.clip(np.nan_to_num(needed, nan=_LONGEST_BURN_IN), _BURN_IN, _LONGEST_BURN_IN)))


def looks_so_far(planned: int, share: float) -> tuple[float, ...]:
    """Return the shares of the planned size at all looks up to this one, every planned one taken as made.

    Examples
    --------
    >>> looks_so_far(5, 0.5)
    (0.2, 0.4, 0.5)
    """
    made = [look / planned for look in range(1, planned) if look / planned < share * (1 - 1e-9)]
    return (*made, share)


def _rates(moments: MetricMoments, treatment: int, control: int) -> Pair:
    successes, units = zip(*((np.round(b.n * b.mean[..., 0]), b.n) for b in moments.blocks), strict=True)
    counts = (successes[treatment], units[treatment], successes[control], units[control])
    return RateComparison(*map(float, counts)) if counts[0].ndim == 0 else RateBatch(*counts)


def compare_metric(
    experiment: Experiment, metric: Metric, role: Role, snapshot: Snapshot, *, sharing: int = 1
) -> tuple[MetricResult, MetricInference | None]:
    """Compare every treatment with control on one metric, whose error budget so many comparisons share."""
    moments = snapshot.metrics[metric.name]
    if isinstance(moments, NotCollected):
        return _not_computed(experiment, metric, role, moments.reason, snapshot), None
    inference = infer(experiment, metric, role, moments, snapshot.total_units)
    units = [float(block.n) for block in moments.blocks] * (len(snapshot.variants) if len(moments.blocks) == 1 else 1)
    levels = {
        name: LevelEstimate(finite(inference.levels.value[i]), finite(inference.levels.se[i]), int(units[i]))
        for i, name in enumerate(snapshot.variants)
    }
    family = sharing * (len(experiment.treatments) if role == "primary" else 1)
    comparisons = tuple(_compare(experiment, inference, place, family) for place in range(len(experiment.treatments)))
    result = MetricResult(
        name=metric.name,
        kind=metric.kind,
        role=role,
        goal=metric.goal,
        levels=levels,
        comparisons=comparisons,
        margin=metric.margin,
        covariate=metric.covariate if moments.width > 2 else None,
        variance_removed=None if inference.variance_removed is None else float(inference.variance_removed),
        notes=moments.notes,
        sketch_error=dict(zip(snapshot.variants, moments.error, strict=True)) if moments.error else None,
        unit=unit_of(metric),
    )
    return (with_guardrails(experiment, result, inference.pairs) if role == "guardrail" else result), inference


def _compare(experiment: Experiment, inference: MetricInference, place: int, family: int) -> ComparisonResult:
    variant = experiment.treatments[place]
    treatment, control = experiment.variants.index(variant), experiment.variants.index(experiment.control)
    alpha = experiment.alpha / family
    effect = Comparison(inference.levels, treatment, control, inference.tests[place]).effect()
    pair = inference.pairs[place]
    value, se = finite(effect.value), finite(effect.se)
    reason = _why_not(value, se, float(effect.smallest), pair) or _constant_reason(
        experiment, inference, (treatment, control), pair
    )
    p_value = finite(pair.p_value()) if reason is None else None
    low, high = pair.interval(alpha) if reason is None else (None, None)
    if reason is None and finite(low) is None:
        reason = "burn-in: too few units for a test that may be looked at any time"
    base = finite(inference.levels.value[control])
    adjusted = None if p_value is None else min(1.0, p_value * family)
    exact = isinstance(pair, RateComparison)
    multiplier = float(inference.tests[place].multiplier(effect, alpha)) if se else math.inf
    return ComparisonResult(
        variant=variant.name,
        difference=Interval(value, finite(low), finite(high), se, reason),
        lift=_lift(value, base, pair, alpha, reason),
        p_value=p_value,
        p_value_adjusted=adjusted,
        statistic=None if not se or value is None else value / se,
        df=finite(effect.df) if isinstance(inference.tests[place], StudentTest) and not exact else None,
        method=pair.method if isinstance(pair, RateComparison) else inference.tests[place].name,
        confidence_level=round(1 - alpha, 12),
        is_significant=adjusted is not None and adjusted <= experiment.alpha,
        direction=_direction(value, inference.metric),
        mde=_relative(detectable_effect(se, multiplier, experiment.plan.power), base) if se else None,
    )


def _why_not(value: float | None, se: float | None, fewest: float, pair: Pair) -> str | None:
    if fewest < 2:
        return "fewer than two units in a variant"
    if value is None or se is None:
        return "the level of a variant is not defined: its denominator is 0"
    if se == 0 and not isinstance(pair, RateComparison):
        return "no variation within variants, so there is no standard error"
    return None


def is_constant(inference: MetricInference, pair: tuple[int, int], test: Pair) -> npt.NDArray[np.bool_]:
    """Whether a few equal values are all there is in a variant: they say nothing about how much the next ones vary."""
    levels = inference.levels
    if isinstance(test, RateComparison | RateBatch) or levels.n.shape[-1] == 1:
        return np.zeros(levels.value.shape[:-1], dtype=bool)
    variance = np.stack([levels.covariance[..., place, place, place] for place in pair], axis=-1)
    return np.asarray(((variance == 0) & (levels.n[..., list(pair)] < _FEWEST_CONSTANT)).any(axis=-1))


def _constant_reason(
    experiment: Experiment, inference: MetricInference, pair: tuple[int, int], test: Pair
) -> str | None:
    if not is_constant(inference, pair, test):
        return None
    levels = inference.levels
    place = next(place for place in pair if levels.covariance[place, place, place] == 0)
    name, n = experiment.variants[place].name, int(levels.n[place])
    return f"all {n:,} units of {name!r} have the same value, too few to show how much they vary"


def _lift(value: float | None, base: float | None, pair: Pair, alpha: float, reason: str | None) -> Interval:
    if value is None or base is None or base <= 0:
        state = "0" if base == 0 else "negative" if base is not None else "not defined"
        return Interval(None, None, None, reason=f"the control level is {state}, so a relative change means nothing")
    if reason is not None:
        return Interval(value / base, None, None, reason=reason)
    with np.errstate(over="ignore"):
        low, high = (finite(bound) for bound in pair.lift_interval(alpha))
    unbounded = "the control level is too uncertain: the set of compatible lifts is unbounded"
    if low is None or high is None:
        return Interval(value / base, None, None, reason=unbounded)
    return Interval(value / base, low, high)


def _direction(value: float | None, metric: Metric) -> Any:
    if value is None:
        return None
    gain = value if metric.goal == "maximize" else -value
    return "better" if gain > 0 else "worse" if gain < 0 else "same"


def _relative(effect: float, base: float | None) -> float | None:
    return finite(effect / base) if base is not None and base > 0 else None


def _not_computed(experiment: Experiment, metric: Metric, role: Role, reason: str, snapshot: Snapshot) -> MetricResult:
    nothing = Interval(None, None, None, reason=reason)
    comparisons = []
    for variant in experiment.treatments:
        one = ComparisonResult(
            variant.name, nothing, nothing, None, None, None, None, "none", 1 - experiment.alpha, False, None
        )
        if role == "guardrail":
            text = f"{metric.name!r}: not shown safe, because {reason}"
            guardrail = GuardrailResult(metric.margin or 0.0, "undecided", None, None, experiment.alpha, text)
            one = replace(one, guardrail=guardrail)
        comparisons.append(one)
    levels = {name: LevelEstimate(None, None, snapshot.units[name]) for name in snapshot.variants}
    return MetricResult(
        metric.name,
        metric.kind,
        role,
        metric.goal,
        levels,
        tuple(comparisons),
        metric.margin,
        reason=reason,
        unit=unit_of(metric),
    )


def missing_by_metric(snapshot: Snapshot, variant: str) -> Mapping[str, int]:
    """Rows without a value, by metric, in one variant."""
    return {name: moments.missing[variant] for name, moments in snapshot.metrics.items()}
