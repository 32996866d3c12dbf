"""From a snapshot to an analysis; pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from abkit.analyzer.breakdown import SeriesPoint, SeriesResult
from abkit.analyzer.checks import run_checks
from abkit.analyzer.compare import MetricInference, compare_metric, missing_by_metric
from abkit.analyzer.daily import daily_results
from abkit.analyzer.decision import Rules, decide
from abkit.analyzer.distributions import distribution_results
from abkit.analyzer.impact import with_impact
from abkit.analyzer.needs import Pace, with_needs
from abkit.analyzer.plan_reached import summarize_plan
from abkit.analyzer.result import (
    Analysis,
    DataSummary,
    ExperimentSummary,
    VariantSummary,
)
from abkit.analyzer.segments import segment_results
from abkit.analyzer.tenure import tenure_result
from abkit.models import Experiment
from abkit.named import Named
from abkit.snapshot import Snapshot
from abkit.stats import Comparison, ConfidenceSequence, cuped, delta_method


def analyze_snapshot(experiment: Experiment, snapshot: Snapshot) -> Analysis:
    """Compare every treatment with control on every metric, check the data, and decide.

    Parameters
    ----------
    experiment : Experiment
    snapshot : Snapshot
        Collected for that experiment.

    Returns
    -------
    Analysis
        The same for the same input, to the last bit.
    """
    compared = [compare_metric(experiment, metric, role, snapshot) for metric, role in experiment.metrics]
    pace = Pace(snapshot.total_units, snapshot.units_per_day)
    metrics = tuple(
        result if found is None else with_impact(with_needs(experiment, result, found, pace), snapshot)
        for result, found in compared
    )
    checks = run_checks(experiment, snapshot)
    inference = compared[0][1]
    rules = Rules(
        alpha=experiment.alpha,
        units=snapshot.total_units,
        min_sample_size=experiment.min_sample_size,
        planned_units=experiment.planned_units,
        may_stop_early=experiment.plan.inference != "fixed",
        practical_threshold=experiment.practical_threshold,
        threshold_name=_threshold_name(experiment),
        units_per_day=snapshot.units_per_day,
        days=snapshot.days,
        min_runtime_days=experiment.plan.min_runtime_days,
    )

    def are_tied(best: str, other: str) -> bool:
        return inference is None or _cannot_be_told_apart(experiment, inference, best, other)

    return Analysis(
        experiment=_describe(experiment),
        as_of=snapshot.as_of,
        inference=experiment.plan.inference,
        design=snapshot.design,
        data=_data(snapshot),
        variants=Named(_variants(experiment, snapshot)),
        checks=Named(checks),
        metrics=Named(metrics),
        plan=summarize_plan(experiment, snapshot, metrics, checks, inference),
        decision=decide(checks, metrics, rules, are_tied),
        series=tuple(_series(experiment, snapshot)),
        segments=segment_results(experiment, snapshot),
        daily=daily_results(experiment, snapshot),
        distributions=tuple(distribution_results(experiment, snapshot)),
        tenure=tenure_result(experiment, snapshot),
    )


def _threshold_name(experiment: Experiment) -> str:
    is_mde = experiment.practical_threshold == experiment.min_detectable_effect
    return "the minimum detectable effect" if is_mde else "the practical threshold"


def _describe(experiment: Experiment) -> ExperimentSummary:
    return ExperimentSummary(
        id=experiment.id,
        key=experiment.key,
        name=experiment.name,
        hypothesis=experiment.hypothesis,
        description=experiment.description,
        agent_id=experiment.agent_id,
        organization_id=experiment.organization_id,
        confidence_level=experiment.confidence_level,
        min_detectable_effect=experiment.min_detectable_effect,
        min_sample_size=experiment.min_sample_size,
    )


def _data(snapshot: Snapshot) -> DataSummary:
    return DataSummary(
        fingerprint=snapshot.fingerprint,
        rows=sum(snapshot.rows.values()),
        rows_left_out=snapshot.rows_left_out,
        units=snapshot.total_units,
        contaminated_units=snapshot.contaminated_units,
        incomplete_units=snapshot.incomplete_units,
        duplicated_rows=snapshot.duplicated_rows,
        first_seen=snapshot.first_seen,
        days=snapshot.days,
    )


def _variants(experiment: Experiment, snapshot: Snapshot) -> Iterator[VariantSummary]:
    for variant in experiment.variants:
        yield VariantSummary(
            name=variant.name,
            is_control=variant.is_control,
            traffic_percentage=variant.traffic_percentage,
            units=snapshot.units[variant.name],
            rows=snapshot.rows[variant.name],
            missing=dict(missing_by_metric(snapshot, variant.name)),
        )


def _cannot_be_told_apart(experiment: Experiment, inference: MetricInference, best: str, other: str) -> bool:
    names = [variant.name for variant in experiment.variants]
    comparison = Comparison(inference.levels, names.index(best), names.index(other), inference.tests[0])
    p_value = float(comparison.p_value())
    return not p_value <= experiment.alpha


def _series(experiment: Experiment, snapshot: Snapshot) -> Iterator[SeriesResult]:
    """The primary metric's effect at the end of each day, with a band that holds at all of them together."""
    series = snapshot.series.get(experiment.primary_metric.name)
    if series is None:
        return
    moments = series.moments
    if moments.width == 4:
        levels = cuped(moments.blocks, moments.level, moments.width).levels
    else:
        levels = delta_method(moments.level, moments.blocks, moments.width)
    names = [variant.name for variant in experiment.variants]
    control = names.index(experiment.control.name)
    alpha = experiment.alpha / len(experiment.treatments)
    for variant in experiment.treatments:
        place = names.index(variant.name)
        share = (variant.traffic_percentage + experiment.control.traffic_percentage) / 100
        test = ConfidenceSequence(experiment.planned_units * share, experiment.alpha)
        comparison = Comparison(levels, place, control, test)
        effect = comparison.effect()
        low, high = comparison.interval(alpha)
        points = tuple(
            SeriesPoint(day, int(units), *(_number(part) for part in parts))
            for day, units, *parts in zip(series.days, levels.n.sum(axis=-1), effect.value, low, high, strict=True)
        )
        yield SeriesResult(experiment.primary_metric.name, variant.name, test.name, points)


def _number(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
