"""A/A experiments on one's own past: with nothing to find, how often does each metric's test find something?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.analyzer.compare import infer
from abkit.analyzer.drawing import Drawn, moments_of
from abkit.analyzer.numbers import count, p_value, percent
from abkit.analyzer.unit_table import UnitTable, build_table
from abkit.display import Card, Displayed, Table
from abkit.models import Experiment
from abkit.named import Named, find
from abkit.snapshot import MetricMoments, Population
from abkit.stats.moments import Array
from abkit.stats.resplit import AT_ONCE, add_chosen, assigned

if TYPE_CHECKING:
    import pandas as pd

_RUNS, _COUNTED = 10_000, 2_000_000
_CONFIDENCE = 0.99
Chosen = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MetricValidation(Displayed):
    """One metric's test on splits that have no effect.

    Parameters
    ----------
    name, method : str
    tests : int
        p-values that could be computed: splits times treatments.
    false_positives : int
        How many are at most alpha.
    rate : float or None
        False positives per test.
    low, high : float
        Where 99 % of such rates lie if the test keeps alpha.
    ks_statistic, ks_p_value : float or None
        Kolmogorov-Smirnov distance of the p-values from uniform ones, and its p-value.
    status : str
        "pass"; "fail": more false positives than the band allows; "conservative": fewer.
    p_values : tuple of float
    """

    name: str
    method: str
    tests: int
    false_positives: int
    rate: float | None
    low: float
    high: float
    ks_statistic: float | None
    ks_p_value: float | None
    status: str
    p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True, repr=False)
class AAValidation(Displayed):
    """Every metric's test on random splits of the same past units.

    Parameters
    ----------
    key : str
    runs, seed : int
        Splits, and the seed that gives them again.
    units : int
    alpha : float
    population : str
        What was split.
    metrics : tuple of MetricValidation
    """

    key: str
    runs: int
    seed: int
    units: int
    alpha: float
    population: str
    metrics: Named[MetricValidation]

    def metric(self, name: str) -> MetricValidation:
        """Return the metric of that name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return find(self.metrics, name, "no metric")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per metric."""
        return Displayed.to_frame(self).set_index("name")

    def _records(self) -> list[dict[str, Any]]:
        return [{key: part for key, part in one.to_dict().items() if key != "p_values"} for one in self.metrics]

    @property
    def headline(self) -> str:
        """What was done, in one line."""
        return f"{self.key}: {count(self.runs)} A/A splits of {self.population}, alpha {percent(self.alpha)}"

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of the table that people read."""
        header = ["metric", "false positives", "expected", "uniform (KS p)", "finding"]
        return header, [self._row(one) for one in self.metrics]

    def _row(self, one: MetricValidation) -> list[str]:
        band = f"{percent(one.low, 1)} to {percent(one.high, 1)}"
        return [one.name, percent(one.rate, 1), band, p_value(one.ks_p_value), _FINDINGS[one.status]]

    def _card(self) -> Card:
        return Card(self.headline, tables=[Table(*self.rows(), "False positives where there is nothing to find")])


_FINDINGS = {
    "pass": "● keeps alpha",
    "fail": "▼ too many false positives",
    "conservative": "○ fewer than alpha: safe, less power",
    "not_run": "not computed",
}


