"""Sliders for JupyterLab (extra `abkit[widgets]`), each move telling the call that gives the same numbers.

Where there are no widgets, in a report or with ABKIT_STATIC set, a widget shows its last answer and the call.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from abkit.analyzer.plan_estimate import PlanEstimate
from abkit.assignment.hashing import buckets
from abkit.assignment.simulate import check_splits
from abkit.assignment.split_parts import HashedUsers, variant_shares
from abkit.assignment.split_result import percent
from abkit.assignment.traffic import users_of
from abkit.display import Card, Table
from abkit.explorer import Explorer, Slider
from abkit.models import Experiment
from abkit.stats import sample_size, srm
from abkit.stats.split import detectable_deviation


def power_calculator(
    *,
    rate: float = 0.2,
    mean: float | None = None,
    sd: float | None = None,
    paired: bool = False,
    lift: float = 0.1,
    power: float = 0.8,
    alpha: float = 0.05,
    daily_units: float | None = 1000,
) -> Explorer:
    """Show how many units it takes to see a lift, and how many days, with a slider for each number.

    It is about one treatment beside a control of the same size, judged once.

    Parameters
    ----------
    rate : float
        Control level of a rate.
    mean, sd : float, optional
        Control level, and standard deviation per unit, of any other metric, in place of `rate`.
    paired : bool
        Every unit is in both variants, and `sd` is that of the differences.
    lift, power, alpha : float
        True relative change, chance to find it, false-positive rate, where the sliders start.
    daily_units : float, optional
        New units per day, over both variants; None: no days are told.

    Examples
    --------
    >>> calculator = power_calculator(rate=0.2)
    >>> calculator.move(lift=0.25).call
    'ab.sample_size(lift=0.25, rate=0.2, power=0.8, alpha=0.05)'
    """
    fixed: dict[str, Any] = {} if mean is None else {"mean": mean}

    def answer(*, daily_units: float | None = None, **moved: float) -> tuple[Card, str]:
        names = ("lift", "rate", "mean", "sd", "power", "alpha")
        given: dict[str, Any] = {name: _rounded(value) for name in names if (value := {**fixed, **moved}.get(name))}
        given |= {"paired": True} if paired else {}
        said = ", ".join(f"{name}={value}" for name, value in given.items())
        return _size_card(given, daily_units), f"ab.sample_size({said})"

    finest, most = (0.01, 0.5) if lift > 0 else (-0.5, -0.01)
    sliders = [
        Slider("rate", "rate of the control", 0.01, 0.6, 0.005, rate),
        Slider("lift", "lift to be found", finest, most, 0.005, lift),
        Slider("power", "power", 0.5, 0.99, 0.01, power),
        Slider("alpha", "alpha", 0.005, 0.2, 0.005, alpha),
    ]
    if mean is not None and sd is not None:
        sliders[0] = Slider("sd", "standard deviation", sd / 4, 4 * sd, sd / 40, sd)
    if daily_units is not None:
        sliders.append(Slider("daily_units", "new units a day", 10, 20_000, 10, daily_units))
    return Explorer("power calculator", sliders, answer)


def _size_card(given: dict[str, Any], daily_units: float | None) -> Card:
    """Say the size that a call of `sample_size` comes to."""
    total = int(sample_size(**given).n_total)
    level = given.get("rate", given.get("mean"))
    levels = [level, level * (1 + given["lift"])]
    shown = [percent(one) if "rate" in given else f"{one:.6g}" for one in levels]
    rows = [
        ("units" if "paired" in given else "units over both variants", f"{total:,}"),
        ("levels", " against ".join(shown)),
    ]
    if not daily_units:
        return Card(f"{total:,} units", tables=[Table((), rows)])
    days = math.ceil(total / daily_units)
    rows.append(("days", f"{days:,}, which is {math.ceil(days / 7):,} full weeks"))
    return Card(f"{total:,} units, {days:,} days", tables=[Table((), rows)])


def plan_calculator(plan: PlanEstimate) -> Explorer:
    """Let the primary metric of a plan be tried with other numbers, starting at those of the plan.

    Parameters
    ----------
    plan : PlanEstimate

    Returns
    -------
    Explorer
        Without sliders, and saying why, where the plan has no level or no noise to start from.
    """
    primary = next(one for one in plan.metrics if one.role == "primary")
    if not primary.baseline or primary.baseline < 0 or not primary.effect:
        reason = primary.reason or "the level of the control is not above 0, so a lift means nothing"
        return Explorer("power calculator", (), lambda: (Card(f"Nothing to try {primary.name!r} with: {reason}."), ""))
    lift = primary.effect if primary.goal == "maximize" else -primary.effect
    daily = plan.runtime.daily_units
    shared: dict[str, Any] = {"lift": lift, "power": primary.power, "alpha": primary.alpha}
    shared["daily_units"] = None if daily is None else max(round(daily), 1)
    is_plain = primary.kind == "proportion" and primary.covariate is None and primary.rows_per_unit in (None, 1.0)
    if plan.design != "paired" and is_plain:
        return power_calculator(rate=primary.baseline, **shared)
    return power_calculator(mean=primary.baseline, sd=primary.sd, paired=plan.design == "paired", **shared)


def _rounded(value: float) -> float:
    """What the call says, so that it gives the same numbers."""
    return float(f"{value:.6g}")


def traffic_simulator(experiment: Experiment, *, users: int = 10_000, seed: int = 0) -> Explorer:
    """Show what the split of made-up users looks like, with sliders for how many they are and for the traffic.

    Parameters
    ----------
    experiment : Experiment
        Its id decides who gets what, as it will when it runs.
    users : int
    seed : int
        Of the made-up ids.

    Raises
    ------
    ParameterError
        The experiment splits no traffic.
    """
    check_splits(experiment)
    treated = 100 - experiment.control.traffic_percentage
    shares = [
        one.traffic_percentage / treated if treated else 1 / len(experiment.treatments) for one in experiment.variants
    ]

    def answer(*, users: int, treatment: float, seed: int) -> tuple[Card, str]:
        traffic = [
            100 - treatment if one.is_control else treatment * share
            for one, share in zip(experiment.variants, shares, strict=True)
        ]
        variants = [replace(one, traffic_percentage=p) for one, p in zip(experiment.variants, traffic, strict=True)]
        hashed = HashedUsers.of(
            replace(experiment, variants=variants), users_of(int(users), "uuid", int(seed)), buckets
        )
        seen = variant_shares(hashed)
        tested = srm([one.users for one in seen], traffic)
        rows = [
            (one.name, f"{one.users:,}", percent(one.share), percent(one.planned_share),
             f"{percent(one.low_95)} to {percent(one.high_95)}")
            for one in seen
        ]  # fmt: skip
        table = Table(("variant", "users", "share", "planned", "95 % of sound splits"), rows, "Shares")
        threshold = experiment.plan.srm_threshold
        off = detectable_deviation(int(users), 1 - treatment / 100, threshold)
        lines = [
            f"Check of the split: p = {tested.p_value:.2g}; an alarm is a p-value under {threshold:g}.",
            f"With so many users it finds a share that is off by {percent(off)} with 90 % power.",
        ]
        same = treatment == treated
        call = f"ab.simulate_split({'experiment' if same else 'changed'}, {int(users)}, seed={int(seed)})"
        if not same:
            told = ", ".join(f"{one:g}" for one in traffic)
            change = f"[replace(one, traffic_percentage=p) for one, p in zip(experiment.variants, [{told}])]"
            call = f"changed = replace(experiment, variants={change})\n{call}"
        return Card(f"{experiment.key}: {int(users):,} made-up users", lines, [table]), call

    sliders = [
        Slider("users", "users", 100, 20_000, 100, users),
        Slider("treatment", "traffic to treatments (%)", 1, 99, 1, treated),
        Slider("seed", "seed of the ids", 0, 100, 1, seed),
    ]
    return Explorer("traffic simulator", sliders, answer)
