"""What may be true: the cases that a design is simulated under before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scipy import optimize

from abkit.errors import DefinitionError, suggest
from abkit.models import Experiment
from abkit.models.metric import Metric
from abkit.stats import split_sample_size

_DETECTION = 0.95
_LARGEST_SHIFT = 0.95


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way the world may be.

    Parameters
    ----------
    name : str
    lifts : dict
        Metric name -> true relative change of its level in the treatments; metrics that are absent do not change.
    treatments : tuple of str, optional
        The treatments that have these lifts; default: all.
    shares : tuple of float, optional
        Traffic that really reaches each variant, in the experiment's order; default: as planned.

    Examples
    --------
    >>> Scenario("cheaper", {"cost_usd": -0.2}).lifts_of("warming")
    {'cost_usd': -0.2}
    """

    name: str
    lifts: Mapping[str, float] = field(default_factory=dict)
    treatments: tuple[str, ...] | None = None
    shares: tuple[float, ...] | None = None

    def lifts_of(self, variant: str) -> dict[str, float]:
        """Return the changes that are not 0 in a treatment."""
        if self.treatments is not None and variant not in self.treatments:
            return {}
        return {name: lift for name, lift in self.lifts.items() if lift}


def default_scenarios(experiment: Experiment) -> tuple[Scenario, ...]:
    """No effect, the design effect, harm of that size, each guardrail at its margin, and a broken split.

    The split is moved by as much as the check is meant to find at the planned size in 95 % of experiments.
    """
    primary, effect = experiment.primary_metric, experiment.min_detectable_effect
    better = {primary.name: improvement(primary, effect)}
    harm = {primary.name: improvement(primary, -min(effect, 0.9))}
    found = [Scenario("no_effect"), Scenario("design_effect", better), Scenario("harm", harm)]
    for metric in experiment.guardrail_metrics:
        at_margin = {metric.name: improvement(metric, -(metric.margin or 0.0))}
        found.append(Scenario(f"{metric.name}_at_margin", better | at_margin))
    if experiment.data is None or experiment.data.design == "randomized":
        found.append(Scenario("broken_split", shares=detectable_split(experiment)))
    return tuple(found)


def improvement(metric: Metric, size: float) -> float:
    """Return the relative change that is an improvement of that size in the metric's direction."""
    return size if metric.goal == "maximize" else -size


def detectable_split(experiment: Experiment, power: float = _DETECTION) -> tuple[float, ...]:
    """Traffic with too little control, as far from the plan as the split check finds with that power."""
    planned = [variant.traffic_percentage for variant in experiment.variants]
    control = experiment.variants.index(experiment.control)

    def moved(shift: float) -> tuple[float, ...]:
        kept = planned[control] * (1 - shift)
        scale = (100 - kept) / (100 - planned[control])
        return tuple(kept if i == control else share * scale for i, share in enumerate(planned))

    def excess(shift: float) -> float:
        pairs = [(plan, real) for plan, real in zip(planned, moved(shift), strict=True) if plan > 0]
        before, after = zip(*pairs, strict=True)
        needed = split_sample_size(before, after, alpha=experiment.plan.srm_threshold, power=power)
        return needed - experiment.planned_units

    if excess(_LARGEST_SHIFT) > 0:
        return moved(_LARGEST_SHIFT)
    return moved(optimize.brentq(excess, 1e-6, _LARGEST_SHIFT, xtol=1e-9))


def check_scenario(experiment: Experiment, scenario: Scenario) -> None:
    """Raise unless the scenario speaks of the experiment's own metrics and variants.

    Raises
    ------
    DefinitionError
    """
    metrics = [metric.name for metric, _ in experiment.metrics]
    treatments = [variant.name for variant in experiment.treatments]
    problems = [f"no metric {name!r}{suggest(name, metrics)}" for name in scenario.lifts if name not in metrics]
    problems += [f"the change of {name!r} must be above -1" for name, lift in scenario.lifts.items() if lift <= -1]
    problems += [
        f"no treatment {name!r}{suggest(name, treatments)}"
        for name in scenario.treatments or ()
        if name not in treatments
    ]
    if scenario.shares is not None and (len(scenario.shares) != len(experiment.variants) or min(scenario.shares) < 0):
        problems.append(f"shares: one per variant ({len(experiment.variants)}), none negative")
    if problems:
        raise DefinitionError(f"the scenario {scenario.name!r} cannot be simulated:", problems)
