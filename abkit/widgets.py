"""Sliders for JupyterLab (extra `abkit[widgets]`), each move telling the call that gives the same numbers.

Where there are no widgets, in a report or with ABKIT_STATIC set, a widget shows its last answer and the call.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from abkit.analyzer.plan_estimate import PlanEstimate
from abkit.assignment.hashing import buckets
from abkit.assignment.simulate import check_splits
from abkit.assignment.split_parts import HashedUsers, variant_shares
from abkit.assignment.split_result import percent
from abkit.assignment.traffic import users_of
from abkit.display import Card, Displayed, Table, to_html
from abkit.errors import ParameterError, suggest
from abkit.models import Experiment
from abkit.stats import sample_size, srm
from abkit.stats.split import detectable_deviation

Answer = Callable[..., tuple[Card, str]]
"""Turns the sliders' numbers into what to show, and the call that gives the same."""


@dataclass(frozen=True, slots=True)
class Slider:
    """One number that can be moved."""

    name: str
    label: str
    low: float
    high: float
    step: float
    value: float


class Explorer(Displayed):
    """Sliders over one call; `call` is its text, `move` changes numbers from code as a slider does.

    Parameters
    ----------
    title : str
    sliders : sequence of Slider
    answer : callable
        Takes the sliders' numbers by name.
    """

    __slots__ = ("_answer", "_card_now", "_listeners", "call", "sliders", "title", "values")

    def __init__(self, title: str, sliders: Sequence[Slider], answer: Answer) -> None:
        self.title, self._answer = title, answer
        self.sliders = tuple(
            replace(one, low=min(one.low, one.value), high=max(one.high, one.value)) for one in sliders
        )
        self.values = {slider.name: slider.value for slider in sliders}
        self._compute()
        self._listeners: list[Callable[[], None]] = []

    def move(self, **values: float) -> Explorer:
        """Set some of the sliders, and compute once.

        Raises
        ------
        ParameterError
            There is no such slider, or its number is out of its range.
        """
        ranges = {slider.name: slider for slider in self.sliders}
        for name, value in values.items():
            if name not in ranges:
                raise ParameterError(f"no slider {name!r}{suggest(name, ranges)}")
            if not ranges[name].low <= value <= ranges[name].high:
                raise ParameterError(f"{name} goes from {ranges[name].low:g} to {ranges[name].high:g}, not {value:g}")
        self.values = {**self.values, **values}
        self._compute()
        for tell in self._listeners:
            tell()
        return self

    def _compute(self) -> None:
        """Numbers that cannot be together, such as a lift to a rate beyond 1, are told like an answer."""
        try:
            self._card_now, self.call = self._answer(**self.values)
        except ParameterError as error:
            self._card_now, self.call = Card(f"{self.title}: {error}"), ""

    def to_dict(self) -> dict[str, Any]:
        """Return the sliders' numbers and the call that gives the same."""
        return {"title": self.title, "values": dict(self.values), "call": self.call}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [self.values]

    def _card(self) -> Card:
        return replace(self._card_now, lines=[*self._card_now.lines, *self.call.splitlines()])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = Displayed._repr_mimebundle_(self)
        return {**self.live()._repr_mimebundle_(), **still} if is_live() else still

    def live(self) -> Any:
        """Build the widget: sliders, the answer, the call."""
        import ipywidgets

        shown = ipywidgets.HTML()

        def tell() -> None:
            shown.value = to_html(self._card())

        tell()
        self._listeners.append(tell)
        return ipywidgets.VBox([*(self._slider(one) for one in self.sliders), shown])

    def _slider(self, one: Slider) -> Any:
        import ipywidgets

        is_whole = all(float(part).is_integer() for part in (one.low, one.step, self.values[one.name]))
        kind = ipywidgets.IntSlider if is_whole else ipywidgets.FloatSlider
        number = int if is_whole else float
        made = kind(
            value=number(self.values[one.name]),
            min=number(one.low),
            max=number(one.high),
            step=number(one.step),
            readout_format="d" if is_whole else ".3g",
            description=one.label,
            style={"description_width": "11em"},
            layout={"width": "32em"},
        )
        made.observe(lambda change: self.move(**{one.name: change["new"]}), names="value")
        return made


def is_live() -> bool:
    """Whether widgets can be shown: they are installed, and this is no report."""
    return not os.environ.get("ABKIT_STATIC") and find_spec("ipywidgets") is not None


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
    fixed = {} if mean is None else {"mean": mean}
    pairs = {"paired": True} if paired else {}

    def answer(*, daily_units: float | None = None, **moved: float) -> tuple[Card, str]:
        names = ("lift", "rate", "mean", "sd", "power", "alpha")
        given = {name: rounded({**fixed, **moved}[name]) for name in names if name in fixed or name in moved}
        total = int(sample_size(**given, **pairs).n_total)  # type: ignore[arg-type]
        base = given["mean"] if mean is not None else given["rate"]
        levels = [base, base * (1 + given["lift"])]
        shown = [percent(level) if mean is None else f"{level:.6g}" for level in levels]
        rows = [("units" if paired else "units over both variants", f"{total:,}"), ("levels", " against ".join(shown))]
        title = f"{total:,} units"
        if daily_units:
            days = math.ceil(total / daily_units)
            rows.insert(1, ("days", f"{days:,}, which is {math.ceil(days / 7):,} full weeks"))
            title = f"{title}, {days:,} days"
        said = ", ".join(f"{name}={value}" for name, value in {**given, **pairs}.items())
        return Card(title, tables=[Table((), rows)]), f"ab.sample_size({said})"

    noise = Slider("rate", "rate of the control", 0.01, 0.6, 0.005, rate)
    if mean is not None:
        noise = Slider("sd", "standard deviation", (sd or 0) / 4, 4 * (sd or 0), (sd or 0) / 40, sd or 0)
    finest, most = (0.01, 0.5) if lift > 0 else (-0.5, -0.01)
    sliders = [
        noise,
        Slider("lift", "lift to be found", finest, most, 0.005, lift),
        Slider("power", "power", 0.5, 0.99, 0.01, power),
        Slider("alpha", "alpha", 0.005, 0.2, 0.005, alpha),
    ]
    if daily_units is not None:
        sliders.append(Slider("daily_units", "new units a day", 10, 20_000, 10, daily_units))
    return Explorer("power calculator", sliders, answer)


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


def rounded(value: float) -> float:
    """Round to what the call says, so that it gives the same numbers.

    Examples
    --------
    >>> rounded(0.1 + 0.2), rounded(1234567.8)
    (0.3, 1234570.0)
    """
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
