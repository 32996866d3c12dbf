"""The verdict on many experiments at once, by the same inference and the same gates as the verdict on one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.analyzer.compare import MetricInference, infer, is_constant
from abkit.analyzer.gates import Gates, judge_gates
from abkit.models import Experiment
from abkit.models.metric import Metric
from abkit.snapshot import MetricMoments
from abkit.stats.moments import Array
from abkit.stats.srm import split_p_values

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What S experiments say at one look.

    Parameters
    ----------
    place : array (S,) of int
        Of the verdict on the best treatment, in `gates.ORDER`.
    treatment : array (S,) of int
        Which treatment that is.
    invalid : array (S,) of bool
        Whether the split check failed, which beats everything.
    """

    place: npt.NDArray[np.intp]
    treatment: npt.NDArray[np.intp]
    invalid: Bools


def judge_batch(
    experiment: Experiment, moments: Mapping[str, MetricMoments], units: Array, *, paired: bool
) -> Verdicts:
    """Judge S experiments that have all reached the same total size.

    Parameters
    ----------
    experiment : Experiment
    moments : mapping
        By metric name, with the batch axis S.
    units : array (S, V)
        Units by variant; paired: (S, 1).
    paired : bool
    """
    reached = round(float(units[0].sum()))
    inferred = {m.name: infer(experiment, m, role, moments[m.name], reached) for m, role in experiment.metrics}
    treatments = range(len(experiment.treatments))
    judged = [_judge(experiment, inferred, place, reached) for place in treatments]
    places = np.stack([place for place, _ in judged], axis=-1)
    gains = np.stack([gain for _, gain in judged], axis=-1)
    best = np.lexsort((-gains, places), axis=-1)[..., 0]
    invalid = np.zeros(len(units), dtype=bool)
    if not paired:
        shares = [variant.traffic_percentage for variant in experiment.variants]
        expected = reached * np.array(shares) / 100
        if (expected[expected > 0] >= 5).all():
            invalid = split_p_values(units, shares) < experiment.plan.srm_threshold
    return Verdicts(np.take_along_axis(places, best[:, None], axis=-1)[:, 0], best, invalid)


def _judge(
    experiment: Experiment, inferred: Mapping[str, MetricInference], place: int, reached: int
) -> tuple[npt.NDArray[np.intp], Array]:
    """Take one treatment of every experiment through the gates; return verdicts and gains."""
    primary = inferred[experiment.primary_metric.name]
    family = len(experiment.treatments)
    better, harmed = _significant(experiment, primary, place, experiment.alpha / family)
    gain, has_lift = _gain(experiment, primary, place)
    threshold = experiment.practical_threshold
    violated, undecided = np.zeros_like(better), np.zeros_like(better)
    for metric in experiment.guardrail_metrics:
        beyond, within = _guardrail(experiment, metric, inferred[metric.name], place)
        violated, undecided = violated | beyond, undecided | ~(beyond | within)
    worse = np.zeros_like(better)
    for metric in experiment.secondary_metrics:
        worse = worse | _significant(experiment, inferred[metric.name], place, experiment.alpha)[1]
    gates = Gates(
        better=better,
        harmed=harmed,
        violated=violated,
        undecided=undecided,
        worse=worse,
        reached=np.full(better.shape, True) if threshold is None else has_lift & (gain >= threshold),
        unclear=np.zeros_like(better) if threshold is None else ~has_lift,
        enough=reached >= max(experiment.min_sample_size, experiment.planned_units),
        may_stop_early=experiment.plan.inference != "fixed",
    )
    return judge_gates(gates), gain


def _significant(experiment: Experiment, inference: MetricInference, place: int, alpha: float) -> tuple[Bools, Bools]:
    """Whether the metric is significantly better, and significantly worse."""
    low, high = inference.pairs[place].interval(alpha)
    usable = _usable(experiment, inference, place)
    up, down = usable & (np.asarray(low) > 0), usable & (np.asarray(high) < 0)
    return (up, down) if inference.metric.goal == "maximize" else (down, up)


def _usable(experiment: Experiment, inference: MetricInference, place: int) -> Bools:
    """Two units at least in each variant, and values that vary enough to be tested."""
    treatment = experiment.variants.index(experiment.treatments[place])
    control = experiment.variants.index(experiment.control)
    n = inference.levels.n
    fewest = n.min(axis=-1) if n.shape[-1] == 1 else n[..., [treatment, control]].min(axis=-1)
    return np.asarray((fewest >= 2) & ~is_constant(inference, (treatment, control), inference.pairs[place]))


def _gain(experiment: Experiment, inference: MetricInference, place: int) -> tuple[Array, Bools]:
    """Relative change in the goal's direction (the plain one where control is not positive), and whether it exists."""
    values = inference.levels.value
    treatment = values[..., experiment.variants.index(experiment.treatments[place])]
    control = values[..., experiment.variants.index(experiment.control)]
    has_lift = np.asarray(control > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(has_lift, treatment / control - 1, treatment - control)
    return (change if inference.metric.goal == "maximize" else -change), has_lift


def _guardrail(experiment: Experiment, metric: Metric, inference: MetricInference, place: int) -> tuple[Bools, Bools]:
    """Whether the guardrail is shown to be beyond its margin, and whether it is shown to be within it."""
    sign = 1.0 if metric.goal == "minimize" else -1.0
    ratio = 1 + sign * (metric.margin or 0.0)
    low, high = (sign * np.asarray(bound) for bound in inference.pairs[place].interval(2 * experiment.alpha, ratio))
    usable = _usable(experiment, inference, place) & _gain(experiment, inference, place)[1]
    return usable & (np.minimum(low, high) > 0), usable & (np.maximum(low, high) < 0)
