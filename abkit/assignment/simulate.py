"""Simulate the traffic split of an experiment before launch, with the assigner that will run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from abkit.assignment import split_checks as checks
from abkit.assignment import split_parts as parts
from abkit.assignment.hashing import buckets
from abkit.assignment.split_parts import HashedUsers, HashPoints
from abkit.assignment.split_result import SplitCheck, SplitSimulation
from abkit.assignment.traffic import Arrival, IdShape, arrival_weights, arrive, duration, users_of
from abkit.errors import ParameterError
from abkit.models import Experiment
from abkit.named import Named
from abkit.stats.split import alarm_rates, detectable_deviation

RAMP = (1.0, 5.0, 10.0, 25.0, 50.0)
_ONE_BY_ONE = 1_000
_MADE_UP_USERS = 100_000


def simulate_split(
    experiment: Experiment,
    users: Any = None,
    *,
    days: int | None = None,
    arrival: Arrival = "uniform",
    returning: float = 0.0,
    id_shape: IdShape = "uuid",
    others: Sequence[Experiment] = (),
    clusters: Any = None,
    icc: float = 0.05,
    ramp: Sequence[float] = RAMP,
    id_change_share: float = 0.0,
    seed: int = 0,
    hash_points: HashPoints = buckets,
) -> SplitSimulation:
    """Split made-up or real users before launch, as the running experiment will.

    Parameters
    ----------
    experiment : Experiment
    users : int, or sequence, array or column of ids
        How many users to make up, or the ids of your own, in the order in which they come. Default: 100,000, or what
        `arrival` adds up to.
    days : int, optional
        Days over which they come; default 14.
    arrival : {"uniform", "weekly", "decaying"} or array_like (days,)
        How new users are spread over the days; an array has the new users of each day.
    returning : float
        Chance that a user comes back on any later day, 0 to 1. Who comes back adds no user.
    id_shape : {"uuid", "integer", "email"}
        What made-up ids look like.
    others : sequence of Experiment
        Experiments that run at the same time; without any, eight with made-up ids take their place.
    clusters : array_like (users,), optional
        Group of each of your own users, such as the team.
    icc : float
        Correlation of outcomes within a cluster, 0 to 1.
    ramp : sequence of float
        Traffic of all treatments in per cent at each step before the plan's own.
    id_change_share : float
        Share of people who come back under another id, 0 to 1.
    seed : int
        The same one gives the same result.
    hash_points : callable
        Experiment id and users → buckets, 0 to 9,999; default: abkit's hash. For trying another one.

    Returns
    -------
    SplitSimulation

    Raises
    ------
    ParameterError
        Something that was passed does not fit.
    DataError
        A hash that was passed gave something else than one bucket per user.

    Examples
    --------
    >>> from abkit.models import Mean, Variant
    >>> variants = [Variant("plain", 50, is_control=True), Variant("warming", 50)]
    >>> simulation = simulate_split(Experiment("demo", variants, Mean("score"), id="e1"), 20_000, id_change_share=0.01)
    >>> simulation.status, simulation.check("duration").value
    ('pass', 1)
    >>> biased = simulate_split(Experiment("demo", variants, Mean("score"), id="e1"), 20_000,
    ...     hash_points=lambda experiment_id, users: buckets(experiment_id, users) // 2)
    >>> biased.check("shares").status
    'fail'
    """
    check_splits(experiment)
    _check_share("icc", icc)
    _check_share("id_change_share", id_change_share)
    weights, rng = arrival_weights(arrival, days), np.random.default_rng(seed)
    found = users_of(_expected(arrival) if users is None else users, id_shape, seed)
    hashed, threshold = HashedUsers.of(experiment, found, hash_points), experiment.plan.srm_threshold
    arrivals = arrive(found.size, weights, returning, rng)
    running = [other for other in others if other.id != experiment.id]
    counted: dict[str, Any] = {
        "variants": Named(parts.variant_shares(hashed)),
        "alarms": alarm_rates([day.new for day in arrivals], hashed.shares, threshold, rng),
        "duration": duration(arrivals, experiment.planned_units),
        "launches": parts.launch_often(hashed, threshold),
        "others": parts.compare_with_others(hashed, running),
        "ramp": parts.raise_traffic(hashed, ramp, arrivals),
        "clusters": None if clusters is None else parts.split_clusters(hashed, clusters, icc),
        "contamination": parts.change_ids(hashed, id_change_share, rng),
    }
    return SplitSimulation(
        experiment={"id": experiment.id, "key": experiment.key, "name": experiment.name},
        settings={
            "ids": found.shape,
            "days": len(arrivals),
            "arrival": arrival if isinstance(arrival, str) else [float(number) for number in arrival],
            "returning": float(returning),
            "ramp": [float(step) for step in ramp],
            "icc": float(icc),
            "id_change_share": float(id_change_share),
            "seed": seed,
            "threshold": threshold,
        },
        fingerprint=f"sha256:{hashlib.sha256(hashed.points.tobytes()).hexdigest()}",
        users=found.size,
        repeated=found.repeated,
        checks=Named(_judge(hashed, counted, made_up_others=not running, days=len(arrivals))),
        detectable_deviation=detectable_deviation(found.size, _control_share(hashed), threshold),
        arrivals=arrivals,
        **counted,
    )


def _judge(hashed: HashedUsers, counted: dict[str, Any], *, made_up_others: bool, days: int) -> tuple[SplitCheck, ...]:
    plan, treatments = hashed.experiment.plan, [variant.name for variant in hashed.experiment.treatments]
    texts = hashed.users.texts(_ONE_BY_ONE).to_pylist()
    return (
        checks.check_assigner(hashed.split, texts, hashed.points, hashed.hash_points is buckets),
        checks.check_shares(counted["variants"], plan.srm_threshold),
        checks.check_buckets(hashed.points),
        checks.check_order(hashed.codes, hashed.shares.tolist()),
        checks.check_launches(counted["launches"], plan.srm_threshold),
        checks.check_independence(counted["others"], made_up_others),
        checks.check_ramp(counted["ramp"], treatments),
        checks.check_clusters(counted["clusters"], plan.srm_threshold, hashed.shares.size),
        checks.check_contamination(counted["contamination"], plan.contamination_limit),
        checks.check_duration(counted["duration"], days, hashed.users.size),
    )


def _control_share(hashed: HashedUsers) -> float:
    return float(hashed.shares[[variant.is_control for variant in hashed.experiment.variants]].sum())


def _expected(arrival: Arrival) -> int:
    return _MADE_UP_USERS if isinstance(arrival, str) else round(float(np.sum(np.asarray(arrival, dtype=np.float64))))


def check_splits(experiment: Experiment) -> None:
    """Refuse an experiment in which every unit gets every variant.

    Raises
    ------
    ParameterError
        It is paired.
    """
    if experiment.data is not None and experiment.data.design == "paired":
        raise ParameterError(
            f"{experiment.key!r} is paired: every unit gets every variant, so there is no traffic to split; for a "
            "launch that splits users, leave `design: paired` out"
        )


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ParameterError(f"{name}: a share, 0 to 1, got {value:g}")
