"""What is counted in a simulated split: users hashed once, and then what each check asks of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abkit.assignment.hashing import BUCKETS, Split
from abkit.assignment.ramp import ramp_steps, simulate_ramp
from abkit.assignment.split_checks import compare_splits
from abkit.assignment.split_result import (
    ArrivalDay,
    ClusterSplit,
    Contamination,
    Launches,
    OtherSplit,
    Ramp,
    VariantShare,
)
from abkit.assignment.traffic import CHUNK, Users, users_of
from abkit.errors import DataError, ParameterError
from abkit.models import Experiment
from abkit.stats.multiplicity import holm
from abkit.stats.split import changed_ids, cluster_design_effect, count_range, dispersion, effective_clusters

HashPoints = Callable[[str, Any], NDArray[Any]]

_LAUNCHES = 500
_PER_LAUNCH = 1_000
_FEWEST_EXPECTED = 5
_MADE_UP = 8
_COMPARED = 2_000_000
_FEWEST_COMPARED = 20_000
_CHANGING = 200_000


@dataclass(frozen=True)
class HashedUsers:
    """Users of an experiment with their buckets and the places of their variants.

    Parameters
    ----------
    experiment : Experiment
    users : Users
    hash_points : callable
        Experiment id and users → buckets.
    split : Split
    points : array (users,)
    codes : array (users,)
    shares : array (V,)
        Planned shares, as the analysis will test them.
    """

    experiment: Experiment
    users: Users
    hash_points: HashPoints
    split: Split
    points: NDArray[np.uint16]
    codes: NDArray[np.uint8]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, experiment: Experiment, users: Users, hash_points: HashPoints) -> HashedUsers:
        """Hash users for an experiment."""
        split = Split.of(experiment)
        traffic = np.array([variant.traffic_percentage for variant in experiment.variants])
        points = points_of(hash_points, split.experiment_id, users)
        return cls(experiment, users, hash_points, split, points, codes_of(split, points), traffic / traffic.sum())


def points_of(
    hash_points: HashPoints, experiment_id: str, users: Users, limit: int | None = None
) -> NDArray[np.uint16]:
    """Return the buckets of the first users, hashed one chunk at a time."""
    size = users.size if limit is None else min(limit, users.size)
    found = np.empty(size, np.uint16)
    for start, part in users.parts(limit):
        found[start : start + len(part)] = _hashed(hash_points, experiment_id, part)
    return found


def _hashed(hash_points: HashPoints, experiment_id: str, ids: Any) -> NDArray[np.uint16]:
    points = np.asarray(hash_points(experiment_id, ids))
    if points.shape != (len(ids),) or points.dtype.kind not in "iu":
        raise DataError(
            f"the hash gave {points.dtype} of shape {points.shape} for {len(ids):,} users; expected whole numbers"
        )
    if points.size and (points.min() < 0 or points.max() >= BUCKETS):
        raise DataError(f"the hash gave buckets {points.min()} to {points.max()}; they are 0 to {BUCKETS - 1:,}")
    return points.astype(np.uint16)


def codes_of(split: Split, points: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the places of the variants that buckets belong to."""
    return np.searchsorted(split.bounds, np.arange(BUCKETS), side="right").astype(np.uint8)[points]


def variant_shares(hashed: HashedUsers) -> tuple[VariantShare, ...]:
    """Return each variant's share beside the ranges of sound splits."""
    n = hashed.users.size
    counts = np.bincount(hashed.codes, minlength=hashed.shares.size).tolist()
    rows = []
    for variant, share, count in zip(hashed.experiment.variants, hashed.shares.tolist(), counts, strict=True):
        edges = [edge / n for level in (0.95, 0.999) for edge in count_range(n, share, level)]
        rows.append(VariantShare(variant.name, variant.is_control, share, count, count / n, *edges))
    return tuple(rows)


