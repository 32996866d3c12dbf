"""Would the verdict change? The same data read again, with fewer units and with other choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from abkit.analyzer import Analysis, analyze_snapshot
from abkit.analyzer.alternatives import judge_alternative, other_choices
from abkit.analyzer.belief import believe, shrink_winner
from abkit.analyzer.influence import Units
from abkit.analyzer.removal import smallest_removal
from abkit.analyzer.robustness import Robustness, units_of_rates
from abkit.collectors import Source, collect, read_units
from abkit.collectors.observed import observed_source
from abkit.controller.analysis import parse_time, source_of
from abkit.controller.status import check_plan
from abkit.models import Experiment
from abkit.snapshot import MetricMoments, Snapshot
from abkit.store.engine import reader
from abkit.store.observation_tables import observations
from abkit.store.tables import assignments

if TYPE_CHECKING:
    from abkit.controller.experiments import ExperimentController


def robustness(
    experiment: Experiment, data: Any = None, *, as_of: str | datetime | None = None, now: str | datetime | None = None
) -> Robustness:
    """Ask how easily the verdict would have been another one.

    Parameters
    ----------
    experiment : Experiment
    data, as_of, now
        As for `analyze`. The data is read several times; it must not change meanwhile.

    Returns
    -------
    Robustness
        The smallest set of units found whose removal changes the primary metric's finding, the verdict under other
        choices, the lift with a prior, and the effect corrected for having been selected.

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
    ...     min_sample_size=20,
    ...     plan=Plan(inference="fixed"),
    ... )
    >>> scores = [4.0, 5, 6, 5, 4, 6, 5, 4, 6, 5, 5, 6, 7, 6, 5, 7, 5, 5, 6, 7]
    >>> found = robustness(experiment, pd.DataFrame({"variant": ["a"] * 10 + ["b"] * 10, "score": scores}))
    >>> found.verdict, found.removal.units, found.removal.becomes
    ('ship', 1, 'not_significant')
    """
    limit = parse_time(as_of) if isinstance(as_of, str) else as_of
    clock = parse_time(now) if isinstance(now, str) else now
    return _robustness(experiment, lambda one: source_of(one, data), limit, clock or datetime.now(UTC))


def robustness_stored(lab: ExperimentController, key: str, as_of: str | datetime | None, now: datetime) -> Robustness:
    """Ask the same of what was recorded for an experiment up to a time, default now."""
    lab.flush()
    stored = lab.get(key)
    limit = (parse_time(as_of) if isinstance(as_of, str) else as_of) or now

    def source_for(experiment: Experiment) -> Source:
        return observed_source(reader(lab.engine), observations, assignments, experiment, as_of=limit)

    return _robustness(stored.experiment, source_for, limit, now, lambda analysis: check_plan(stored, analysis))


def _robustness(
    experiment: Experiment,
    source_for: Callable[[Experiment], Source],
    as_of: datetime | None,
    now: datetime,
    checked: Callable[[Analysis], Analysis] = lambda analysis: analysis,
) -> Robustness:
    source = source_for(experiment)
    snapshot = collect(experiment, source, now=now, as_of=as_of, details=False)
    analysis = checked(analyze_snapshot(experiment, snapshot))
    units = _units(experiment, source, snapshot, as_of)

    def again(other: Experiment) -> Analysis:
        changed: list[Any] = [metric for metric, _ in other.metrics if metric not in planned]
        if not changed:
            return checked(analyze_snapshot(other, snapshot))
        first, *rest = changed
        narrow = replace(other, primary_metric=first, guardrail_metrics=[], secondary_metrics=rest)
        read = collect(narrow, source_for(narrow), now=now, as_of=as_of, details=False).metrics
        return checked(analyze_snapshot(other, replace(snapshot, metrics={**snapshot.metrics, **read})))

    planned = [metric for metric, _ in experiment.metrics]
    choices = other_choices(experiment, snapshot, has_rows=source.data.summary is None)
    one = next(one for one in analysis.primary.comparisons if one.variant == analysis.decision.variant)
    return Robustness(
        key=experiment.key,
        metric=experiment.primary_metric.name,
        variant=one.variant,
        verdict=analysis.decision.verdict,
        lift=one.lift,
        removal=smallest_removal(experiment, snapshot, analysis, units),
        alternatives=tuple(judge_alternative(choice, other, analysis, again) for choice, other in choices),
        belief=believe(experiment, snapshot, analysis),
        shrunken=shrink_winner(experiment, snapshot, analysis),
    )


def _units(
    experiment: Experiment, source: Source, snapshot: Snapshot, as_of: datetime | None
) -> Iterable[Units] | None:
    """The units of the primary metric; none where only totals are known that do not tell them."""
    if source.data.summary is None:
        return read_units(experiment, source, as_of=as_of)
    moments = snapshot.metrics[experiment.primary_metric.name]
    is_rate = isinstance(moments, MetricMoments) and moments.is_rate_of_units
    return units_of_rates(moments) if is_rate and isinstance(moments, MetricMoments) else None
