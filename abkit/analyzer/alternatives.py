"""Other reasonable choices that the plan could have made, each as the experiment that makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from abkit.analyzer.result import Analysis, Interval, Verdict
from abkit.errors import AbkitError
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.snapshot import Snapshot

_CAP = 0.99


@dataclass(frozen=True, slots=True)
class Alternative:
    """The verdict under another choice; None, with the reason, where it cannot be analyzed.

    `lift` belongs to the variant that the planned decision speaks of; `changed` is whether the verdict differs.
    """

    choice: str
    verdict: Verdict | None
    lift: Interval
    changed: bool | None
    reason: str | None = None


def other_choices(experiment: Experiment, snapshot: Snapshot, *, has_rows: bool) -> Iterator[tuple[str, Experiment]]:
    """Name the choices that another careful analyst could have made before the start, with the experiment of each.

    Capped values or not, a covariate or not, what a missing value means, the median in place of the mean, and a gain
    of any size in place of the practical threshold.

    Parameters
    ----------
    experiment : Experiment
    snapshot : Snapshot
        Says where values are missing.
    has_rows : bool
        Totals per variant can only be judged again, not read again.
    """
    if has_rows:
        yield from _of_metrics(experiment, snapshot)
    if experiment.practical_threshold:
        yield (
            "a gain of any size is enough",
            replace(experiment, plan=replace(experiment.plan, practical_threshold=None)),
        )


def _of_metrics(experiment: Experiment, snapshot: Snapshot) -> Iterator[tuple[str, Experiment]]:
    metrics = [metric for metric, _ in experiment.metrics]
    primary = experiment.primary_metric
    known = dict.fromkeys(metric.covariate for metric in metrics if metric.covariate and not primary.covariate)
    uncapped = [metric for metric in metrics if isinstance(metric, Mean | Ratio) and metric.cap is None]
    zero, dropped = _lacking(metrics, snapshot, "zero"), _lacking(metrics, snapshot, "drop")
    choices: list[tuple[str, Sequence[Metric], dict[str, Any]]] = [
        (f"values capped at p{100 * _CAP:g}", uncapped, {"cap": _CAP}),
        ("no cap", [metric for metric in metrics if metric.cap is not None], {"cap": None}),
        ("no covariate", [metric for metric in metrics if metric.covariate], {"covariate": None}),
        *((f"covariate {name!r}", [primary], {"covariate": name}) for name in known),
        ("missing values left out", zero, {"missing": "drop"}),
        ("missing values as 0", [metric for metric in dropped if _may_be_failures(metric)], {"missing": "zero"}),
    ]
    for what, chosen, change in choices:
        if chosen:
            yield f"{what}: {', '.join(metric.name for metric in chosen)}", _changed(experiment, chosen, change)
    if isinstance(primary, Mean):
        yield f"median in place of the mean: {primary.name}", replace(experiment, primary_metric=_median(primary))


def _lacking(metrics: Sequence[Metric], snapshot: Snapshot, rule: str) -> list[Metric]:
    lost = {name: sum(moments.missing.values()) for name, moments in snapshot.metrics.items()}
    return [metric for metric in metrics if metric.missing == rule and lost[metric.name]]


def _may_be_failures(metric: Metric) -> bool:
    """A missing success may be a failure; a missing cost or latency is never 0."""
    return isinstance(metric, Proportion) and metric.goal == "maximize"


def _median(metric: Mean) -> Quantile:
    options = {name: getattr(metric, name) for name in ("name", "goal", "margin", "missing", "covariate")}
    return Quantile(metric.column, 0.5, **options)


def _changed(experiment: Experiment, chosen: Sequence[Metric], change: dict[str, Any]) -> Experiment:
    """The experiment with a change to some of its metrics."""
    names = {metric.name for metric in chosen}

    def changed(metric: Any) -> Any:
        return replace(metric, **change) if metric.name in names else metric

    return experiment.with_metrics(changed)


def judge_alternative(
    choice: str, experiment: Experiment, analysis: Analysis, again: Callable[[Experiment], Analysis]
) -> Alternative:
    """Analyze under another choice and compare the verdict with the planned one."""
    try:
        other = again(experiment)
    except AbkitError as error:
        return Alternative(choice, None, Interval(None, None, None), None, str(error))
    one = next(one for one in other.primary.comparisons if one.variant == analysis.decision.variant)
    if one.difference.value is None:
        return Alternative(choice, None, one.lift, None, one.difference.reason)
    return Alternative(choice, other.decision.verdict, one.lift, other.decision.verdict != analysis.decision.verdict)