def validate_tests(experiment: Experiment, population: Population, *, runs: int, seed: int) -> AAValidation:
    """Split a population at random many times and test every metric each time, at one look.

    Units keep all their rows, so skew, clusters and correlations are those of the past; a paired design passes each
    unit's variants around.
    """
    once = replace(experiment, plan=replace(experiment.plan, inference="fixed"))
    table = build_table(once, population, [{}] * (len(experiment.variants) if population.variant is not None else 1))
    rng = np.random.default_rng(seed)
    at_once = max(1, _COUNTED // len(table.features)) if table.ordered else _RUNS
    found: dict[str, list[Array]] = {metric.name: [] for metric, _ in once.metrics}
    methods: dict[str, str] = {}
    for start in range(0, runs, at_once):
        moments = _split(once, table, population, min(at_once, runs - start), rng)
        for metric, role in once.metrics:
            inference = infer(once, metric, role, moments[metric.name], population.units)
            found[metric.name].append(np.concatenate([np.asarray(pair.p_value()) for pair in inference.pairs]))
            is_rate = moments[metric.name].is_rate_of_units
            methods[metric.name] = "newcombe" if is_rate else inference.tests[0].name
    metrics = Named(
        _summary(metric.name, methods[metric.name], np.concatenate(found[metric.name]), experiment.alpha, runs)
        for metric, _ in once.metrics
    )
    return AAValidation(experiment.key, runs, seed, population.units, experiment.alpha, population.note, metrics)


def _split(
    experiment: Experiment, table: UnitTable, population: Population, size: int, rng: np.random.Generator
) -> dict[str, MetricMoments]:
    units = table.units
    if population.variant is not None:

        def turned(size: int) -> list[Chosen]:
            options = rng.integers(0, table.options, size=(size, units))
            return [np.concatenate([options == option for option in range(table.options)], axis=1)]

        return moments_of(experiment, [table], _added(table, turned, size, 1), one_row_each=False)
    shares = [variant.traffic_percentage / 100 for variant in experiment.variants]
    treated = _added(table, lambda size: _assigned(rng, shares, size, units), size, len(shares) - 1)
    rest = Drawn(
        units - np.sum([arm.units for arm in treated], axis=0),
        table.features.sum(axis=0) - np.sum([arm.sums for arm in treated], axis=0),
        1 - np.sum([arm.counts for arm in treated], axis=0),
    )
    one_row_each = len(population.unit) == units
    return moments_of(experiment, [table] * len(shares), [rest, *treated], one_row_each=one_row_each)


def _assigned(rng: np.random.Generator, shares: list[float], size: int, units: int) -> list[Chosen]:
    """Which units are in each variant but the first."""
    if len(shares) == 2:
        return [assigned(rng, size, units, shares[1])]
    drawn, ends = rng.random((size, units), dtype=np.float32), np.cumsum(shares)
    ends[-1] = 1.0
    return [(drawn >= low) & (drawn < high) for low, high in pairwise(ends)]


def _added(table: UnitTable, choose: Callable[[int], list[Chosen]], runs: int, arms: int) -> list[Drawn]:
    """Add up the features of the chosen rows; features of metrics are often the same, and then added once."""
    rows = len(table.features)
    columns = [np.ones(rows), *table.features.T]
    places: dict[bytes, int] = {}
    place = [places.setdefault(column.tobytes(), len(places)) for column in columns]
    distinct = np.column_stack([columns[place.index(number)] for number in range(len(places))])
    sums = np.empty((arms, runs, len(places)))
    counts = np.empty((arms, runs, rows if table.ordered else 0))
    for start in range(0, runs, AT_ONCE):
        part = slice(start, min(start + AT_ONCE, runs))
        for arm, chosen in enumerate(choose(part.stop - start)):
            sums[arm, part] = add_chosen(chosen, distinct)
            counts[arm, part] = chosen[:, : counts.shape[2]]
    found = sums[..., place]
    return [Drawn(each[:, 0], each[:, 1:], counted) for each, counted in zip(found, counts, strict=True)]


def _summary(name: str, method: str, p_values: Array, alpha: float, runs: int) -> MetricValidation:
    """Treatments of one split share their control, so only the splits count as independent tests."""
    values = np.sort(p_values[np.isfinite(p_values)])
    tests = len(values)
    positives = int((values <= alpha).sum())
    outside = (1 - _CONFIDENCE) / 2
    low, high = _band(min(tests, runs), alpha, outside)
    if not tests:
        return MetricValidation(name, method, 0, 0, None, low, high, None, None, "not_run", ())
    rate = positives / tests
    steps = np.arange(tests + 1) / tests
    distance = float(np.maximum(steps[1:] - values, values - steps[:-1]).max())
    status = "fail" if rate > high else "conservative" if rate < low else "pass"
    ks_p_value = float(special.kolmogorov(np.sqrt(min(tests, runs)) * distance))
    found = tuple(values.tolist())
    return MetricValidation(name, method, tests, positives, rate, low, high, distance, ks_p_value, status, found)


def _band(tests: int, alpha: float, outside: float) -> tuple[float, float]:
    """Shares of false positives that leave `outside` on each side, if each test has one with chance alpha."""
    if not tests:
        return 0.0, 1.0
    successes = np.arange(tests + 1)
    reached = special.bdtr(successes, tests, alpha)
    return float(np.searchsorted(reached, outside)) / tests, float(np.searchsorted(reached, 1 - outside)) / tests
