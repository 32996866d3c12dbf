"""Recorded observations as data for an analysis: one row per observation, and one per exposed user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Table

from abkit.collectors.census import Census
from abkit.collectors.observation_queries import TIME, UNIT, VARIANT, observed_rows
from abkit.collectors.source import Source
from abkit.collectors.stream import stream_of
from abkit.errors import DefinitionError
from abkit.models import Data, Experiment, Ratio
from abkit.models.metric import Metric


def observed_source(
    engine: Engine,
    observations: Table,
    assignments: Table,
    experiment: Experiment,
    *,
    as_of: datetime | None = None,
) -> Source:
    """Describe what was recorded for an experiment.

    Units are users: every assigned one counts, observed or not, so that the split is judged on who was exposed. A value
    of a metric is a row, and the rows of one user are clustered. A covariate is the mean of a user's observations of
    it. Where a metric says `missing: zero`, an assigned user without an observation of it counts as one 0. A segment of
    the experiment's `data:` is the value of the users' observations of that name, a code of what they are.

    Parameters
    ----------
    engine : Engine
        Of the store; best one that only reads.
    observations, assignments : Table
    experiment : Experiment
    as_of : datetime, optional
        Observations after it do not count.

    Raises
    ------
    DefinitionError
        A covariate or a segment is also the column of a metric.
    """
    metrics = [metric for metric, _ in experiment.metrics]
    columns = list(dict.fromkeys(column for metric in metrics for column in metric.columns))
    covariates = list(dict.fromkeys(metric.covariate for metric in metrics if metric.covariate))
    segments = experiment.data.segments if experiment.data else []
    for what, names in (("covariate", covariates), ("segment", segments)):
        if both := sorted(set(columns) & set(names)):
            raise DefinitionError(
                f"{both[0]!r} is both a {what} and what a metric measures; record what was known before the exposure "
                "under a name of its own"
            )
    zero = {metric.columns[0] for metric in metrics if metric.missing == "zero" and not isinstance(metric, Ratio)}
    rows = observed_rows(
        observations,
        assignments,
        (experiment.organization_id, experiment.id, stream_of(experiment.organization_id, experiment.id)),
        columns,
        covariates,
        [name for name in segments if name not in covariates],
        zero,
        as_of,
    )
    return Source(Data(variant=VARIANT, unit=UNIT, time=TIME, segments=segments), rows, engine, long=True)


def as_observed(experiment: Experiment) -> Experiment:
    """Return the experiment as its rows are to be read: the other metrics of a row are elsewhere, not missing."""
    return experiment.with_metrics(_as_observed)


def _as_observed(metric: Any) -> Any:
    """A ratio is a sum over a sum, whichever rows they are in."""
    return replace(metric, missing="zero" if isinstance(metric, Ratio) else "drop")


def unobserved(metrics: Sequence[Metric], census: Census) -> Mapping[str, str]:
    """Return why metrics have no moments yet, by name."""
    reasons = {}
    for metric in metrics:
        for column in metric.columns:
            lacking = [name for name, count in census.present[column].items() if not count]
            if lacking:
                reasons[metric.name] = f"no observation of {column!r} in {', '.join(map(repr, lacking))} yet"
    return reasons
