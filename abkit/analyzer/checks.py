"""Verdicts on the data, read before any effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from abkit.analyzer.daily import check_daily
from abkit.analyzer.numbers import count, p_equals, percent
from abkit.analyzer.numbers import days as written
from abkit.analyzer.part_checks import check_balance, check_segments
from abkit.analyzer.result import Check
from abkit.models import Experiment
from abkit.snapshot import MetricMoments, MixedUnits, Snapshot
from abkit.stats import equal_shares, srm

_FEWEST_EXPECTED = 5
_FEWEST_UNITS = 10
_MISSING_THRESHOLD = 0.001
_WEEK, _WEEK_TOLERANCE = 7, 0.5


def run_checks(experiment: Experiment, snapshot: Snapshot) -> tuple[Check, ...]:
    """Run every check; one that cannot be run says so and why."""
    return (
        check_split(experiment, snapshot),
        *check_segments(experiment, snapshot),
        check_daily(experiment, snapshot),
        check_contamination(experiment, snapshot),
        check_duplicates(snapshot),
        check_missing(experiment, snapshot),
        check_balance(experiment, snapshot),
        check_units(snapshot),
        check_variance(snapshot),
        check_weeks(snapshot),
        *check_pairs(snapshot),
    )


def check_split(experiment: Experiment, snapshot: Snapshot) -> Check:
    """Compare the observed split with the planned one."""
    threshold = experiment.plan.srm_threshold
    if snapshot.design == "paired":
        return Check("srm", "not_run", "paired design: every unit is in every variant, there is no split to check")
    shares = {variant.name: variant.traffic_percentage for variant in experiment.variants}
    observed = [snapshot.units[name] for name in shares]
    expected = np.array(list(shares.values())) * sum(observed) / 100
    if (expected > 0).sum() < 2:
        return Check("srm", "not_run", "only one variant has traffic, so there is no split to check")
    if (expected[expected > 0] < _FEWEST_EXPECTED).any():
        return Check("srm", "not_enough_data", f"fewer than {_FEWEST_EXPECTED} units are expected in a variant")
    test = srm(observed, list(shares.values()))
    seen = " / ".join(percent(units / sum(observed), 2) for units in observed)
    planned = " / ".join(percent(share / 100, 2) for share in shares.values())
    failed = test.p_value < threshold
    verdict = (
        "something drops or adds units unevenly, so the effects below are not trustworthy"
        if failed
        else "compatible with the plan"
    )
    message = f"planned {planned}, observed {seen} ({p_equals(test.p_value)}, threshold {threshold:g}): {verdict}"
    return Check("srm", "fail" if failed else "pass", message, p_value=test.p_value, threshold=threshold)


def check_contamination(experiment: Experiment, snapshot: Snapshot) -> Check:
    """Count units that were seen in more than one variant."""
    limit = experiment.plan.contamination_limit
    if snapshot.design == "paired":
        return Check("contamination", "not_run", "paired design: every unit is meant to be in every variant")
    if snapshot.duplicated_rows is None:
        return Check(
            "contamination", "not_run", "the data has no unit column, so a returning unit cannot be recognized"
        )
    mixed = snapshot.mixed or MixedUnits(snapshot.contaminated_units, {})
    share = mixed.units / snapshot.total_units
    failed = share > limit
    message = (
        f"{count(mixed.units)} of {count(snapshot.total_units)} units ({percent(share)}) were seen in "
        f"more than one variant{_by_variant(mixed.seen)}{_fate(mixed)}; the limit is {percent(limit)}"
        if mixed.units
        else "no unit was seen in more than one variant"
    )
    return Check("contamination", "fail" if failed else "pass", message, value=share, threshold=limit)


def _by_variant(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count(units)}' for name, units in counts.items())})" if counts else ""


def _fate(mixed: MixedUnits) -> str:
    if not mixed.counted:
        return " and are left out"
    tied = mixed.units - sum(mixed.counted.values())
    rest = f"; {count(tied)} were seen in two at the same time and are left out" if tied else ""
    return f"; they count where they were seen first{_by_variant(mixed.counted)}{rest}"


def check_duplicates(snapshot: Snapshot) -> Check:
    """Count rows that are equal to another one in every column."""
    duplicated = snapshot.duplicated_rows
    if duplicated is None:
        return Check("duplicates", "not_run", "the data has no unit column, so equal rows may be different units")
    if duplicated == 0:
        return Check("duplicates", "pass", "no row is equal to another one in every column", value=0)
    if snapshot.has_time:
        message = f"{count(duplicated)} rows repeat another one in every column, time included: recorded twice?"
        return Check("duplicates", "fail", message, value=duplicated)
    message = (
        f"{count(duplicated)} rows are equal to another one in every column; without a time they may be repeated runs "
        "with the same outcome"
    )
    return Check("duplicates", "not_enough_data", message, value=duplicated)


def check_missing(experiment: Experiment, snapshot: Snapshot) -> Check:
    """Ask whether values are missing more often in one variant than in another."""
    worst, found = 1.0, []
    for metric, _ in experiment.metrics:
        moments = snapshot.metrics[metric.name]
        lost = [(repr(metric.name), moments.missing)]
        if isinstance(moments, MetricMoments):
            lost.append((f"covariate {metric.covariate!r}", moments.without_covariate))
        for what, missing in lost:
            if sum(missing.values()):
                worst = min(worst, _differential(missing, snapshot.rows))
                found.append(f"{what} {', '.join(f'{name} {count(number)}' for name, number in missing.items())}")
    if not found:
        return Check("missing", "pass", "every row has a value for every metric", value=0)
    failed = worst < _MISSING_THRESHOLD
    verdict = "more often in one variant than in another, so the comparison is biased" if failed else "evenly"
    message = f"rows without a value, {verdict} ({p_equals(worst)}): {'; '.join(found)}"
    return Check("missing", "fail" if failed else "pass", message, p_value=worst, threshold=_MISSING_THRESHOLD)


def _differential(missing: dict[str, int], rows: dict[str, int]) -> float:
    """Rows of contaminated units are missing from `rows`, so there may be fewer of them than were lost."""
    return equal_shares(list(missing.values()), [max(rows[name], lost) for name, lost in missing.items()])


def check_units(snapshot: Snapshot) -> Check:
    """Ask whether every variant has enough units for an interval to be trusted."""
    name, fewest = min(snapshot.units.items(), key=lambda item: item[1])
    if fewest < _FEWEST_UNITS:
        message = f"{name!r} has {count(fewest)} units; intervals are rough below {_FEWEST_UNITS} and need at least 2"
        return Check("units", "not_enough_data", message, value=fewest, threshold=_FEWEST_UNITS)
    return Check(
        "units", "pass", f"the smallest variant has {count(fewest)} units", value=fewest, threshold=_FEWEST_UNITS
    )


def check_variance(snapshot: Snapshot) -> Check:
    """Look for metrics that do not vary: they have no standard error."""
    constant = [
        repr(name)
        for name, moments in snapshot.metrics.items()
        if isinstance(moments, MetricMoments)
        and all(float(np.einsum("ii->i", block.covariance)[:: moments.width].sum()) == 0 for block in moments.blocks)
    ]
    if constant:
        return Check("variance", "fail", f"no variation at all in {', '.join(constant)}: nothing can be inferred")
    return Check("variance", "pass", "every metric varies")


def check_weeks(snapshot: Snapshot) -> Check:
    """Ask whether the data span whole weeks: weekdays and weekends bring different units."""
    days = snapshot.days
    if days is None:
        return Check("weeks", "not_run", "the data has no time, so it is not known which days it spans")
    weeks = round(days / _WEEK)
    if weeks and abs(days - _WEEK * weeks) <= _WEEK_TOLERANCE:
        return Check("weeks", "pass", f"the data span {written(days)}, whole weeks", value=days)
    message = f"the data span {written(days)}, not whole weeks; some weekdays count more than others"
    return Check("weeks", "not_enough_data", message, value=days)


def check_pairs(snapshot: Snapshot) -> Iterator[Check]:
    """Count units of a paired design that lack a variant."""
    if snapshot.design != "paired":
        return
    lost = snapshot.incomplete_units
    share = lost / (lost + snapshot.total_units)
    if lost:
        message = f"{count(lost)} units ({percent(share)}) do not appear in every variant and are left out"
        yield Check("pairs", "fail" if share > 0.1 else "pass", message, value=share, threshold=0.1)
    else:
        yield Check("pairs", "pass", "every unit appears in every variant", value=0.0, threshold=0.1)
