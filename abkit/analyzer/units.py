"""From a population's rows to what each unit adds up for a metric: the columns that collectors compute in SQL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.models import Quantile, Ratio
from abkit.models.metric import Metric
from abkit.snapshot import Population
from abkit.stats.moments import Array


@dataclass(frozen=True, slots=True)
class RowValues:
    """What one metric reads of each row.

    Parameters
    ----------
    numerator, denominator : array (R,)
        0 where the row does not count.
    counted : array (R,) of bool
        Whether the row has a value.
    covariate : array (R,) or None
        Mean 0 over the rows; 0 where there is none.
    cap : float or None
        Largest value that counts in full.
    """

    numerator: Array
    denominator: Array
    counted: npt.NDArray[np.bool_]
    covariate: Array | None
    cap: float | None


def row_values(metric: Metric, population: Population, *, lift: float = 0.0) -> RowValues:
    """Read a metric's values by its missing rule; every value raised by `lift`, then clipped at the past's own cap.

    The cap is the quantile of the values as they were: both variants are clipped at the same value.
    """
    columns = [population.columns[name] for name in metric.columns]
    if metric.missing == "zero":
        columns = [np.nan_to_num(column, nan=0.0) for column in columns]
    counted = np.asarray(np.isfinite(np.stack(columns)).all(axis=0))
    value = np.where(counted, columns[0], 0.0)
    cap = None if metric.cap is None else float(np.quantile(value[counted], metric.cap))
    value = value * (1 + lift)
    value = value if cap is None else np.minimum(value, cap)
    below = columns[1] if isinstance(metric, Ratio) else np.ones_like(value)
    covariate = None
    if metric.covariate is not None:
        known = population.columns[metric.covariate]
        covariate = np.where(counted, np.nan_to_num(known - np.nanmean(known), nan=0.0), 0.0)
    return RowValues(value, np.where(counted, below, 0.0), counted, covariate, cap)


def unit_columns(metric: Metric, population: Population, *, lift: float = 0.0) -> Array:
    """Add up a metric per unit.

    Parameters
    ----------
    metric : Metric
    population : Population
    lift : float
        By how much every value is raised.

    Returns
    -------
    array (U, width) or, paired, (U, V, width)
        Numerator and denominator, then the total of the covariate and its rows where there is one. For a quantile the
        numerator counts the rows at or below the population's quantile. A unit whose denominator is 0 does not count.
    """
    values = row_values(metric, population, lift=lift)
    above = values.numerator
    if isinstance(metric, Quantile):
        above = (above <= np.quantile(above[values.counted], metric.q)) * values.denominator
    parts = [above, values.denominator]
    if values.covariate is not None:
        parts += [values.covariate, values.counted.astype(np.float64)]
    return np.stack([sum_by_unit(part, population) for part in parts], axis=-1)


def sum_by_unit(values: Array, population: Population) -> Array:
    """Sum over the rows of each unit, (U,), or of each unit and variant, (U, V), where they are paired."""
    if population.variant is None:
        return np.asarray(np.bincount(population.unit, weights=values, minlength=population.units), np.float64)
    variants = int(population.variant.max()) + 1
    place = population.unit * variants + population.variant
    summed = np.bincount(place, weights=values, minlength=population.units * variants)
    return np.asarray(summed.reshape(-1, variants), np.float64)
