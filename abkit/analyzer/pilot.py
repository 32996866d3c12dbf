"""What past units say about one metric: its level, and how much one unit varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.analyzer.units import RowValues, row_values, sum_by_unit, unit_columns
from abkit.models import Experiment, Proportion, Quantile
from abkit.models.metric import Metric
from abkit.snapshot import Population
from abkit.stats import (
    IntraclassCorrelation,
    Moments,
    RatioLevel,
    cuped,
    delta_method,
    intraclass_correlation,
    quantile_density,
    quantile_level,
    quantile_probabilities,
    rows_needed,
)
from abkit.stats.moments import Array

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pilot:
    """A metric in past units.

    Parameters
    ----------
    levels : array (V,)
        One level for all variants, but in a paired design its own for each.
    plain, adjusted : array (V, V)
        Covariance between the variants' levels that one unit per variant would have, without and with the covariate:
        diagonal unless paired.
    coverage : float
        Share of the units in which the metric has a value.
    units : int
        Past units with a value.
    rows_per_unit : float
    icc : IntraclassCorrelation or None
        None where every unit is one row.
    design_effect : float or None
        Variance of the level over that of as many independent rows.
    is_paired, is_rate_of_units : bool
    """

    levels: Array
    plain: Array
    adjusted: Array
    coverage: float
    units: int
    rows_per_unit: float
    icc: IntraclassCorrelation | None
    design_effect: float | None
    is_paired: bool
    is_rate_of_units: bool


def read_pilot(experiment: Experiment, metric: Metric, population: Population) -> Pilot | str:
    """Return what the population says about a metric, or the reason why it says nothing."""
    variants, paired = len(experiment.variants), population.variant is not None
    values = row_values(metric, population)
    if int(values.counted.sum()) < 2:
        return "fewer than two past rows have a value"
    columns, level = _columns(metric, values, population, variants if paired else 1)
    if isinstance(level, str):
        return level
    counts = np.asarray((columns[..., 1] > 0).reshape(population.units, -1).all(axis=1))
    columns = columns[counts]
    if len(columns) < 2:
        return "fewer than two past units have a value"
    levels, plain, adjusted = _covariances(columns, level, variants, paired=paired)
    if not (np.diag(plain) > 0).all():
        still = experiment.variants[int(np.argmin(np.diag(plain)))].name
        of = f" of {still!r}" if paired else ""
        return f"the past values{of} do not vary between units, so they say nothing of the noise"
    icc, rows = _likeness(experiment, metric, values, population)
    control = experiment.variants.index(experiment.control)
    independent = float(rows.var()) * float(np.ravel(level.scale)[0]) ** 2 / len(rows) * len(columns)
    return Pilot(
        levels=levels,
        plain=plain,
        adjusted=adjusted,
        coverage=float(counts.mean()),
        units=len(columns),
        rows_per_unit=len(rows) / len(columns),
        icc=icc,
        design_effect=float(plain[control, control]) / independent if icc and independent > 0 else None,
        is_paired=paired,
        is_rate_of_units=isinstance(metric, Proportion) and not paired and icc is None and metric.covariate is None,
    )


def _columns(
    metric: Metric, values: RowValues, population: Population, variants: int
) -> tuple[Array, RatioLevel | str]:
    """What each unit adds up, and how that becomes the level; or why it does not."""
    columns = unit_columns(metric, population)
    if not isinstance(metric, Quantile):
        return columns, RatioLevel()
    place = population.variant if population.variant is not None else np.zeros(len(population.unit), np.intp)
    below, level = _below_quantile(metric, values, place, variants)
    columns[..., 0] = sum_by_unit(below, population)
    return columns, level


def _covariances(columns: Array, level: RatioLevel, variants: int, *, paired: bool) -> tuple[Array, Array, Array]:
    """Levels of the variants, and the covariance that one unit each would give them, without and with the covariate."""
    width = columns.shape[-1]
    moments = Moments.from_rows(columns.reshape(len(columns), -1))
    blocks = [moments] if paired else [moments] * variants
    found = delta_method(level, blocks, width)
    plain = adjusted = found.covariance.sum(axis=0) * len(columns)
    if width > 2:
        by_covariate = cuped(blocks, level, width)
        whole = by_covariate.levels.covariance.sum(axis=0) * len(columns)
        adjusted = whole if paired else plain * (1 - float(by_covariate.variance_removed))
    return found.value, plain, adjusted


def _below_quantile(
    metric: Quantile, values: RowValues, place: Places, variants: int
) -> tuple[Array, RatioLevel | str]:
    """Whether each row is at or below the quantile of its variant, and how that becomes the level."""
    below = np.zeros(len(place))
    quantiles, densities, shares = [], [], []
    for variant in range(variants):
        among = values.counted & (place == variant)
        count = int(among.sum())
        where = quantile_probabilities(metric.q, count)
        if where is None:
            return below, (
                f"{count:,} past rows; p{metric.q * 100:g} needs at least {rows_needed(metric.q):,} to show its noise"
            )
        quantile, low, high, before, after = np.quantile(values.numerator[among], where)
        density = quantile_density(float(low), float(high), metric.q, count)
        if density is None or before == after:
            return below, f"too many past rows share the value {quantile:g} at the quantile to tell how uncertain it is"
        below[among] = values.numerator[among] <= quantile
        quantiles.append(float(quantile))
        densities.append(density)
        shares.append(float(below[among].mean()))
    return below, quantile_level(quantiles, densities, shares)


def _likeness(
    experiment: Experiment, metric: Metric, values: RowValues, population: Population
) -> tuple[IntraclassCorrelation | None, Array]:
    """How alike the rows of a unit are (in control, where they are paired), and what each row adds to the level."""
    among = values.counted & (values.denominator != 0)
    if population.variant is not None:
        among &= population.variant == experiment.variants.index(experiment.control)
    unit, above, below = population.unit[among], values.numerator[among], values.denominator[among]
    if isinstance(metric, Quantile):
        above = 1.0 * (above <= np.quantile(above, metric.q))
    rows = (above - above.sum() / below.sum() * below) / below.mean()
    if len(np.unique(unit)) == len(unit):
        return None, rows
    return intraclass_correlation(rows, unit), rows
