"""What was planned beside what was reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from abkit.analyzer.compare import MetricInference, looks_so_far
from abkit.analyzer.deviations import find_deviations
from abkit.analyzer.needs import Pace, multiplier_at, units_at
from abkit.analyzer.plan_summary import EffectSize, PlanSummary, SizePower, SizeTable
from abkit.analyzer.result import Check, ComparisonResult, MetricResult
from abkit.models import Experiment
from abkit.models.design import design_hash
from abkit.snapshot import Snapshot
from abkit.stats import Comparison, power_at

_SHARES = (0.5, 1.0, 2.0)
_STEPS = 9
_CLOSE = 1.05


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
    base = primary.levels[experiment.control.name].value
    power = at_planned = None
    if weakest.mde is not None and weakest.difference.se and base:
        shrink = math.sqrt(reached / planned)
        se = weakest.difference.se * shrink
        at_planned = weakest.mde * shrink
        multiplier = weakest.mde * base / weakest.difference.se - float(special.ndtri(experiment.plan.power))
        power = power_at(experiment.min_detectable_effect * base, se, multiplier)
    look, looks = _looks(experiment, reached)
    return PlanSummary(
        inference=experiment.plan.inference,
        target_power=experiment.plan.power,
        planned_units=planned,
        units=reached,
        practical_threshold=experiment.practical_threshold,
        power_at_planned_size=power,
        mde_at_planned_size=at_planned,
        mde_at_reached_size=weakest.mde,
        min_runtime_days=experiment.plan.min_runtime_days,
        look=look,
        looks=looks,
        is_final=reached >= max(planned, experiment.min_sample_size),
        design_hash=design_hash(experiment.to_dict()),
        deviations=find_deviations(experiment, snapshot, metrics, checks, power),
        size_table=_size_table(experiment, inference, primary, weakest, Pace(reached, snapshot.units_per_day)),
    )


def _looks(experiment: Experiment, reached: int) -> tuple[int | None, int | None]:
    if experiment.plan.inference != "group_sequential":
        return None, None
    return len(looks_so_far(experiment.plan.looks, reached / experiment.planned_units)), experiment.plan.looks


def _size_table(
    experiment: Experiment, inference: MetricInference | None, primary: MetricResult, one: ComparisonResult, pace: Pace
) -> SizeTable | None:
    base = primary.levels[experiment.control.name].value
    if inference is None or base is None or base <= 0 or not one.difference.se or one.mde is None:
        return None
    place = [variant.name for variant in experiment.treatments].index(one.variant)
    pair = Comparison(
        inference.levels,
        experiment.variants.index(experiment.treatments[place]),
        experiment.variants.index(experiment.control),
        inference.tests[place],
    )
    effect, se = pair.effect(), one.difference.se
    alpha = experiment.alpha / len(experiment.treatments)
    targets = [share * experiment.min_detectable_effect for share in _SHARES]
    needed = [units_at(experiment, pair.test, effect, target * base, alpha, pace) for target in targets]

    def power(units: int, target: float) -> float:
        share = units / pace.units
        multiplier = multiplier_at(experiment, pair.test, effect, alpha, share)
        return power_at(target * base, se / math.sqrt(share), multiplier) if math.isfinite(multiplier) else 0.0

    sizes = _sizes(pace.units, experiment.planned_units, needed)
    return SizeTable(
        primary.name,
        one.variant,
        tuple(
            EffectSize(target, units, None if units is None else pace.days_for(max(units - pace.units, 0)))
            for target, units in zip(targets, needed, strict=True)
        ),
        tuple(
            SizePower(
                units,
                None if not pace.per_day else units / pace.per_day,
                tuple(power(units, target) for target in targets),
            )
            for units in sizes
        ),
    )


def _sizes(reached: int, planned: int, needed: Sequence[int | None]) -> list[int]:
    """The sizes that matter, and even steps of the logarithm between and around them."""
    marks = sorted({reached, planned, *(units for units in needed[1:2] if units is not None)})
    low, high = max(4.0, marks[0] / 2), 2.0 * max(marks)
    steps = [low * (high / low) ** (step / (_STEPS - 1)) for step in range(_STEPS)]
    rounded = [round(step, 1 - math.floor(math.log10(step))) for step in steps]
    between = [int(size) for size in rounded if all(not 1 / _CLOSE < size / mark < _CLOSE for mark in marks)]
    return sorted({*marks, *between})
