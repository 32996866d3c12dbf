"""What a simulated design does, in numbers: frozen, and printing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from abkit.analyzer.gates import ORDER
from abkit.analyzer.numbers import count, number, percent
from abkit.analyzer.scenario import Scenario
from abkit.display import Card, Displayed, Table
from abkit.models import Experiment
from abkit.named import Named, find

if TYPE_CHECKING:
    import pandas as pd

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class ScenarioResult(Displayed):
    """How a design ends in one scenario.

    Parameters
    ----------
    name : str
    lifts : dict
        True relative changes of the treatments' levels.
    probabilities : dict
        Verdict -> share of the simulated experiments that ended with it.
    errors : dict
        Verdict -> half-width of the 95 % binomial interval of that share.
    winners : dict
        Treatment -> share of the experiments that shipped it.
    expected_units : float
        Mean of the units at stopping, over all variants.
    expected_loss : float
        Mean relative loss on the primary metric: harm that was shipped, or improvement that was not.
    shipped_by, stopped_by : tuple of float
        Share of the experiments that had shipped, or stopped, by each look.
    method : str
        How units were drawn.
    """

    name: str
    lifts: dict[str, float]
    probabilities: dict[str, float]
    errors: dict[str, float]
    winners: dict[str, float]
    expected_units: float
    expected_loss: float
    shipped_by: tuple[float, ...]
    stopped_by: tuple[float, ...]
    method: str


@dataclass(frozen=True, slots=True, repr=False)
class OperatingCharacteristics(Displayed):
    """How often a design ends with each verdict, scenario by scenario.

    Parameters
    ----------
    key : str
        Of the experiment.
    runs, seed : int
        Simulated experiments per scenario, and the seed that gives the same numbers again.
    sizes : tuple of int
        Units over all variants at each look.
    population : str
        What was drawn from.
    inference : str
    alpha, power : float
        As planned.
    daily_units : float or None
        New units per day; None where unknown, and then there are no days.
    scenarios : tuple of ScenarioResult
    """

    key: str
    runs: int
    seed: int
    sizes: tuple[int, ...]
    population: str
    inference: str
    alpha: float
    power: float
    daily_units: float | None
    scenarios: Named[ScenarioResult]

    def scenario(self, name: str) -> ScenarioResult:
        """Return the scenario of that name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return find(self.scenarios, name, "no scenario")

    def expected_days(self, name: str) -> float | None:
        """Mean days to the verdict, where the daily traffic is known."""
        return self.scenario(name).expected_units / self.daily_units if self.daily_units else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        plain = Displayed.to_dict(self)
        for one in plain["scenarios"]:
            one["expected_days"] = self.expected_days(one["name"])
        return plain

    def to_frame(self) -> pd.DataFrame:
        """Return one row per scenario: the share of each verdict, units, days and loss."""
        return Displayed.to_frame(self).set_index("scenario")

    def _records(self) -> list[dict[str, Any]]:
        return [
            {
                "scenario": one.name,
                **one.probabilities,
                "expected_units": one.expected_units,
                "expected_days": self.expected_days(one.name),
                "expected_loss": one.expected_loss,
            }
            for one in self.scenarios
        ]

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of the table that people read."""
        header = ["scenario", "true change", "ship", "do not ship", "keep running", "invalid", "other", "units", "loss"]
        header += ["days"] if self.daily_units else []
        return header, [self._row(one) for one in self.scenarios]

    def _row(self, one: ScenarioResult) -> list[str]:
        shares = one.probabilities
        other = shares["below_threshold"] + shares["inconclusive"]
        shown = [shares["ship"], shares["do_not_ship"], shares["keep_running"], shares["invalid"], other]
        changes = ", ".join(f"{name} {percent(lift, signed=True)}" for name, lift in one.lifts.items())
        cells = [one.name, changes or "none", *(percent(share, 1) for share in shown)]
        cells += [count(one.expected_units), percent(one.expected_loss)]
        return [*cells, number(self.expected_days(one.name), 1)] if self.daily_units else cells

    @property
    def headline(self) -> str:
        """What was simulated, in one line."""
        looks = f"{len(self.sizes)} looks" if len(self.sizes) > 1 else "one look"
        return (
            f"{self.key}: {count(self.runs)} simulated experiments per scenario, {count(self.sizes[-1])} units, "
            f"{looks} ({self.inference.replace('_', ' ')}), drawn from {self.population}"
        )

    def _card(self) -> Card:
        return Card(self.headline, tables=[Table(*self.rows(), "How often the design ends with each verdict")])


def summarize(
    experiment: Experiment,
    scenario: Scenario,
    sizes: tuple[int, ...],
    stopped: npt.NDArray[np.int64],
    *,
    is_normal: bool,
) -> ScenarioResult:
    """Turn counts (look, verdict, treatment) into shares."""
    runs = stopped.sum()
    shares = stopped.sum(axis=(0, 2)) / runs
    names = [*ORDER, "invalid"]
    ships = ORDER.index("ship")
    by_look = stopped.sum(axis=(1, 2))
    winners = {v.name: float(stopped[:, ships, i].sum() / runs) for i, v in enumerate(experiment.treatments)}
    errors = _Z * np.sqrt(shares * (1 - shares) / runs)
    return ScenarioResult(
        name=scenario.name,
        lifts=dict(scenario.lifts),
        probabilities=dict(zip(names, shares.tolist(), strict=True)),
        errors=dict(zip(names, errors.tolist(), strict=True)),
        winners=winners,
        expected_units=float(by_look @ np.array(sizes) / runs),
        expected_loss=_loss(experiment, scenario, winners),
        shipped_by=tuple((np.cumsum(stopped[:, ships].sum(axis=-1)) / runs).tolist()),
        stopped_by=tuple((np.cumsum(by_look) / runs).tolist()),
        method="sums of normal values" if is_normal else "units of the past, drawn with replacement",
    )


def _loss(experiment: Experiment, scenario: Scenario, winners: dict[str, float]) -> float:
    """What is lost on the primary metric against always knowing which variant is best."""
    metric = experiment.primary_metric
    sign = 1.0 if metric.goal == "maximize" else -1.0
    gains = {name: sign * scenario.lifts_of(name).get(metric.name, 0.0) for name in winners}
    best = max(0.0, *gains.values())
    kept = 1 - sum(winners.values())
    return sum(share * (best - gains[name]) for name, share in winners.items()) + kept * best
