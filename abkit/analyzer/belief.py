"""What a result is worth to somebody who believed something before, and after it was selected for being significant."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scipy import special

from abkit.analyzer.compare import compare_metric
from abkit.analyzer.result import Analysis
from abkit.models import Experiment
from abkit.snapshot import Snapshot
from abkit.stats import (
    Comparison,
    conditional_estimate,
    exaggeration,
    normal_normal,
)
from abkit.stats.bayes import LIFT_PRIOR


@dataclass(frozen=True, slots=True)
class Belief:
    """The lift after the data, from a prior that expects little: normal with mean 0.

    `is_better` says whether the credible interval is on the good side of 0, and `changes` whether that differs from
    what the test says. Not a stopping rule. All but `prior_sd` are None where there is no lift, with the reason.
    """

    prior_sd: float
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    chance_to_win: float | None = None
    loss_if_shipped: float | None = None
    is_better: bool | None = None
    changes: bool | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Shrunken:
    """The effect, without what it owes to having been selected.

    `difference` and `lift` are the corrected ones, `observed` the lift as it was seen, `exaggeration` how many times
    too large significant results are on average if the true effect is the minimum detectable one. None, with the
    reason, where nothing was selected.
    """

    method: str | None = None
    difference: float | None = None
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    observed: float | None = None
    exaggeration: float | None = None
    reason: str | None = None


def believe(experiment: Experiment, snapshot: Snapshot, analysis: Analysis) -> Belief:
    """Read the lift of the decision's variant with a weakly informative prior.

    The likelihood is normal with the delta-method standard error of the lift; the interval has the level of the test.
    """
    found = _Effect.of(experiment, snapshot, analysis)
    if found is None or found.base is None or found.lift_se is None:
        return Belief(LIFT_PRIOR.sd, reason="there is no lift with a standard error")
    goal = experiment.primary_metric.goal
    level = 1 - found.alpha
    after = normal_normal(found.value / found.base, found.lift_se, LIFT_PRIOR, level, goal)
    is_better = after.low > 0 if goal == "maximize" else after.high < 0
    says_better = found.is_significant and found.value * found.better > 0
    return Belief(
        LIFT_PRIOR.sd,
        after.value,
        after.low,
        after.high,
        round(level, 12),
        after.chance_to_win,
        after.loss_if_shipped,
        is_better,
        is_better != says_better,
    )


def shrink_winner(experiment: Experiment, snapshot: Snapshot, analysis: Analysis) -> Shrunken:
    """Correct the effect of the decision's variant for having been selected as significant.

    The estimate given that it is beyond the bound of its test, which several treatments, an always-valid plan and an
    early look push outward. docs/methods/robustness.md says why it is this one and not the median-unbiased estimate
    after stopping, nor joint shrinkage of several treatments.
    """
    found = _Effect.of(experiment, snapshot, analysis)
    if found is None:
        return Shrunken(reason="there is no effect with a standard error")
    if not found.is_significant:
        return Shrunken(reason="nothing was selected: the result is not significant")
    value, se = found.value, found.se
    bound = 2 * float(special.ndtr(-found.multiplier))
    selected = max(bound, 2 * float(special.ndtr(-abs(value / se))))  # an exact test may reject a little earlier
    answer = conditional_estimate(value, se, alpha=selected, level=1 - found.alpha)
    supposed = None if found.base is None else experiment.min_detectable_effect * found.base
    told = Shrunken(
        answer.method,
        answer.value,
        exaggeration=exaggeration(supposed, se, alpha=bound).exaggeration if supposed and bound > 0 else None,
    )
    if found.base is None:
        return told
    low, high = (None if end is None else end / found.base for end in (answer.low, answer.high))
    return replace(told, lift=float(answer.value or 0.0) / found.base, low=low, high=high, observed=value / found.base)


@dataclass(frozen=True, slots=True)
class _Effect:
    """The effect that the decision speaks of, and how it was tested."""

    value: float
    se: float
    base: float | None
    lift_se: float | None
    alpha: float
    multiplier: float
    better: float
    is_significant: bool

    @classmethod
    def of(cls, experiment: Experiment, snapshot: Snapshot, analysis: Analysis) -> _Effect | None:
        metric = experiment.primary_metric
        result, inference = compare_metric(experiment, metric, "primary", snapshot)
        names = [variant.name for variant in experiment.treatments]
        place = names.index(analysis.decision.variant)
        one = result.comparisons[place]
        if inference is None or not one.difference.se or one.difference.low is None:
            return None
        test, control = inference.tests[place], experiment.variants.index(experiment.control)
        pair = Comparison(inference.levels, experiment.variants.index(experiment.treatments[place]), control, test)
        effect = pair.effect()
        alpha = experiment.alpha / len(names)
        base = result.levels[experiment.control.name].value
        base = base if base is not None and base > 0 else None
        level = result.levels[one.variant].value
        lift_se = None if base is None or level is None else float(pair.effect(level / base).se) / base
        return cls(
            float(effect.value),
            float(effect.se),
            base,
            lift_se or None,
            alpha,
            float(test.multiplier(effect, alpha)),
            1.0 if metric.goal == "maximize" else -1.0,
            one.is_significant,
        )
