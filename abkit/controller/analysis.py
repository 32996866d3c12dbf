"""Use cases: what a person asks of abkit, in one call each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from abkit.analyzer import Analysis, analyze_snapshot
from abkit.collectors import Source, collect
from abkit.errors import DefinitionError, ParameterError
from abkit.models import Data, Experiment


def analyze(
    experiment: Experiment,
    data: Any = None,
    *,
    as_of: str | datetime | None = None,
    now: str | datetime | None = None,
    details: bool = False,
) -> Analysis:
    """Analyze an experiment on its data.

    Parameters
    ----------
    experiment : Experiment
    data : Source or frame, optional
        Default: what the experiment's `data:` section names. A bare pandas, polars or Arrow frame has a `variant`
        column and the metrics' columns, one row per unit.
    as_of : str or datetime, optional
        ISO date or time up to which rows count; a date means its end. Needs a time column to leave rows out.
    now : str or datetime, optional
        Stands as the time of data that has none; default: the clock.
    details : bool
        Also what no verdict needs and what takes longest on large data, as reports do: the distributions of the
        metrics, and the effect by days since each unit's first row.

    Returns
    -------
    Analysis

    Raises
    ------
    DefinitionError
        There is no data to analyze.
    DataError
        The data cannot be analyzed as it is.

    Examples
    --------
    >>> import pandas as pd
    >>> from abkit.models import Experiment, Mean, Plan, Variant
    >>> experiment = Experiment(
    ...     key="demo",
    ...     variants=[Variant("a", 50, is_control=True), Variant("b", 50)],
    ...     primary_metric=Mean("score"),
    ...     min_sample_size=8,
    ...     plan=Plan(inference="fixed"),
    ... )
    >>> frame = pd.DataFrame({"variant": list("aaaabbbb"), "score": [1.0, 2, 3, 4, 6, 7, 8, 9]})
    >>> analyze(experiment, frame).decision.verdict
    'ship'
    """
    source = source_of(experiment, data)
    limit = parse_time(as_of) if isinstance(as_of, str) else as_of
    clock = parse_time(now) if isinstance(now, str) else now
    snapshot = collect(experiment, source, now=clock or datetime.now(UTC), as_of=limit, details=details)
    return analyze_snapshot(experiment, snapshot)


def source_of(experiment: Experiment, data: Any = None) -> Source:
    """Return the source that `data` means for the experiment."""
    if not isinstance(experiment, Experiment):
        raise DefinitionError(
            f"expected an Experiment, got {type(experiment).__name__}: ab.analyze(experiment, data), with the "
            'experiment from ab.Experiment(...) or ab.Experiment.from_yaml("experiment.yml")'
        )
    if isinstance(data, Source):
        return data
    if data is not None:
        keys = experiment.data or Data()
        return Source(keys, data) if hasattr(data, "columns") else Source.frame(data)
    if experiment.data is None or experiment.data.path is None:
        raise DefinitionError(
            f"the experiment {experiment.key!r} does not say where its data is; add a `data:` section with a path, or "
            "pass a frame or a Source: ab.analyze(experiment, frame)"
        )
    return Source(experiment.data)


def parse_time(text: str) -> datetime:
    """Read an ISO date or time; UTC where it has no zone, the end of the day where it has no time.

    Examples
    --------
    >>> parse_time("2026-11-22").isoformat()
    '2026-11-22T23:59:59.999999+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ParameterError(f"{text!r} is not an ISO date such as 2026-11-22 or 2026-11-22T12:00:00Z") from None
    if len(text.strip()) <= 10:
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999999)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
