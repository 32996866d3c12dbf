"""Sliders over one call: each move computes once, and says the call that gives the same numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from abkit.display import Card, Displayed, to_html
from abkit.errors import ParameterError, suggest

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
