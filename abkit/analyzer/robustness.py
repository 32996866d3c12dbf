"""Would the verdict change? What a few units, other choices, a prior and the winner's curse make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from abkit.analyzer import numbers
from abkit.analyzer.alternatives import Alternative
from abkit.analyzer.belief import Belief, Shrunken
from abkit.analyzer.influence import Units
from abkit.analyzer.removal import Removal
from abkit.analyzer.result import Interval, Verdict
from abkit.analyzer.wording import SYMBOLS, VERDICTS, said_belief, said_choices, said_removal, said_shrunken
from abkit.display import Card, Displayed, Table
from abkit.snapshot import MetricMoments

HEADER = ("choice", "verdict", "lift", "interval", "changes")
_BATCH = 50_000


@dataclass(frozen=True, slots=True, repr=False)
class Robustness(Displayed):
    """How much the verdict hangs on: prints itself, and gives plain data and a frame.

    Parameters
    ----------
    key, metric, variant : str
        Of the experiment, its primary metric, and the treatment that the decision speaks of.
    verdict : str
        As planned.
    lift : Interval
        As planned.
    removal : Removal
        The smallest set of units found whose removal changes the primary metric's finding.
    alternatives : tuple of Alternative
        The verdict under other choices.
    belief : Belief
        The lift with a weakly informative prior.
    shrunken : Shrunken
        The effect corrected for its selection.
    """

    key: str
    metric: str
    variant: str
    verdict: Verdict
    lift: Interval
    removal: Removal
    alternatives: tuple[Alternative, ...]
    belief: Belief
    shrunken: Shrunken

    @property
    def sentences(self) -> dict[str, str]:
        """What all of it says, one sentence for each part."""
        return {
            "A few units": said_removal(self.metric, self.verdict, self.removal),
            "Other choices": said_choices(self.alternatives),
            "A prior": said_belief(self.variant, self.belief),
            "The winner's curse": said_shrunken(self.metric, self.shrunken),
        }

    @property
    def told(self) -> Markup:
        """The sentences as a list, escaped."""
        items = (Markup("<li><strong>{}.</strong> {}</li>").format(*item) for item in self.sentences.items())
        return Markup("<ul>{}</ul>").format(Markup("").join(items))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The planned choice and the others, as text under `HEADER`."""
        yield ("as planned", _verdict(self.verdict), *_lift(self.lift), "—")
        for one in self.alternatives:
            changes = {True: "✕ yes", False: "no", None: f"not computed: {one.reason}"}[one.changed]
            yield (one.choice, _verdict(one.verdict), *_lift(one.lift), changes)

    def _records(self) -> list[dict[str, Any]]:
        planned = Alternative("as planned", self.verdict, self.lift, False)
        return [
            {
                "choice": one.choice,
                "verdict": one.verdict,
                "lift": one.lift.value,
                "lift_low": one.lift.low,
                "lift_high": one.lift.high,
                "changed": one.changed,
                "reason": one.reason,
            }
            for one in (planned, *self.alternatives)
        ]

    def _card(self) -> Card:
        lines = [f"{part}: {text}" for part, text in self.sentences.items()]
        table = Table(HEADER, list(self.rows()), "The verdict under other choices")
        return Card(f"{self.key}: would the verdict change?", lines, [table])


def units_of_rates(moments: MetricMoments) -> Iterator[Units]:
    """The units behind rates that were given as totals: so many ones, so many zeros."""
    for place, block in enumerate(moments.blocks):
        n = round(float(block.n))
        ones = round(n * float(block.mean[0]))
        for value, count in ((1.0, ones), (0.0, n - ones)):
            for start in range(0, count, _BATCH):
                size = min(_BATCH, count - start)
                yield np.full(size, place, np.intp), np.tile([value, 1.0], (size, 1))


def _verdict(verdict: Verdict | None) -> str:
    return "—" if verdict is None else f"{SYMBOLS[verdict]} {VERDICTS[verdict]}"


def _lift(lift: Interval) -> tuple[str, str]:
    return numbers.percent(lift.value, signed=True), numbers.span(lift.low, lift.high, kind="lift")
