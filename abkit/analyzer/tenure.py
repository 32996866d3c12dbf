"""Does the effect last? The primary metric's effect by days since each unit's first row; pure."""

from __future__ import annotations

from abkit.analyzer.breakdown import TenureEffect, TenureResult, TenureTrend
from abkit.analyzer.guardrail import finite
from abkit.analyzer.interval import Interval
from abkit.analyzer.numbers import difference, span
from abkit.analyzer.numbers import p_value as written
from abkit.errors import ParameterError
from abkit.models import Experiment
from abkit.snapshot import Snapshot, Tenure
from abkit.stats import Comparison, Estimate, StudentTest, delta_method, tenure_trend


def tenure_result(experiment: Experiment, snapshot: Snapshot) -> TenureResult | None:
    """Return the effect by day since the first, with the test of its slope; None where it was not collected."""
    name, tenure = experiment.primary_metric.name, snapshot.tenure
    if tenure is None or isinstance(tenure, str):
        return None if tenure is None else TenureResult(name, reason=tenure)
    names = [variant.name for variant in experiment.variants]
    control = names.index(experiment.control.name)
    alpha = experiment.alpha / len(experiment.treatments)
    trends = []
    for variant in experiment.treatments:
        place = names.index(variant.name)
        try:
            slope = tenure_trend(tenure.days, tenure.blocks, place, control, alpha)
        except ParameterError:
            return TenureResult(name, reason="the values of a day do not vary, so its effect has no error")
        p_value = min(1.0, (slope.p_value or 0.0) * len(experiment.treatments))
        trends.append(
            TenureTrend(
                variant=variant.name,
                slope=Interval(slope.value, slope.low, slope.high, slope.se),
                p_value_adjusted=p_value,
                is_significant=p_value <= experiment.alpha,
                confidence_level=round(1 - alpha / len(tenure.days), 12),
                text=_text(experiment, variant.name, tenure, slope, p_value),
                effects=tuple(_effects(tenure, place, control, alpha / len(tenure.days))),
            )
        )
    return TenureResult(name, tuple(trends))


def _effects(tenure: Tenure, treatment: int, control: int, alpha: float) -> list[TenureEffect]:
    found = []
    for place, day in enumerate(tenure.days):
        blocks = [block.columns([2 * place, 2 * place + 1]) for block in tenure.blocks]
        comparison = Comparison(delta_method(tenure.level, blocks, 2), treatment, control, StudentTest())
        effect, bounds = comparison.effect(), comparison.interval(alpha)
        low, high = (finite(bound) for bound in bounds)
        units = {name: counts[place] for name, counts in tenure.units.items()}
        found.append(TenureEffect(day, units, Interval(finite(effect.value), low, high, finite(effect.se))))
    return found


def _text(experiment: Experiment, variant: str, tenure: Tenure, slope: Estimate, p_value: float) -> str:
    metric = experiment.primary_metric
    shown = written(p_value)
    p = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    what = f"the effect of {variant!r} on {metric.name!r}"
    over = f"over days {tenure.days[0]} to {tenure.days[-1]} since a unit's first row"
    once = "" if experiment.plan.inference == "fixed" else " The test is meant for one look."
    change = f"{difference(slope.value, metric.kind)} per day, {span(slope.low, slope.high, kind=metric.kind)}, {p}"
    if p_value <= experiment.alpha:
        return (
            f"{what[0].upper()}{what[1:]} drifts {over} ({change}): it may wear off (novelty) or still be growing, so "
            f"the average over all days is not what will last. Only units that came back are seen on later days.{once}"
        )
    return f"The data do not show that {what} drifts {over} ({change}), nor that it is constant.{once}"
