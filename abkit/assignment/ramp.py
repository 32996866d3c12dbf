"""Traffic that is raised in steps: who keeps a variant, who would not, and what the shares are afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from abkit.assignment.assigner import TrafficAssigner
from abkit.assignment.hashing import BUCKETS, Split
from abkit.assignment.split_result import Ramp, RampStep
from abkit.assignment.traffic import Users
from abkit.errors import ParameterError
from abkit.models import Experiment

_ASKED = 5_000
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def ramp_steps(experiment: Experiment, percentages: Sequence[float]) -> tuple[Experiment, ...]:
    """Return the experiment at every step of a ramp, the plan itself last.

    Parameters
    ----------
    experiment : Experiment
    percentages : sequence of float
        Traffic of all treatments together, rising; steps at or above the plan's are left out. Treatments share a step
        as they share the plan.

    Examples
    --------
    >>> from abkit.models import Mean, Variant
    >>> experiment = Experiment("demo", [Variant("a", 80, is_control=True), Variant("b", 20)], Mean("x"))
    >>> [step.control.traffic_percentage for step in ramp_steps(experiment, (1, 5, 10, 25, 50))]
    [99.0, 95.0, 90.0, 80.0]
    """
    given = list(percentages)
    if any(not 0 < step <= 100 for step in given) or given != sorted(set(given)):
        raise ParameterError(f"ramp: rising percentages between 0 and 100, got {tuple(given)}")
    planned = sum(variant.traffic_percentage for variant in experiment.treatments)
    return (*(_at(experiment, step, planned) for step in given if step < planned), experiment)


def _at(experiment: Experiment, step: float, planned: float) -> Experiment:
    variants = [
        replace(
            variant,
            traffic_percentage=100 - step if variant.is_control else variant.traffic_percentage * step / planned,
        )
        for variant in experiment.variants
    ]
    return replace(experiment, variants=variants)


def simulate_ramp(
    steps: Sequence[Experiment], users: Users, points: NDArray[np.uint16], first: Sequence[int], days: Sequence[int]
) -> Ramp:
    """Let users come while the traffic rises.

    Parameters
    ----------
    steps : sequence of Experiment
        As `ramp_steps` returns them.
    users : Users
    points : array (users,)
        Their buckets.
    first : sequence of int
        For every step, the first user who comes in it.
    days : sequence of int
        For every step, its first day.
    """
    splits = [Split.of(step) for step in steps]
    by_bucket = np.array(
        [np.searchsorted(split.bounds, np.arange(BUCKETS), side="right") for split in splits], np.uint8
    )
    control = next(place for place, variant in enumerate(steps[0].variants) if variant.is_control)
    told = []
    for place, step in enumerate(steps):
        before = points[: first[place]]
        old, new = by_bucket[max(place - 1, 0)][before], by_bucket[place][before]
        moved = old != new
        treatments = sum(variant.traffic_percentage for variant in step.treatments) / 100
        out = int((moved & (old != control)).sum())
        told.append(RampStep(treatments, days[place], len(before), int(moved.sum()), out))
    counts = np.zeros(len(splits[0].names), np.int64)
    for place, (start, stop) in enumerate(zip(first, [*first[1:], len(points)], strict=True)):
        counts += np.bincount(by_bucket[place][points[start:stop]], minlength=counts.size)
    shares = dict(zip(splits[0].names, (counts / len(points)).tolist(), strict=True))
    return Ramp(tuple(told), *_ask(steps, users), shares)


def _ask(steps: Sequence[Experiment], users: Users) -> tuple[int, int]:
    """Ask the assigner for the same users at every step; count those whose answer ever changes."""
    running, stored = {"": steps[0]}, dict[str, str]()

    def write(_: str, variants: Mapping[str, str], at: datetime) -> dict[str, str]:
        return {user: stored.setdefault(user, name) for user, name in variants.items()}

    assigner = TrafficAssigner(
        running.get,
        lambda _, asked: {user: stored[user] for user in asked if user in stored},
        write,
        clock=lambda: _ANY_TIME,
        time_to_live=0,
    )
    ids = users.texts(_ASKED)
    moved = np.zeros(len(ids), dtype=bool)
    known = np.zeros(0, np.uint8)
    for place, step in enumerate(steps, 1):
        running[""] = step
        codes = assigner.assign_batch("", ids[: len(ids) * place // len(steps)]).codes
        moved[: len(known)] |= codes[: len(known)] != known
        known = codes
    return len(ids), int(moved.sum())
