"""A population as a table to draw from: what one drawn unit adds to every sum that the analysis needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from abkit.analyzer.units import row_values, unit_columns
from abkit.errors import DefinitionError
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.snapshot import Population
from abkit.stats import RatioLevel, quantile_density, quantile_level, quantile_probabilities
from abkit.stats.moments import Array

_MOST_OPTIONS = 64


@dataclass(frozen=True, slots=True)
class Ordered:
    """The rows of a quantile metric, by value.

    Parameters
    ----------
    values : array (R,)
        Ascending.
    unit, block : array (R,) of int
        The unit of each row, and the variant it had in the past (0 where that does not matter).
    lifts : tuple of float
        By how much the values are raised in each variant drawn together.
    extra : array (O, U, V, k)
        Columns of the covariate, where there is one.
    """

    values: Array
    unit: npt.NDArray[np.intp]
    block: npt.NDArray[np.intp]
    lifts: tuple[float, ...]
    extra: Array


@dataclass(frozen=True, slots=True)
class Columns:
    """Where one metric's sums stand among the features.

    Parameters
    ----------
    start, size : int
        First feature: units that count, then `size` sums, then their products, upper triangle by rows.
    """

    start: int
    size: int

    @property
    def stop(self) -> int:
        """One past the last feature."""
        return self.start + 1 + self.size + self.size * (self.size + 1) // 2


@dataclass(frozen=True, slots=True)
class UnitTable:
    """Units to draw from, each in one or several options of what it may turn out to be.

    Parameters
    ----------
    units : int
    cumulative : array (U, O - 1)
        Cumulative chances of a unit's options but the last.
    features : array (O * U, F)
        What a unit in an option adds to the sums; option by option.
    columns : dict
        Metric name -> where its sums stand.
    levels : dict
        Metric name -> how its sums become levels.
    ordered : dict
        Metric name -> rows by value, for quantiles.
    variants : int
        Drawn together: 1, or all of a paired design.
    """

    units: int
    cumulative: Array
    features: Array
    columns: dict[str, Columns]
    levels: dict[str, RatioLevel]
    ordered: dict[str, Ordered]
    variants: int

    @property
    def options(self) -> int:
        """Options of each unit."""
        return int(self.cumulative.shape[1]) + 1


def build_table(
    experiment: Experiment, population: Population, lifts: Sequence[Mapping[str, float]], *, linear: bool = False
) -> UnitTable:
    """Tabulate a population in which metrics have changed by `lifts`, one mapping per variant that is drawn together.

    Values of means, ratios and quantiles are multiplied; with `linear`, a quantile is read off the share of rows below
    the past's own quantile, which needs no sorting and is right in large samples. A rate is changed by turning rows:
    where every unit is one row it stays 0 or 1, else a unit's total gets the mean and variance that turning its rows at
    random would give it. In a paired design the past's variants are passed around among the new ones, so that nothing
    but `lifts` tells them apart.

    Raises
    ------
    DefinitionError
        A change that the population cannot show: of a level that is not positive, or a rate beyond 1.
    """
    variants = len(lifts)
    turned = [(block, name) for block in range(variants) for name in lifts[block] if _is_rate(experiment, name)]
    rotations = 1 if population.variant is None else variants
    if rotations * 2 ** len(turned) > _MOST_OPTIONS:
        raise DefinitionError("this scenario changes too many rates at once; change fewer metrics or variants")
    ordered = [metric for metric, _ in experiment.metrics if metric.kind == "quantile" and not linear]
    metrics = [metric for metric, _ in experiment.metrics if metric not in ordered]
    chances, parts = [], []
    for rotation in range(rotations):
        drawn = {metric.name: _drawn(metric, population, lifts, rotation) for metric in metrics}
        for choice in product((0, 1), repeat=len(turned)):
            option, chance = dict(drawn), np.full(population.units, 1.0 / rotations)
            for (block, name), chosen in zip(turned, choice, strict=True):
                option[name], share = _turn(option[name], block, lifts[block][name], _level(drawn[name], name), chosen)
                chance = chance * share
            parts.append(option)
            chances.append(chance)
    features, columns = _features(metrics, parts, population)
    return UnitTable(
        units=population.units,
        cumulative=np.cumsum(chances, axis=0)[:-1].T,
        features=features,
        columns=columns,
        levels={metric.name: _level_of(metric, population, lifts) for metric in metrics},
        ordered={metric.name: _order(metric, population, lifts, rotations) for metric in ordered},
        variants=variants,
    )


def _is_rate(experiment: Experiment, name: str) -> bool:
    return isinstance(next(metric for metric, _ in experiment.metrics if metric.name == name), Proportion)


def _drawn(metric: Metric, population: Population, lifts: Sequence[Mapping[str, float]], rotation: int) -> Array:
    """Columns of each variant drawn, (U, V, width); rates are not changed yet."""
    found = []
    for block, changes in enumerate(lifts):
        lift = 0.0 if isinstance(metric, Proportion) else changes.get(metric.name, 0.0)
        if lift and metric.cap is not None:
            lift = _lift_under_cap(metric, population, lift)
        columns = unit_columns(metric, population, lift=lift)
        found.append(columns if population.variant is None else columns[:, (block + rotation) % len(lifts)])
        if lift and not isinstance(metric, Quantile):
            _level(unit_columns(metric, population).reshape(-1, 1, columns.shape[-1]), metric.name)
    return np.stack(found, axis=1)


def _level(columns: Array, name: str) -> float:
    """Level over all units; only a positive one can change by a share of itself."""
    above, below = columns[..., 0].sum(), columns[..., 1].sum()
    if not (below > 0 and above / below > 0):
        raise DefinitionError(f"the past level of {name!r} is not positive, so a relative change of it means nothing")
    return float(above / below)


def _lift_under_cap(metric: Metric, population: Population, lift: float) -> float:
    """By how much values must rise for the clipped level to rise by `lift`."""
    from scipy import optimize

    def level(raised: float) -> float:
        values = row_values(metric, population, lift=raised)
        return float(values.numerator.sum() / values.denominator.sum())

    target = level(0.0) * (1 + lift)
    far = 10 * lift if lift > 0 else max(10 * lift, -1.0)
    if (level(far) - target) * lift < 0:
        raise DefinitionError(f"{metric.name!r} cannot change by {lift:+.0%}: its values are clipped at the cap")
    return float(optimize.brentq(lambda raised: level(raised) - target, 0.0, far, xtol=1e-12))


def _turn(columns: Array, block: int, lift: float, level: float, chosen: int) -> tuple[Array, Array]:
    """Turn rows of a rate: one of two outcomes of each unit, and the chance of it."""
    if level * (1 + lift) > 1:
        raise DefinitionError(f"a rate of {level:.3g} cannot change by {lift:+.0%}: it would be above 1")
    successes, rows = columns[:, block, 0], columns[:, block, 1]
    if lift > 0:
        share = level * lift / (1 - level)
        mean, variance = successes + share * (rows - successes), share * (1 - share) * (rows - successes)
    else:
        mean, variance = successes * (1 + lift), -lift * (1 + lift) * successes
    turned = columns.copy()
    if (rows <= 1).all():
        turned[:, block, 0] = np.where(rows > 0, 1.0 - chosen, 0.0)
        return turned, mean if chosen == 0 else 1 - mean
    turned[:, block, 0] = mean + (1 - 2 * chosen) * np.sqrt(np.maximum(variance, 0.0))
    return turned, np.full(len(columns), 0.5)


def _features(
    metrics: Sequence[Metric], options: Sequence[Mapping[str, Array]], population: Population
) -> tuple[Array, dict[str, Columns]]:
    """Units that count, sums and their products, metric by metric, for each option of each unit."""
    columns, parts, start = {}, [], 0
    for metric in metrics:
        values = np.stack([option[metric.name] for option in options])
        values[..., 0] -= _offset(metric, population) * values[..., 1]
        flat = values.reshape(len(options) * population.units, -1)
        counts = np.ones(len(flat))
        if metric.missing == "drop":
            counts = (values[..., 1] > 0).all(axis=-1).reshape(-1).astype(np.float64)
            flat = flat * counts[:, None]
        left, right = np.triu_indices(flat.shape[1])
        parts.append(np.column_stack([counts, flat, flat[:, left] * flat[:, right]]))
        columns[metric.name] = Columns(start, flat.shape[1])
        start = columns[metric.name].stop
    empty = np.zeros((len(options) * population.units, 0))
    return np.ascontiguousarray(np.concatenate([empty, *parts], axis=1)), columns


def _offset(metric: Metric, population: Population) -> float:
    """A constant near the level: sums about it keep their digits."""
    if not isinstance(metric, Mean | Ratio):
        return 0.0
    values = row_values(metric, population)
    below = values.denominator.sum()
    return float(values.numerator.sum() / below) if below else 0.0


def _level_of(metric: Metric, population: Population, lifts: Sequence[Mapping[str, float]]) -> RatioLevel:
    if not isinstance(metric, Quantile):
        return RatioLevel(_offset(metric, population))
    values = row_values(metric, population)
    counted, n = values.numerator[values.counted], int(values.counted.sum())
    places = quantile_probabilities(metric.q, n)
    quantile, low, high, before, after = np.quantile(counted, places) if places else (0.0,) * 5
    density = quantile_density(low, high, metric.q, n) if places else None
    if density is None or before == after:
        raise DefinitionError(f"the past has too few distinct values of {metric.name!r} at its quantile to plan with")
    raised = 1 + np.array([changes.get(metric.name, 0.0) for changes in lifts])
    return quantile_level(quantile * raised, density / raised, (counted <= quantile).mean())


def _order(metric: Metric, population: Population, lifts: Sequence[Mapping[str, float]], rotations: int) -> Ordered:
    values = row_values(metric, population)
    order = np.flatnonzero(values.counted)
    order = order[np.argsort(values.numerator[order], kind="stable")]
    block = population.variant[order] if population.variant is not None else np.zeros(len(order), dtype=np.intp)
    columns = unit_columns(metric, population).reshape(population.units, -1, 4 if metric.covariate else 2)
    turns = [[(v + rotation) % len(lifts) for v in range(len(lifts))] for rotation in range(rotations)]
    extra = np.stack([columns[:, turn if population.variant is not None else [0], 2:] for turn in turns])
    raised = tuple(changes.get(metric.name, 0.0) for changes in lifts)
    return Ordered(values.numerator[order], population.unit[order], block, raised, extra)
