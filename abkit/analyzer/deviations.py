"""Everything that came out otherwise than planned, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from abkit.analyzer import departures as said
from abkit.analyzer.plan_summary import Deviation
from abkit.analyzer.result import Check, MetricResult
from abkit.models import Experiment
from abkit.snapshot import Snapshot

_NOTICEABLE = 0.02


def find_deviations(
    experiment: Experiment,
    snapshot: Snapshot,
    metrics: Sequence[MetricResult],
    checks: Sequence[Check],
    power: float | None,
) -> tuple[Deviation, ...]:
    """List what differs from the plan: traffic, size, power, runtime, looks, metrics, covariates, rows and units.

    Parameters
    ----------
    experiment : Experiment
    snapshot : Snapshot
    metrics, checks : sequence
        As analyzed.
    power : float or None
        Of the planned size, for the minimum detectable effect, at the variance of the data.

    Returns
    -------
    tuple of Deviation
        Empty where everything is as planned.
    """
    return (
        *_traffic(experiment, snapshot, checks),
        *_size(experiment, snapshot, power),
        *_time(experiment, snapshot),
        *_metrics(experiment, metrics),
        *_left_out(snapshot),
    )


def _traffic(experiment: Experiment, snapshot: Snapshot, checks: Sequence[Check]) -> Iterator[Deviation]:
    total = sum(snapshot.units.values())
    failed = any(check.name == "srm" and check.status == "fail" for check in checks)
    for variant in experiment.variants:
        units, planned = snapshot.units[variant.name], variant.traffic_percentage / 100
        if units == 0:
            yield Deviation("variant", said.without_data(variant.name))
        elif planned == 0:
            yield Deviation("traffic", said.unplanned_traffic(variant.name, units))
        elif failed and snapshot.design == "randomized":
            yield Deviation("traffic", said.other_traffic(variant.name, planned, units / total))


def _size(experiment: Experiment, snapshot: Snapshot, power: float | None) -> Iterator[Deviation]:
    planned, reached = experiment.planned_units, snapshot.total_units
    if reached < planned or (experiment.plan.inference == "fixed" and reached > planned * (1 + _NOTICEABLE)):
        yield Deviation("units", said.other_size(planned, reached, is_fixed=experiment.plan.inference == "fixed"))
    if power is not None and power < experiment.plan.power - _NOTICEABLE:
        effect = experiment.min_detectable_effect
        yield Deviation("power", said.less_power(experiment.plan.power, power, effect))


def _time(experiment: Experiment, snapshot: Snapshot) -> Iterator[Deviation]:
    days, minimum = snapshot.days, experiment.plan.min_runtime_days
    if days is not None and days < minimum:
        yield Deviation("runtime", said.shorter(minimum, days))
    if days is None and minimum > 0 and snapshot.design == "randomized":
        yield Deviation("runtime", said.unknown_runtime(minimum))
    looks, share = experiment.plan.looks, snapshot.total_units / experiment.planned_units
    is_off = share < 1 and abs(share * looks - round(share * looks)) > _NOTICEABLE * looks
    if experiment.plan.inference == "group_sequential" and is_off:
        yield Deviation("looks", said.unplanned_look(share, looks))


def _metrics(experiment: Experiment, metrics: Sequence[MetricResult]) -> Iterator[Deviation]:
    planned = {metric.name: metric for metric, _ in experiment.metrics}
    for metric in metrics:
        reasons = [metric.reason] if metric.reason else [one.difference.reason for one in metric.comparisons]
        for reason in dict.fromkeys(reason for reason in reasons if reason):
            yield Deviation("metric", said.not_computed(metric.name, metric.role, reason))
        covariate = planned[metric.name].covariate
        if covariate and metric.covariate is None and not metric.reason:
            yield Deviation("covariate", said.covariate_dropped(metric.name, covariate))


def _left_out(snapshot: Snapshot) -> Iterator[Deviation]:
    if snapshot.contaminated_units:
        yield Deviation("units", said.contaminated(snapshot.contaminated_units))
    if snapshot.incomplete_units:
        yield Deviation("units", said.incomplete(snapshot.incomplete_units))
    for name, moments in snapshot.metrics.items():
        if sum(moments.missing.values()):
            yield Deviation("rows", said.missing_values(name, moments.missing))
