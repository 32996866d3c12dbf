"""Effects by segment, and whether they differ; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from abkit.analyzer.breakdown import (
    InteractionResult,
    SegmentComparison,
    SegmentEffect,
    SegmentResult,
    SegmentUnits,
)
from abkit.analyzer.compare import MetricInference, compare_metric
from abkit.analyzer.interval import Interval
from abkit.analyzer.result import ComparisonResult
from abkit.analyzer.segment_wording import interaction_text
from abkit.models import Experiment
from abkit.models.metric import Metric, Role
from abkit.snapshot import Segment, Segmentation, Snapshot
from abkit.stats import contrast, holm, interaction_test

FEWEST_UNITS = 10
_SMALL = f"fewer than {FEWEST_UNITS} units in a variant"
Compared = dict[str, tuple[ComparisonResult, float]]


def segment_results(experiment: Experiment, snapshot: Snapshot) -> tuple[SegmentResult, ...]:
    """Compare every treatment with control on every metric in each segment, and test whether the effects differ.

    Intervals hold for all segments of a column together (Bonferroni over those with enough units), so that the best of
    many is not news; whether two segments differ is said by the interaction test alone.
    """
    results = [_by_column(experiment, snapshot, one) for one in snapshot.segments]
    for metric, _ in experiment.metrics:
        places = [
            (i, j)
            for i, result in enumerate(results)
            for j, one in enumerate(result.comparisons)
            if one.metric == metric.name
        ]
        tests = [results[i].comparisons[j].interaction for i, j in places]
        adjusted = holm([np.nan if test.p_value is None else test.p_value for test in tests])
        for (i, j), p_value in zip(places, adjusted, strict=True):
            results[i] = _adjusted(experiment, results[i], j, float(p_value), int(np.isfinite(adjusted).sum()))
    return tuple(results)


def _adjusted(experiment: Experiment, result: SegmentResult, place: int, p_value: float, tests: int) -> SegmentResult:
    one = result.comparisons[place]
    known = one.interaction.p_value is not None
    test = replace(
        one.interaction,
        p_value_adjusted=p_value if known else None,
        is_significant=known and p_value <= experiment.alpha,
    )
    test = replace(test, text=interaction_text(result.column, one, test, tests, experiment.plan.inference))
    changed = (*result.comparisons[:place], replace(one, interaction=test), *result.comparisons[place + 1 :])
    return replace(result, comparisons=changed)


def is_large(segment: Segment) -> bool:
    """Whether every variant has enough units of the segment to be compared."""
    return min(segment.units.values()) >= FEWEST_UNITS


def _by_column(experiment: Experiment, snapshot: Snapshot, split: Segmentation) -> SegmentResult:
    large = [segment for segment in split.segments if is_large(segment)]
    return SegmentResult(
        column=split.column,
        segments=tuple(
            SegmentUnits(one.value, one.units, "compared" if is_large(one) else "not_enough_data")
            for one in split.segments
        ),
        changed_units=split.changed_units,
        other_values=split.other_values,
        other_units=split.other_units,
        comparisons=tuple(
            one
            for metric, role in experiment.metrics
            if any(metric.name in segment.metrics for segment in split.segments)
            for one in _by_metric(experiment, snapshot, split, large, metric, role)
        ),
    )


def _by_metric(
    experiment: Experiment,
    snapshot: Snapshot,
    split: Segmentation,
    large: list[Segment],
    metric: Metric,
    role: Role,
) -> Iterator[SegmentComparison]:
    compared = {}
    for segment in large:
        here = replace(snapshot, metrics=segment.metrics, units=segment.units)
        compared[segment.value] = compare_metric(experiment, metric, role, here, sharing=len(large))
    for place, variant in enumerate(experiment.treatments):
        found = {value: result.comparisons[place] for value, (result, _) in compared.items()}
        inferred = {value: inference for value, (_, inference) in compared.items() if inference is not None}
        family = (len(experiment.treatments) if role == "primary" else 1) * max(len(large), 1)
        yield SegmentComparison(
            metric=metric.name,
            variant=variant.name,
            confidence_level=round(1 - experiment.alpha / family, 12),
            interaction=_interaction(experiment, variant.name, found, inferred),
            effects=tuple(_effect(one, found.get(one.value)) for one in split.segments),
        )


def _effect(segment: Segment, found: ComparisonResult | None) -> SegmentEffect:
    if found is None:
        nothing = Interval(None, None, None, reason=_SMALL)
        return SegmentEffect(segment.value, nothing, nothing, None, None, False, None, "none")
    return SegmentEffect(
        segment.value,
        found.difference,
        found.lift,
        found.p_value,
        found.p_value_adjusted,
        found.is_significant,
        found.direction,
        found.method,
    )


def _interaction(
    experiment: Experiment,
    variant: str,
    found: dict[str, ComparisonResult],
    inferred: dict[str, MetricInference],
) -> InteractionResult:
    names = [one.name for one in experiment.variants]
    treatment, control = names.index(variant), names.index(experiment.control.name)
    usable = [value for value, one in found.items() if one.difference.low is not None and one.difference.se]
    nothing = InteractionResult(len(usable), None, None, None, None, None, None, False, "cochran q, welch f", "")
    if len(usable) < 2:
        return replace(nothing, reason="fewer than two segments have an interval")
    effects = [contrast(inferred[value].levels, treatment, control) for value in usable]
    values, ses, dfs = ([float(getattr(one, name)) for one in effects] for name in ("value", "se", "df"))
    test = interaction_test(values, ses, dfs)
    return replace(
        nothing,
        statistic=test.statistic,
        df=test.df,
        df_error=test.df_error,
        p_value=test.p_value,
        i_squared=test.i_squared,
    )
