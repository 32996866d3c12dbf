"""New units by day: how many came, and whether each day was split as planned."""

from __future__ import annotations

import numpy as np

from abkit.analyzer.breakdown import DailyResult
from abkit.analyzer.numbers import count
from abkit.analyzer.result import Check
from abkit.models import Experiment
from abkit.snapshot import Snapshot
from abkit.stats import srm_by_segment

_FEWEST_EXPECTED = 5


def daily_results(experiment: Experiment, snapshot: Snapshot) -> tuple[DailyResult, ...]:
    """Return the new units of each period, with the split's test over all periods."""
    arrivals = snapshot.arrivals
    if arrivals is None:
        return ()
    names = [variant.name for variant in experiment.variants]
    counts = np.array([arrivals.units[name] for name in names], dtype=np.float64).T
    shares = np.array([variant.traffic_percentage for variant in experiment.variants])
    p_values = np.full(len(counts), np.nan)
    if (shares > 0).sum() > 1:
        least = shares[shares > 0].min() / shares.sum()
        large = counts.sum(axis=1) * least >= _FEWEST_EXPECTED
        if large.any():
            p_values[large] = srm_by_segment(counts[large], shares)[0]
    return tuple(
        DailyResult(
            day=day,
            days=arrivals.step,
            units={name: int(number) for name, number in zip(names, row, strict=True)},
            p_value_adjusted=None if np.isnan(p_value) else float(p_value),
        )
        for day, row, p_value in zip(arrivals.days, counts, p_values, strict=True)
    )


def check_daily(experiment: Experiment, snapshot: Snapshot) -> Check:
    """Compare the split of each day's new units with the planned one; one error budget for all days."""
    name, threshold = "daily_counts", experiment.plan.srm_threshold
    if snapshot.design == "paired":
        return Check(name, "not_run", "paired design: every unit is in every variant, there is no split to check")
    if snapshot.arrivals is None:
        return Check(name, "not_run", "the data has no time, so it is not known when units came")
    tested = [
        (one.p_value_adjusted, one) for one in daily_results(experiment, snapshot) if one.p_value_adjusted is not None
    ]
    if not tested:
        return Check(name, "not_enough_data", f"on no day {_FEWEST_EXPECTED} new units are expected in every variant")
    p_value, worst = min(tested, key=lambda pair: pair[0])
    failed = sum(one < threshold for one, _ in tested)
    period = "day" if worst.days == 1 else f"{worst.days} days"
    seen = " / ".join(count(units) for units in worst.units.values())
    which = f"{worst.day} ({seen} new units, p = {p_value:.2g} adjusted for {len(tested)} tests)"
    more = f" and {count(failed - 1)} more" if failed > 1 else ""
    message = (
        f"new units were not split as planned in the {period} from {which}{more}: look for a release, an outage or a "
        "change of traffic"
        if failed
        else f"new units of each {period} were split as planned; the farthest is {which}"
    )
    return Check(name, "fail" if failed else "pass", message, p_value=p_value, threshold=threshold)
