"""Checks on parts of the data: the split within segments, and covariates before exposure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from abkit.analyzer.numbers import count
from abkit.analyzer.numbers import p_value as written
from abkit.analyzer.result import Check
from abkit.models import Experiment
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import Comparison, RatioLevel, StudentTest, bonferroni, delta_method, srm_by_segment

_FEWEST_EXPECTED = 5
_BALANCE_THRESHOLD = 0.001


def check_segments(experiment: Experiment, snapshot: Snapshot) -> Iterator[Check]:
    """Compare the split within every segment with the planned one; one error budget for all of them (Holm)."""
    name, threshold = "srm_segments", experiment.plan.srm_threshold
    if not snapshot.segments:
        return
    if snapshot.design == "paired":
        yield Check(name, "not_run", "paired design: every unit is in every variant, there is no split to check")
        return
    shares = [variant.traffic_percentage for variant in experiment.variants]
    if sum(share > 0 for share in shares) < 2:
        yield Check(name, "not_run", "only one variant has traffic, so there is no split to check")
        return
    least = min(share for share in shares if share > 0) / 100
    counted = [
        (split.column, segment.value, [segment.units[variant.name] for variant in experiment.variants])
        for split in snapshot.segments
        for segment in split.segments
        if sum(segment.units.values()) * least >= _FEWEST_EXPECTED
    ]
    if not counted:
        yield Check(name, "not_enough_data", f"no segment expects {_FEWEST_EXPECTED} units in every variant")
        return
    p_values, alarms = srm_by_segment([units for _, _, units in counted], shares, threshold)
    worst = int(np.argmin(p_values))
    column, value, units = counted[worst]
    seen = " / ".join(count(number) for number in units)
    where = f"{column} = {value!r} ({seen} units, p = {p_values[worst]:.2g} adjusted for {len(counted)} segments)"
    more = f", and in {int(alarms.sum()) - 1} more" if alarms.sum() > 1 else ""
    message = (
        f"the split is not as planned in {where}{more}: something drops or adds units there, or the segment is itself "
        "a consequence of the variant"
        if alarms.any()
        else f"compatible with the plan in all {len(counted)} segments large enough; the farthest is {where}"
    )
    p_value = float(p_values[worst])
    yield Check(name, "fail" if alarms.any() else "pass", message, p_value=p_value, threshold=threshold)


def check_balance(experiment: Experiment, snapshot: Snapshot) -> Check:
    """Ask whether variants differed before exposure: covariates that do were not, or the split is not random."""
    covariates: dict[str, MetricMoments] = {}
    for metric, _ in experiment.metrics:
        moments = snapshot.metrics[metric.name]
        if metric.covariate and isinstance(moments, MetricMoments) and moments.width > 2:
            covariates.setdefault(metric.covariate, moments)
    if not covariates:
        return Check("balance", "not_run", "no metric has a covariate, so nothing is known from before exposure")
    if snapshot.design == "paired":
        return Check("balance", "not_run", "paired design: the same units are in every variant")
    p_values = {name: _before(experiment, moments) for name, moments in covariates.items()}
    adjusted = bonferroni([p_value for found in p_values.values() for p_value in found])
    if np.isnan(adjusted).all():
        return Check("balance", "not_enough_data", "too few units, or covariates that do not vary")
    each = dict(zip(p_values, adjusted.reshape(len(p_values), -1), strict=True))
    lowest = {name: float(np.nanmin(found)) for name, found in each.items() if not np.isnan(found).all()}
    worst = min(lowest, key=lambda name: lowest[name])
    failed = lowest[worst] < _BALANCE_THRESHOLD
    verdict = (
        "differs between variants before exposure: it was measured too late, or units were not split at random"
        if failed
        else "and all others are alike in all variants"
        if len(lowest) > 1
        else "is alike in all variants"
    )
    tests = int((~np.isnan(adjusted)).sum())
    shown = written(lowest[worst])
    p = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    message = f"covariate {worst!r} {verdict} ({p}{f', adjusted for {tests} tests' if tests > 1 else ''})"
    return Check("balance", "fail" if failed else "pass", message, p_value=lowest[worst], threshold=_BALANCE_THRESHOLD)


def _before(experiment: Experiment, moments: MetricMoments) -> list[float]:
    """p-values of the covariate's difference between each treatment and control."""
    levels = delta_method(RatioLevel(), [block.columns([2, 3]) for block in moments.blocks], 2)
    control = experiment.variants.index(experiment.control)
    places = [experiment.variants.index(variant) for variant in experiment.treatments]
    return [float(Comparison(levels, place, control, StudentTest()).p_value()) for place in places]
