"""Verdicts on a simulated split, each from numbers that were counted before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abkit.assignment.hashing import BUCKETS, Split, bucket
from abkit.assignment.split_result import (
    ClusterSplit,
    Contamination,
    Duration,
    Launches,
    OtherSplit,
    Ramp,
    SplitCheck,
    Status,
    VariantShare,
    percent,
)
from abkit.stats.split import dispersion, independence
from abkit.stats.srm import srm

THRESHOLD = 0.001
_FEWEST_EXPECTED = 5
_FEWEST_PER_GROUP = 10
_GROUPS = (10_000, 5_000, 2_000, 1_000, 500, 200, 100)
_FEWEST_BLOCKS = 10
_FEWEST_CLUSTERS = 40


def check_assigner(split: Split, texts: Sequence[str], points: NDArray[np.uint16], is_own_hash: bool) -> SplitCheck:
    """Ask whether the buckets are those of the definition, user by user."""
    if not is_own_hash:
        return SplitCheck(
            "assigner", "not_run", "another hash than abkit's was given, so this is not what users will get"
        )
    found = [bucket(split.experiment_id, text) for text in texts]
    wrong = int((np.array(found) != points[: len(found)]).sum())
    if wrong:
        message = f"{wrong:,} of {len(found):,} users get another bucket than the definition says"
        return SplitCheck("assigner", "fail", message, value=wrong)
    message = f"{len(found):,} users get the bucket of the definition, one by one and all at once"
    return SplitCheck("assigner", "pass", message, value=0)


def check_shares(variants: Sequence[VariantShare], threshold: float) -> SplitCheck:
    """Ask whether the shares are the planned ones, by the test that will watch the experiment."""
    counts, shares = [one.users for one in variants], [one.planned_share for one in variants]
    fewest = min(sum(counts) * share for share in shares if share > 0)
    if fewest < _FEWEST_EXPECTED:
        message = f"only {fewest:.2g} users are expected in the smallest variant, the test needs {_FEWEST_EXPECTED}"
        return SplitCheck("shares", "not_enough_data", message, threshold=threshold)
    p_value = srm(counts, shares).p_value
    told = ", ".join(f"{one.name} {percent(one.share)} (planned {percent(one.planned_share)})" for one in variants)
    seen = f"{told}; p = {p_value:.2g}"
    if p_value < threshold:
        return SplitCheck("shares", "fail", f"not as planned: {seen}", p_value, threshold=threshold)
    return SplitCheck("shares", "pass", f"as planned: {seen}", p_value, threshold=threshold)


def check_buckets(points: NDArray[np.uint16]) -> SplitCheck:
    """Ask whether all buckets are equally full: hundreds of neighbours, and as few together as the users allow."""
    finest = next((size for size in _GROUPS if len(points) / size >= _FEWEST_PER_GROUP), None)
    if finest is None:
        message = f"{len(points):,} users are too few, the test needs {_GROUPS[-1] * _FEWEST_PER_GROUP:,}"
        return SplitCheck("buckets", "not_enough_data", message)
    counts = np.bincount(points, minlength=BUCKETS)
    found = []
    for groups in {finest, _GROUPS[-1]}:
        together = counts.reshape(groups, -1).sum(axis=1)
        found.append((*dispersion(together[None], np.ones(groups)), groups, int((together == 0).sum())))
    ratio, p_value, groups, empty = min(found, key=lambda one: one[1])
    p_value = min(1.0, p_value * len(found))
    seen = f"counts of {groups:,} groups of buckets vary {ratio:.3g} times as much as chance makes them"
    return _by_dispersion(
        "buckets", f"{seen}{f', {empty:,} are empty' if empty else ''}, p = {p_value:.2g}", ratio, p_value
    )


def check_order(codes: NDArray[np.uint8], shares: Sequence[float]) -> SplitCheck:
    """Ask whether the split varies over successive blocks of users as chance makes it: no runs, no turns."""
    planned = np.array(shares)
    used = planned > 0
    size = max(100, int(np.ceil(_FEWEST_EXPECTED / planned[used].min())), len(codes) // 1000)
    blocks = len(codes) // size
    if blocks < _FEWEST_BLOCKS:
        message = f"{len(codes):,} users are {blocks} blocks of {size:,}, the test needs {_FEWEST_BLOCKS}"
        return SplitCheck("order", "not_enough_data", message)
    block = np.repeat(np.arange(blocks), size)
    cells = np.bincount(block * planned.size + codes[: blocks * size], minlength=blocks * planned.size)
    ratio, p_value = dispersion(cells.reshape(blocks, -1)[:, used], planned[used])
    seen = (
        f"shares in {blocks:,} successive blocks of {size:,} users vary {ratio:.3g} times as much as chance makes them"
    )
    return _by_dispersion("order", f"{seen}, p = {p_value:.2g}", ratio, p_value)


def check_launches(launches: Launches | None, threshold: float) -> SplitCheck:
    """Ask whether the real hash alarms as rarely as it should when the same users are split under many ids."""
    if launches is None:
        return SplitCheck("srm", "not_enough_data", "too few users for the split test in every launch")
    seen = (
        f"{launches.launches:,} launches of {launches.users:,} users, each under another id: {launches.alarms} "
        f"false alarms at {threshold:g}, {threshold * launches.launches:.2g} expected; shares vary "
        f"{launches.ratio:.3g} times as much as chance makes them, p = {launches.p_value:.2g}"
    )
    return _by_dispersion("srm", seen, launches.ratio, launches.p_value)


def _by_dispersion(name: str, seen: str, ratio: float, p_value: float) -> SplitCheck:
    if p_value >= THRESHOLD:
        return SplitCheck(name, "pass", seen, p_value, ratio, THRESHOLD)
    verdict = "too even for a random split" if ratio < 1 else "uneven"
    return SplitCheck(name, "fail", f"{verdict}: {seen}", p_value, ratio, THRESHOLD)


def compare_splits(
    points: NDArray[np.uint16], codes: NDArray[np.uint8], other: NDArray[np.uint16], other_codes: NDArray[np.uint8]
) -> tuple[float | None, float | None, float]:
    """Return the correlation of the buckets, the p-value of the variants' table, and that of the correlation.

    The correlation is None where one side has a single bucket.
    """
    width = int(other_codes.max()) + 1
    table = np.bincount(codes.astype(np.int64) * width + other_codes, minlength=(int(codes.max()) + 1) * width)
    chi_square_p = independence(table.reshape(-1, width))
    if points.std() == 0 or other.std() == 0:
        return None, chi_square_p, 1.0
    r = float(np.corrcoef(points, other)[0, 1])
    return r, chi_square_p, float(special.erfc(abs(r) * np.sqrt((len(points) - 1) / 2)))


def check_independence(others: Sequence[OtherSplit], are_made_up: bool) -> SplitCheck:
    """Ask whether any other experiment's split says something about this one's."""
    whom = f"{len(others)} made-up experiments, their ids one character off" if are_made_up else ", ".join(
        one.key for one in others[:5]
    ) + (f" and {len(others) - 5} more" if len(others) > 5 else "")  # fmt: skip
    if all(one.correlation is None and one.chi_square_p is None for one in others):
        return SplitCheck("independence", "not_enough_data", f"all users share a bucket here or in {whom}")
    worst = min(others, key=lambda one: one.p_value)
    largest = max(abs(one.correlation or 0.0) for one in others)
    seen = f"largest correlation {largest:.3f} over {worst.users:,} users, smallest corrected p = {worst.p_value:.2g}"
    if worst.p_value < THRESHOLD:
        tied = ", ".join(one.key for one in others if one.p_value < THRESHOLD)
        message = f"the split depends on that of {tied}: {seen}; effects of one would be taken for effects of the other"
        return SplitCheck("independence", "fail", message, worst.p_value, largest, THRESHOLD)
    return SplitCheck("independence", "pass", f"against {whom}: {seen}", worst.p_value, largest, THRESHOLD)


def check_ramp(ramp: Ramp | None, treatments: Sequence[str]) -> SplitCheck:
    """Ask whether anybody changes variant while the traffic is raised."""
    if ramp is None:
        return SplitCheck("ramp", "not_run", "the plan starts at its full traffic, there is no step below it")
    path = " → ".join(percent(step.treatment_share) for step in ramp.steps)
    if ramp.moved:
        message = f"{ramp.moved:,} of {ramp.assigned:,} users change variant as the treatments get {path}"
        return SplitCheck("ramp", "fail", message, value=ramp.moved, threshold=0)
    moved = sum(step.moved_by_hash for step in ramp.steps)
    after = sum(ramp.shares_after[name] for name in treatments)
    message = (
        f"none of {ramp.assigned:,} users changes variant as the treatments get {path}, because stored assignments "
        f"win; without them there would be {moved:,} changes. Early users stay in control, so {percent(after)} of all "
        f"are in a treatment at the end: judge the split by those who come after the last step"
    )
    return SplitCheck("ramp", "pass", message, value=0, threshold=0)


def check_clusters(clusters: ClusterSplit | None, threshold: float, variants: int) -> SplitCheck:
    """Ask whether groups of users could be split evenly, and whether there are enough of them."""
    if clusters is None:
        return SplitCheck("clusters", "not_run", "no clusters were given")
    z = float(special.ndtri(1 - threshold / (2 * variants)))
    seen = (
        f"{clusters.clusters:,} clusters, the largest with {percent(clusters.largest_share)} of the users; worth "
        f"{clusters.effective_clusters:,.0f} equal ones and, at an ICC of {clusters.icc:g}, "
        f"{clusters.effective_users:,.0f} independent users if assigned as wholes; {clusters.mixed_clusters:,} have "
        f"members in more than one variant"
    )
    if clusters.effective_clusters < _FEWEST_CLUSTERS:
        message = f"{seen}. Intervals by cluster are rough below {_FEWEST_CLUSTERS}"
        value = clusters.effective_clusters
        return SplitCheck("clusters", "not_enough_data", message, value=value, threshold=_FEWEST_CLUSTERS)
    message = f"{seen}; split by cluster, shares are {clusters.deviation:.2g} standard deviations off the plan"
    status: Status = "fail" if clusters.deviation > z else "pass"
    return SplitCheck("clusters", status, message, value=clusters.deviation, threshold=z)


def check_contamination(contamination: Contamination | None, limit: float) -> SplitCheck:
    """Ask whether changed ids put more people into two variants than the plan tolerates."""
    if contamination is None:
        return SplitCheck("contamination", "not_run", "no share of users who change id was given")
    seen = contamination.mixed_users / contamination.users
    message = (
        f"if {percent(contamination.id_change_share)} of people change id, {percent(contamination.expected_share)} see "
        f"two variants (simulated {percent(seen)}, limit {percent(limit)}); {percent(contamination.attenuation)} of "
        f"the effect is left, which takes {contamination.extra_units:.3g} times the users"
    )
    status: Status = "fail" if contamination.expected_share > limit else "pass"
    return SplitCheck("contamination", status, message, value=contamination.expected_share, threshold=limit)


def check_duration(duration: Duration, days: int, users: int) -> SplitCheck:
    """Ask whether the planned size is reached in the days there are."""
    target = f"the planned {duration.planned_users:,} users"
    if duration.reached_day is None:
        when = "at no day" if duration.expected_days is None else f"after about {duration.expected_days:,} days"
        message = f"{target} are not reached in {days} days ({users:,} come); at the pace of the last week {when}"
        return SplitCheck("duration", "fail", message, value=duration.expected_days, threshold=days)
    message = f"{target} are there on day {duration.reached_day} of {days}"
    if duration.day_by_visits is not None and duration.day_by_visits < duration.reached_day:
        message += (
            f"; counting daily visitors would say day {duration.day_by_visits}, but they are partly the same people"
        )
    if duration.reached_day % 7:
        message += "; end it on a full week all the same, weekdays differ"
    return SplitCheck("duration", "pass", message, value=duration.reached_day, threshold=days)
