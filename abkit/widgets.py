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
        self.title, self.sliders, self._answer = title, tuple(sliders), answer
        self.values = {slider.name: slider.value for slider in sliders}
        self._card_now, self.call = answer(**self.values)
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
        self._card_now, self.call = self._answer(**self.values)
        for tell in self._listeners:
            tell()
        return self

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

        is_whole = float(one.step).is_integer()
        kind = ipywidgets.IntSlider if is_whole else ipywidgets.FloatSlider
        number = int if is_whole else float
        made = kind(
            value=number(self.values[one.name]),
            min=number(one.low),
            max=number(one.high),
            step=number(one.step),
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
    *, rate: float = 0.2, lift: float = 0.1, power: float = 0.8, alpha: float = 0.05, daily_units: int = 1000
) -> Explorer:
    """Show how many units it takes to see a lift of a rate, and how many days, with a slider for each number.

    Parameters
    ----------
    rate, lift, power, alpha : float
        Control level, true relative change, chance to find it, false-positive rate, where the sliders start.
    daily_units : int
        New units per day, over both variants.

    Examples
    --------
    >>> calculator = power_calculator(rate=0.2)
    >>> calculator.move(lift=0.25).call
    'ab.sample_size(lift=0.25, rate=0.2, power=0.8, alpha=0.05)'
    """

    def answer(*, rate: float, lift: float, power: float, alpha: float, daily_units: int) -> tuple[Card, str]:
        total = int(sample_size(lift=lift, rate=rate, power=power, alpha=alpha).n_total)
        days = math.ceil(total / daily_units)
        rows = [
            ("units over both variants", f"{total:,}"),
            ("days", f"{days:,}, which is {math.ceil(days / 7):,} full weeks"),
            ("rates", f"{percent(rate)} against {percent(rate * (1 + lift))}"),
        ]
        given = {"lift": lift, "rate": rate, "power": power, "alpha": alpha}
        said = ", ".join(f"{name}={round(value, 6):g}" for name, value in given.items())
        return Card(f"{total:,} units, {days:,} days", tables=[Table((), rows)]), f"ab.sample_size({said})"

    sliders = [
        Slider("rate", "rate of the control", 0.01, 0.6, 0.005, rate),
        Slider("lift", "lift to be found", 0.01, 0.5, 0.005, lift),
        Slider("power", "power", 0.5, 0.99, 0.01, power),
        Slider("alpha", "alpha", 0.005, 0.2, 0.005, alpha),
        Slider("daily_units", "new units a day", 10, 20_000, 10, daily_units),
    ]
    return Explorer("power calculator", sliders, answer)


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

    def answer(*, users: int, treatment: float, seed: int) -> tuple[Card, str]:
        traffic = [
            100 - treatment if one.is_control else treatment * one.traffic_percentage / treated
            for one in experiment.variants
        ]
        variants = [replace(one, traffic_percentage=p) for one, p in zip(experiment.variants, traffic, strict=True)]
        hashed = HashedUsers.of(
            replace(experiment, variants=variants), users_of(int(users), "uuid", int(seed)), buckets
        )
        shares = variant_shares(hashed)
        tested = srm([one.users for one in shares], traffic)
        rows = [
            (one.name, f"{one.users:,}", percent(one.share), percent(one.planned_share),
             f"{percent(one.low_95)} to {percent(one.high_95)}")
            for one in shares
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