def launch_often(hashed: HashedUsers, threshold: float) -> Launches | None:
    """Split the same users for many experiment ids, through the hash; None where they are too few to test.

    The k-th launch has the id ``<experiment id>:<k>``, so that all of them are one batch of texts ``<k>:<user>``.
    """
    import pyarrow as pa
    from pyarrow import compute

    shares = hashed.shares[hashed.shares > 0]
    wanted = max(_PER_LAUNCH, int(np.ceil(_FEWEST_EXPECTED / shares.min())))
    size = min(wanted, hashed.users.size)
    if size * shares.min() < _FEWEST_EXPECTED or size > CHUNK:
        return None
    launches = max(20, _LAUNCHES * _PER_LAUNCH // wanted)
    texts, width = hashed.users.texts(size).cast(pa.string()), hashed.shares.size
    counts = np.empty((launches, width), np.int64)
    for start in range(0, launches, CHUNK // size):
        numbers = np.arange(start, min(start + CHUNK // size, launches))
        prefix = pa.array(np.repeat(numbers, size)).cast(pa.string())
        ids = compute.binary_join_element_wise(prefix, pa.concat_arrays([texts] * numbers.size), ":")
        codes = codes_of(hashed.split, _hashed(hashed.hash_points, hashed.split.experiment_id, ids))
        cells = np.repeat(np.arange(numbers.size), size) * width + codes
        counts[numbers] = np.bincount(cells, minlength=numbers.size * width).reshape(-1, width)
    counts = counts[:, hashed.shares > 0]
    statistic = ((counts - size * shares) ** 2 / (size * shares)).sum(axis=1)
    alarms = int((special.chdtrc(shares.size - 1, statistic) < threshold).sum())
    return Launches(launches, size, alarms, *dispersion(counts, shares))


def compare_with_others(hashed: HashedUsers, others: Sequence[Experiment]) -> tuple[OtherSplit, ...]:
    """Compare the split with others' of the same users; without any, with made-up ids one character off."""
    splits = [(other.key, Split.of(other)) for other in others] or _neighbours(hashed.split)
    limit = min(hashed.users.size, max(_FEWEST_COMPARED, _COMPARED // len(splits)), 100_000)
    points, codes = hashed.points[:limit], hashed.codes[:limit]
    found = []
    for _, split in splits:
        theirs = points_of(hashed.hash_points, split.experiment_id, hashed.users, limit)
        found.append(compare_splits(points, codes, theirs, codes_of(split, theirs)))
    p_values = [[1.0 if table_p is None else table_p, p] for _, table_p, p in found]
    corrected = holm(np.ravel(p_values)).reshape(-1, 2).min(axis=1).tolist()
    return tuple(
        OtherSplit(key, limit, r, table_p, p)
        for (key, _), (r, table_p, _), p in zip(splits, found, corrected, strict=True)
    )


def _neighbours(split: Split) -> list[tuple[str, Split]]:
    own = split.experiment_id
    ends = [end for end in "0123456789" if not own.endswith(end)][:_MADE_UP]
    return [(f"made-up id …{end}", Split(own[:-1] + end, split.names, split.bounds)) for end in ends]


def raise_traffic(hashed: HashedUsers, percentages: Sequence[float], arrivals: Sequence[ArrivalDay]) -> Ramp | None:
    """Let users come while the traffic rises in steps of equally many days; None where there is one step alone."""
    steps = ramp_steps(hashed.experiment, percentages)
    if len(steps) < 2:
        return None
    before = [place * len(arrivals) / len(steps) for place in range(len(steps))]
    seen = np.array([0, *(day.users for day in arrivals)])
    first = np.interp(before, np.arange(seen.size), seen).astype(int).tolist()
    return simulate_ramp(steps, hashed.users, hashed.points, first, [1 + int(day) for day in before])


def split_clusters(hashed: HashedUsers, clusters: Any, icc: float) -> ClusterSplit:
    """Count what groups of users are worth, and how they would be split as wholes."""
    users, width = hashed.users, hashed.shares.size
    if users.rows is None:
        raise ParameterError("clusters belong to ids of your own; pass the ids as `users`")
    import pyarrow as pa

    labels = getattr(clusters, "to_numpy", lambda: np.asarray(clusters))()
    if len(labels) != users.given:
        raise ParameterError(f"clusters: one for each id, got {len(labels):,} for {users.given:,} ids")
    coded = pa.array(labels[users.rows]).dictionary_encode()
    if coded.null_count:
        raise ParameterError(
            f"clusters: {coded.null_count:,} users have none; leave them out or name a cluster for each"
        )
    cluster = coded.indices.to_numpy()
    sizes = np.bincount(cluster)
    names = users_of(coded.dictionary, "uuid", 0) if len(sizes) > 1 else None
    if names is None:
        raise ParameterError("clusters: all users are in one, so nothing can be said of several")
    whole = codes_of(hashed.split, points_of(hashed.hash_points, hashed.split.experiment_id, names))
    shares = np.bincount(whole, weights=sizes, minlength=width) / users.size
    seen = np.unique(cluster.astype(np.int64) * width + hashed.codes) // width
    worth = effective_clusters(sizes)
    spread = np.sqrt(hashed.shares * (1 - hashed.shares) / worth)
    off = np.abs(shares - hashed.shares)[spread > 0] / spread[spread > 0]
    effect = cluster_design_effect(sizes, icc)
    return ClusterSplit(
        clusters=len(sizes),
        largest_share=float(sizes.max() / users.size),
        effective_clusters=worth,
        icc=float(icc),
        design_effect=effect,
        effective_users=users.size / effect,
        mixed_clusters=int((np.bincount(seen, minlength=len(sizes)) > 1).sum()),
        shares=dict(zip(hashed.split.names, shares.tolist(), strict=True)),
        deviation=float(off.max()),
    )


def change_ids(hashed: HashedUsers, share: float, rng: np.random.Generator) -> Contamination | None:
    """Give a share of people a second id, and count those whom the hash puts into another variant; None for nobody."""
    if share == 0:
        return None
    import pyarrow as pa
    from pyarrow import compute

    size = min(hashed.users.size, _CHANGING)
    texts = hashed.users.texts(size).cast(pa.string())
    changing = np.flatnonzero(rng.random(size) < share)
    again = compute.binary_join_element_wise(texts.take(pa.array(changing)), "2", "~")
    points = _hashed(hashed.hash_points, hashed.split.experiment_id, again)
    mixed = int((codes_of(hashed.split, points) != hashed.codes[:size][changing]).sum())
    expected = changed_ids(share, hashed.shares)
    return Contamination(float(share), expected.mixed, size, mixed, expected.attenuation, expected.extra_units)
