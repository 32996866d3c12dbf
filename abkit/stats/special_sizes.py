"""Sizes that follow a formula of their own: ranks, splits, always-valid designs, guardrails, allocations."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.scenario import check_range
from abkit.stats.sequential import ConfidenceSequence


def rank_sample_size(
    superiority: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    power: npt.ArrayLike = 0.8,
    sides: Literal[1, 2] = 2,
    allocation: npt.ArrayLike = 1.0,
) -> Array:
    """Units in control for a Mann-Whitney test (Noether 1987, eq. 5), not rounded.

    Parameters
    ----------
    superiority : array_like (...)
        Chance that a treatment unit exceeds a control unit, in (0, 1), not 0.5.
    alpha, power : array_like (...)
    sides : {1, 2}
    allocation : array_like (...)
        Treatment units per control unit.

    Returns
    -------
    array (...)

    Examples
    --------
    >>> round(float(rank_sample_size(0.65)), 1)
    58.1
    """
    for name, value in (("superiority", superiority), ("alpha", alpha), ("power", power)):
        check_range(name, value, 0, 1)
    check_range("allocation", allocation, 0, math.inf)
    away = np.asarray(superiority, dtype=np.float64) - 0.5
    if (away == 0).any():
        raise ParameterError("a superiority of 0.5 is no effect: no number of units detects it")
    ratio = np.asarray(allocation, dtype=np.float64)
    reach = _z(np.asarray(alpha) / sides) + _z(1 - np.asarray(power))
    return np.asarray(reach**2 * (1 + ratio) / (12 * ratio * away**2))


def split_sample_size(
    planned: npt.ArrayLike, actual: npt.ArrayLike, *, alpha: float = 0.001, power: float = 0.9
) -> float:
    """Units over all variants at which the chi-square test finds a split that is not the planned one, not rounded.

    Parameters
    ----------
    planned, actual : array_like (V,)
        Shares in any unit.
    alpha, power : float

    Returns
    -------
    float
        By the noncentral chi-square distribution (Cohen 1988, ch. 7).

    Raises
    ------
    ParameterError
        Equal splits, or a planned share of 0.

    Examples
    --------
    >>> round(split_sample_size([50, 50], [50.5, 49.5]))
    209039
    """
    check_range("alpha", alpha, 0, 1)
    check_range("power", power, 0, 1)
    p0, p1 = (np.asarray(x, dtype=np.float64) for x in (planned, actual))
    if p0.shape != p1.shape or p0.size < 2 or (p0 <= 0).any() or (p1 < 0).any():
        raise ParameterError("two splits of the same variants are needed, every planned share positive")
    p0, p1 = p0 / p0.sum(), p1 / p1.sum()
    effect = float(((p1 - p0) ** 2 / p0).sum())
    if effect < 1e-20:
        raise ParameterError("the two splits are equal: there is nothing to detect")
    if power <= alpha:
        raise ParameterError("power must be above alpha")
    df = p0.size - 1
    bound = float(special.chdtri(df, alpha))
    return float(optimize.brentq(lambda x: 1 - special.chndtr(bound, df, x) - power, 0.0, 1e5, xtol=1e-10)) / effect


def miller_sample_size(
    rate: npt.ArrayLike, effect: npt.ArrayLike, *, alpha: npt.ArrayLike = 0.05, power: npt.ArrayLike = 0.8
) -> Array:
    """Units per variant by the convention of Evan Miller's calculator, not rounded.

    It takes the baseline's variance under the hypothesis, and folds a baseline above 0.5: 20 % against 25 % needs 1,030
    units by it and 1,094 by `sample_size`. For comparison with numbers from there, not for planning.

    Examples
    --------
    >>> round(float(miller_sample_size(0.2, 0.05)))
    1030
    """
    check_range("rate", rate, 0, 1)
    baseline, delta = np.asarray(rate, dtype=np.float64), np.abs(np.asarray(effect, dtype=np.float64))
    folded = np.where(baseline > 0.5, 1 - baseline, baseline)
    moved = folded + delta
    if (delta == 0).any() or (moved >= 1).any():
        raise ParameterError("the effect must not be 0, and the treatment rate must stay in (0, 1)")
    null, true = 2 * folded * (1 - folded), folded * (1 - folded) + moved * (1 - moved)
    reach = _z(np.asarray(alpha) / 2) * np.sqrt(null) + _z(1 - np.asarray(power)) * np.sqrt(true)
    return np.asarray((reach / delta) ** 2)


def always_valid_inflation(alpha: float = 0.05, power: float | None = None) -> float:
    """Units of a confidence sequence, at the size it is tuned for, per unit of the fixed test.

    Parameters
    ----------
    alpha : float
    power : float, optional
        Match this power; without it, match the width of the interval.

    Returns
    -------
    float
        For `inflation=` of a plan. Stopping early gives part of it back.

    Examples
    --------
    >>> round(always_valid_inflation(0.05), 2), round(always_valid_inflation(0.05, power=0.8), 2)
    (2.4, 1.91)
    """
    check_range("alpha", alpha, 0, 1)
    x = ConfidenceSequence(planned_units=1.0, alpha=alpha).mixture_variance
    width = math.sqrt(2 * (x + 1) / x * (math.log1p(x) / 2 - math.log(alpha)))
    fixed, more = float(_z(alpha / 2)), 0.0
    if power is not None:
        check_range("power", power, 0, 1)
        more = float(special.ndtri(power))
    return ((width + more) / (fixed + more)) ** 2


def power_each(power: npt.ArrayLike, guardrails: int) -> Array:
    """Power that the primary metric and each guardrail need, so that all pass together with `power`.

    Bonferroni on beta (Schultzberg, Ankargren & Frånberg 2024, sec. 4): 1 - (1 - power) / (guardrails + 1).

    Examples
    --------
    >>> round(float(power_each(0.8, 4)), 4)
    0.96
    """
    check_range("power", power, 0, 1)
    if guardrails < 0:
        raise ParameterError(f"guardrails cannot be fewer than 0, got {guardrails}")
    return np.asarray(1 - (1 - np.asarray(power, dtype=np.float64)) / (guardrails + 1))


def best_allocation(treatments: int) -> float:
    """Units in each treatment per unit in control that need the fewest in total: 1 / sqrt(k) (Dunnett 1955, sec. 5).

    Examples
    --------
    >>> best_allocation(4)
    0.5
    """
    if treatments < 1:
        raise ParameterError(f"an experiment has at least one treatment, got {treatments}")
    return 1 / math.sqrt(treatments)


def allocation_efficiency(allocation: npt.ArrayLike) -> Array:
    """Precision of two unequal variants relative to equal ones of the same total: 4 r / (1 + r)^2.

    Examples
    --------
    >>> round(float(allocation_efficiency(1 / 9)), 6)
    0.36
    """
    check_range("allocation", allocation, 0, math.inf)
    r = np.asarray(allocation, dtype=np.float64)
    return np.asarray(4 * r / (1 + r) ** 2)


def _z(tail: npt.ArrayLike) -> Array:
    return np.asarray(-special.ndtri(tail))
