"""Distributions: curves as they were read, and their quantiles compared as quantile metrics are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from abkit.analyzer.breakdown import Curve, DistributionResult, QuantileEffect
from abkit.analyzer.compare import compare_metric
from abkit.models import Experiment, Quantile
from abkit.snapshot import Distribution, Snapshot


def distribution_results(experiment: Experiment, snapshot: Snapshot) -> Iterator[DistributionResult]:
    """Return every distribution, with differences of its quantiles whose intervals hold together (Bonferroni)."""
    for one in snapshot.distributions:
        yield DistributionResult(
            column=one.column,
            metric=one.metric,
            probabilities=one.probabilities,
            curves=tuple(
                Curve(
                    variant=name,
                    rows=one.rows[name],
                    zero_share=one.zeros[name] / one.rows[name] if one.rows[name] else None,
                    quantiles=one.quantiles.get(name, ()),
                )
                for name in snapshot.variants
            ),
            effects=tuple(_effects(experiment, snapshot, one)),
        )


def _effects(experiment: Experiment, snapshot: Snapshot, one: Distribution) -> Iterator[QuantileEffect]:
    metric: Any = next(metric for metric, _ in experiment.metrics if metric.name == one.metric)
    sharing = len(one.moments) * len(experiment.treatments)
    for q, moments in one.moments.items():
        quantile = Quantile(metric.column, q, goal=metric.goal, name=metric.name)
        here = replace(snapshot, metrics={quantile.name: moments})
        result, _ = compare_metric(experiment, quantile, "secondary", here, sharing=sharing)
        for found in result.comparisons:
            yield QuantileEffect(
                variant=found.variant,
                q=q,
                difference=found.difference,
                lift=found.lift,
                confidence_level=round(1 - experiment.alpha / sharing, 12),
                is_significant=found.is_significant,
                direction=found.direction,
            )
