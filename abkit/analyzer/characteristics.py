"""How often a design ships a good variant, and how often a bad one: its verdict on simulated experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.analyzer.batch import Verdicts, judge_batch
from abkit.analyzer.drawing import Drawn, NormalSums, draw_units, moments_of
from abkit.analyzer.gates import ORDER
from abkit.analyzer.operating import OperatingCharacteristics, ScenarioResult, summarize
from abkit.analyzer.scenario import Scenario, check_scenario
from abkit.analyzer.unit_table import UnitTable, build_table
from abkit.models import Experiment
from abkit.named import Named
from abkit.snapshot import Population
from abkit.stats.moments import Array

_CELLS = 1_000_000
_MOST_AT_ONCE = 250
_DAILY_LOOKS = 14

OUTCOMES = (*ORDER, "invalid")


@dataclass(frozen=True, slots=True)
class Design:
    """An experiment as it will be looked at.

    Parameters
    ----------
    experiment : Experiment
    sizes : tuple of int
        Units over all variants at each look, the last the planned size.
    one_row_each : bool
        Whether every unit is one row.
    paired : bool
    """

    experiment: Experiment
    sizes: tuple[int, ...]
    one_row_each: bool
    paired: bool

    @property
    def increments(self) -> list[int]:
        """Units that are new at each look."""
        return np.diff(self.sizes, prepend=0).tolist()


def design_of(experiment: Experiment, population: Population, looks: int | None = None) -> Design:
    """Return the looks of an experiment: as planned, one for a fixed plan, 14 where any number is allowed."""
    plan = experiment.plan
    count = looks or {"fixed": 1, "group_sequential": plan.looks}.get(plan.inference, _DAILY_LOOKS)
    size = max(experiment.planned_units, experiment.min_sample_size)
    sizes = tuple(sorted({max(round(size * (look + 1) / count), 1) for look in range(count)}))
    paired = population.variant is not None
    rows = population.units * (len(experiment.variants) if paired else 1)
    return Design(experiment, sizes, one_row_each=len(population.unit) == rows, paired=paired)


def simulate_scenario(
    design: Design,
    population: Population,
    scenario: Scenario,
    *,
    runs: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> ScenarioResult:
    """Run a design many times in one scenario and count its verdicts.

    An experiment stops at the first look whose verdict is not "keep running". The numbers depend on the seed alone, not
    on the number of workers.

    Raises
    ------
    DefinitionError
        A scenario that the experiment or the population cannot show.
    """
    experiment = design.experiment
    check_scenario(experiment, scenario)
    shares = scenario.shares or tuple(variant.traffic_percentage for variant in experiment.variants)
    traffic = np.array(shares) / sum(shares)
    lifts = [{} if v.is_control else scenario.lifts_of(v.name) for v in experiment.variants]
    fewest = min(design.increments) * (1.0 if design.paired else float(traffic[traffic > 0].min()))
    tables = _tables(design, population, lifts, linear=True) if _may_be_normal(fewest) else None
    normal = [NormalSums.of(table) for table in tables] if tables else []
    if not normal or not all(sums.suffices(fewest) for sums in normal):
        tables, normal = _tables(design, population, lifts, linear=False), []
    job = _Job(design, tables or [], normal, traffic)
    sizes = list(_chunks(runs, job.at_once))
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    stopped = np.zeros((len(design.sizes), len(OUTCOMES), len(experiment.treatments)), dtype=np.int64)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for size, counts in zip(sizes, pool.map(job, seeds, sizes), strict=True):
            stopped += counts
            progress(size)
    return summarize(experiment, scenario, design.sizes, stopped, is_normal=bool(normal))


def _may_be_normal(units: float) -> bool:
    return units >= 1000


def _tables(
    design: Design, population: Population, lifts: Sequence[dict[str, float]], *, linear: bool
) -> list[UnitTable]:
    """One table per variant, those with the same changes shared; a paired design has one for all."""
    if design.paired:
        return [build_table(design.experiment, population, lifts, linear=linear)]
    built: dict[tuple[tuple[str, float], ...], UnitTable] = {}
    for changes in lifts:
        key = tuple(sorted(changes.items()))
        if key not in built:
            built[key] = build_table(design.experiment, population, [changes], linear=linear)
    return [built[tuple(sorted(changes.items()))] for changes in lifts]


def _chunks(runs: int, most: int) -> Iterator[int]:
    yield from [most] * (runs // most)
    if runs % most:
        yield runs % most


@dataclass(frozen=True, slots=True)
class _Job:
    design: Design
    tables: list[UnitTable]
    normal: list[NormalSums]
    traffic: Array

    @property
    def at_once(self) -> int:
        """Experiments held in memory together; the same for any number of workers."""
        atoms = sum(len(table.features) for table in self.tables) if self.tables[0].ordered else 1
        drawn = max(self.design.increments) if not self.normal else 1
        return int(np.clip(_CELLS // max(atoms, drawn), 1, _MOST_AT_ONCE))

    def __call__(self, seed: np.random.SeedSequence, size: int) -> npt.NDArray[np.int64]:
        """Simulate `size` experiments; count at which look they stopped, how, and with which treatment."""
        rng, experiment = np.random.default_rng(seed), self.design.experiment
        drawn = [Drawn.nothing(table, size) for table in self.tables]
        counts = np.zeros((len(self.design.sizes), len(OUTCOMES), len(experiment.treatments)), dtype=np.int64)
        running = np.ones(size, dtype=bool)
        for look, new in enumerate(self.design.increments):
            drawn = [made + more for made, more in zip(drawn, self._draw(new, size, rng), strict=True)]
            verdicts = self._judge(drawn)
            outcome = np.where(verdicts.invalid, len(ORDER), verdicts.place)
            is_last = look == len(self.design.sizes) - 1
            stops = running & (is_last | (outcome != ORDER.index("keep_running")))
            np.add.at(counts[look], (outcome[stops], verdicts.treatment[stops]), 1)
            running &= ~stops
            if not running.any():
                break
        return counts

    def _draw(self, new: int, size: int, rng: np.random.Generator) -> list[Drawn]:
        if self.design.paired:
            units = np.full((size, 1), float(new))
        else:
            units = rng.multinomial(new, self.traffic, size).astype(np.float64)
        if self.normal:
            return [sums.draw(part, rng) for sums, part in zip(self.normal, units.T, strict=True)]
        return [draw_units(table, part, rng) for table, part in zip(self.tables, units.T, strict=True)]

    def _judge(self, drawn: list[Drawn]) -> Verdicts:
        design = self.design
        moments = moments_of(design.experiment, self.tables, drawn, one_row_each=design.one_row_each)
        units = np.stack([made.units for made in drawn], axis=-1)
        return judge_batch(design.experiment, moments, units, paired=design.paired)


def characterize(
    experiment: Experiment,
    population: Population,
    scenarios: Sequence[Scenario],
    *,
    runs: int,
    seed: int,
    looks: int | None = None,
    daily_units: float | None = None,
    workers: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> OperatingCharacteristics:
    """Simulate every scenario; see `abkit.operating_characteristics`."""
    design = design_of(experiment, population, looks)
    results = [
        simulate_scenario(design, population, one, runs=runs, seed=seed, workers=workers, progress=progress)
        for one in scenarios
    ]
    return OperatingCharacteristics(
        key=experiment.key,
        runs=runs,
        seed=seed,
        sizes=design.sizes,
        population=population.note,
        inference=experiment.plan.inference,
        alpha=experiment.alpha,
        power=experiment.plan.power,
        daily_units=daily_units,
        scenarios=Named(results),
    )
