"""What was planned beside what was reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abkit.analyzer.compare import MetricInference, looks_so_far
from abkit.analyzer.deviations import find_deviations
from abkit.analyzer.needs import Pace, multiplier_at, units_at
from abkit.analyzer.plan_summary import EffectSize, PlanSummary, SizePower, SizeTable
from abkit.analyzer.result import Check, ComparisonResult, MetricResult
from abkit.models import Experiment
from abkit.models.design import design_hash
from abkit.snapshot import Snapshot
from abkit.stats import Comparison, Effect, Test, detectable_effect, power_at

_SHARES = (0.5, 1.0, 2.0)
_STEPS = 9
_CLOSE = 1.05


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the primary metric can see at any size, in the treatment with the widest interval."""

    experiment: Experiment
    test: Test
    effect: Effect
    se: float
    base: float
    pace: Pace

    @property
    def alpha(self) -> float:
        """Each treatment's share of the error."""
        return self.experiment.alpha / len(self.experiment.treatments)

    def _at(self, units: int) -> tuple[float, float]:
        share = units / self.pace.units
        multiplier = multiplier_at(self.experiment, self.test, self.effect, self.alpha, share)
        return self.se / math.sqrt(share), multiplier

    def power(self, units: int, *lifts: float) -> tuple[float, ...]:
        """Chance to see each lift with so many units over all variants, judged as it will be at that size."""
        se, multiplier = self._at(units)
        return tuple(power_at(one * self.base, se, multiplier) if math.isfinite(multiplier) else 0.0 for one in lifts)

    def mde(self, units: int) -> float | None:
        """Smallest lift that is seen with the planned power."""
        se, multiplier = self._at(units)
        found = detectable_effect(se, multiplier, self.experiment.plan.power) / self.base
        return found if math.isfinite(found) else None

    def needed(self, lift: float) -> int | None:
        """Units over all variants that see a lift with the planned power."""
        return units_at(self.experiment, self.test, self.effect, lift * self.base, self.alpha, self.pace)


def _sight(
    experiment: Experiment, inference: MetricInference | None, primary: MetricResult, one: ComparisonResult, pace: Pace
) -> _Sight | None:
    base = primary.levels[experiment.control.name].value
    if inference is None or base is None or base <= 0 or not one.difference.se or one.mde is None:
        return None
    place = [variant.name for variant in experiment.treatments].index(one.variant)
    treatment, control = (experiment.variants.index(v) for v in (experiment.treatments[place], experiment.control))
    pair = Comparison(inference.levels, treatment, control, inference.tests[place])
    return _Sight(experiment, pair.test, pair.effect(), one.difference.se, base, pace)


def summarize_plan(
    experiment: Experiment,
    snapshot: Snapshot,
    metrics: Sequence[MetricResult],
    checks: Sequence[Check],
    inference: MetricInference | None,
) -> PlanSummary:
    """Say what the planned size can see at the variance that was observed; never power at the observed effect."""
    planned, reached = experiment.planned_units, snapshot.total_units
    primary = metrics[0]
    weakest = max(primary.comparisons, key=lambda one: one.mde or 0.0)
    sight = _sight(experiment, inference, primary, weakest, Pace(reached, snapshot.units_per_day))
    power = None if sight is None else sight.power(planned, experiment.min_detectable_effect)[0]
    look, looks = _looks(experiment, reached)
    return PlanSummary(
        inference=experiment.plan.inference,
        target_power=experiment.plan.power,
        planned_units=planned,
        units=reached,
        practical_threshold=experiment.practical_threshold,
        power_at_planned_size=power,
        mde_at_planned_size=None if sight is None else sight.mde(planned),
        mde_at_reached_size=weakest.mde,
        min_runtime_days=experiment.plan.min_runtime_days,
        look=look,
        looks=looks,
        is_final=reached >= max(planned, experiment.min_sample_size),
        design_hash=design_hash(experiment.to_dict()),
        deviations=find_deviations(experiment, snapshot, metrics, checks, power),
        size_table=None if sight is None else _size_table(sight, primary.name, weakest.variant),
    )


def _looks(experiment: Experiment, reached: int) -> tuple[int | None, int | None]:
    if experiment.plan.inference != "group_sequential":
        return None, None
    return len(looks_so_far(experiment.plan.looks, reached / experiment.planned_units)), experiment.plan.looks


def _size_table(sight: _Sight, metric: str, variant: str) -> SizeTable:
    experiment, pace = sight.experiment, sight.pace
    targets = [share * experiment.min_detectable_effect for share in _SHARES]
    needed = [sight.needed(target) for target in targets]
    sizes = _sizes(pace.units, experiment.planned_units, needed)
    return SizeTable(
        metric,
        variant,
        tuple(
            EffectSize(target, units, None if units is None else pace.days_for(max(units - pace.units, 0)))
            for target, units in zip(targets, needed, strict=True)
        ),
        tuple(SizePower(units, pace.days_for(units), sight.power(units, *targets)) for units in sizes),
    )


def _sizes(reached: int, planned: int, needed: Sequence[int | None]) -> list[int]:
    """The sizes that matter, and even steps of the logarithm between and around them."""
    marks = sorted({reached, planned, *(units for units in needed[1:2] if units)})
    low, high = max(4.0, marks[0] / 2), 2.0 * max(marks)
    steps = [low * (high / low) ** (step / (_STEPS - 1)) for step in range(_STEPS)]
    rounded = [round(step, 1 - math.floor(math.log10(step))) for step in steps]
    between = [int(size) for size in rounded if all(not 1 / _CLOSE < size / mark < _CLOSE for mark in marks)]
    return sorted({*marks, *between})
