"""Intervals of quantiles and of their differences, without assuming a distribution.

The sample quantile here is the inverse of the empirical distribution function, the order statistic of rank ceil(n q)
(Hyndman & Fan 1996, type 1); numpy's default (type 7) interpolates between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.quantile import outer_probabilities
from abkit.stats.ratio import ratio_linearised
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class OrderStatisticRanks(Displayed):
    """Which order statistics, counted from 1, bound a quantile.

    Parameters
    ----------
    lower, upper : int or None
        None where the sample is too small for a finite limit on that side.
    coverage : float
        Exact probability of holding the quantile of a continuous distribution; ties only make it larger.
    """

    lower: int | None
    upper: int | None
    coverage: float


def order_statistic_ranks(n: int, q: float, level: float = 0.95) -> OrderStatisticRanks:
    """Ranks of the distribution-free, equal-tailed interval of a quantile (Hahn & Meeker 1991, sec. 5.2).

    Parameters
    ----------
    n : int
        Independent rows; at least 1.
    q : float
        In (0, 1).
    level : float

    Returns
    -------
    OrderStatisticRanks
        Lower: the alpha / 2 quantile of Binomial(n, q); upper: the 1 - alpha / 2 quantile, plus 1.

    Raises
    ------
    ParameterError
        No rows, or q or level outside (0, 1).

    Examples
    --------
    >>> ranks = order_statistic_ranks(50, 0.5)
    >>> ranks.lower, ranks.upper, round(ranks.coverage, 6)
    (18, 33, 0.967161)
    >>> order_statistic_ranks(300, 0.99).upper is None
    True
    """
    if n < 1 or not 0 < q < 1 or not 0 < level < 1:
        raise ParameterError(f"rows, and q and level in (0, 1) are needed, not {n}, {q} and {level}")
    tail = (1 - level) / 2
    low, high = binomial_quantile(tail, n, q), binomial_quantile(1 - tail, n, q) + 1
    above = float(special.bdtr(high - 1, n, q)) if high <= n else 1.0
    below = float(special.bdtr(low - 1, n, q)) if low >= 1 else 0.0
    return OrderStatisticRanks(low if low >= 1 else None, high if high <= n else None, above - below)


def rows_for_interval(q: float, level: float = 0.95) -> int:
    """Return the fewest rows with which both limits of the q-quantile are finite.

    Examples
    --------
    >>> rows_for_interval(0.5), rows_for_interval(0.95), rows_for_interval(0.99)
    (6, 72, 368)
    """
    n = int(np.ceil(np.log((1 - level) / 2) / np.log(max(q, 1 - q))))
    while None in ((ranks := order_statistic_ranks(n, q, level)).lower, ranks.upper):
        n += 1
    return n


def binomial_quantile(p: float, n: int, q: float) -> int:
    """Smallest k with P(X <= k) >= p for X binomial (n, q).

    Examples
    --------
    >>> binomial_quantile(0.025, 50, 0.5)
    18
    """
    k = int(np.clip(np.nan_to_num(np.floor(special.bdtrik(p, n, q))), 0, n))
    target = p * (1 - 1e-12)  # a probability that is p but for rounding counts as p
    while k > 0 and special.bdtr(k - 1, n, q) >= target:
        k -= 1
    while k < n and special.bdtr(k, n, q) < target:
        k += 1
    return k


def sample_quantile(values: npt.ArrayLike, q: float) -> float:
    """Order statistic of rank ceil(n q).

    Examples
    --------
    >>> sample_quantile([3.0, 1.0, 2.0, 4.0], 0.5)
    2.0
    """
    y = np.sort(finite_sample(values))
    return float(y[_rank(len(y), q) - 1])


def quantile_interval(values: npt.ArrayLike, q: float, level: float = 0.95) -> Estimate:
    """Quantile of independent rows with its distribution-free interval.

    Parameters
    ----------
    values : array_like (n,)
    q : float
        In (0, 1).
    level : float

    Returns
    -------
    Estimate
        `details`: ranks, coverage and rows_needed. A limit that does not exist is None, with TOO_FEW_UNITS.

    Examples
    --------
    >>> answer = quantile_interval(np.arange(1.0, 101.0), 0.5)
    >>> answer.value, answer.low, answer.high
    (50.0, 40.0, 61.0)
    """
    y = np.sort(finite_sample(values))
    method = "order statistics"
    if len(y) == 0:
        return Estimate(None, level=level, method=method, estimand="quantile", reason=Reason.TOO_FEW_UNITS)
    ranks = order_statistic_ranks(len(y), q, level)
    low = None if ranks.lower is None else float(y[ranks.lower - 1])
    high = None if ranks.upper is None else float(y[ranks.upper - 1])
    return Estimate(
        float(y[_rank(len(y), q) - 1]),
        low=low,
        high=high,
        level=level,
        method=method,
        estimand="quantile",
        reason=None if None not in (low, high) else Reason.TOO_FEW_UNITS,
        details={
            "lower_rank": ranks.lower,
            "upper_rank": ranks.upper,
            "coverage": ranks.coverage,
            "rows_needed": rows_for_interval(q, level),
        },
    )


def quantile_se(values: npt.ArrayLike, q: float, cluster: npt.ArrayLike | None = None) -> tuple[float, float] | None:
    """Sample quantile and its standard error from two order statistics, without a density.

    Parameters
    ----------
    values : array_like (n,)
    q : float
    cluster : array_like (n,), optional
        Label of the unit of each row, where a unit has several rows.

    Returns
    -------
    (quantile, se) or None
        (x_u - x_l) / (2 z) with x_l, x_u at q -+ z sqrt(q (1 - q) / n), rounded outwards, z = 1.96 (Deng, Knoblich & Lu
        2018, sec. 4.2);
        clustered: times the root of the variance of the share of rows at or below the quantile, by the delta method
        over units, over q (1 - q) / n. None where n is too small for the outer order statistics, or with fewer than two
        units.

    Examples
    --------
    >>> quantile, se = quantile_se(np.arange(1.0, 101.0), 0.5)
    >>> quantile, round(se, 4)
    (50.0, 5.1021)
    """
    y = finite_sample(values)
    order = np.sort(y)
    outer = outer_probabilities(q, len(y))
    if outer is None or (cluster is not None and len(np.unique(np.asarray(cluster))) < 2):
        return None
    quantile = float(order[_rank(len(y), q) - 1])
    low, high = order[max(int(np.floor(len(y) * outer[0])), 1) - 1], order[_rank(len(y), outer[1]) - 1]
    se = float((high - low) / (2 * _Z))
    return quantile, se * float(np.sqrt(_inflation(y, q, quantile, cluster)))


def quantile_difference(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    q: float,
    level: float = 0.95,
    control_cluster: npt.ArrayLike | None = None,
    treatment_cluster: npt.ArrayLike | None = None,
) -> Estimate:
    """Difference of the quantiles of two independent samples.

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
    q : float
    level : float
    control_cluster, treatment_cluster : array_like (n_c,), (n_t,), optional
        Units of the rows, where a unit has several.

    Returns
    -------
    Estimate
        Normal interval with the standard errors of `quantile_se`. `details`: the two quantiles, their standard errors,
        the lift and its Fieller interval. TOO_FEW_UNITS where a variant is too small for the quantile, ZERO_VARIANCE
        where so many rows are equal that the standard error is 0.

    Examples
    --------
    >>> rows = np.arange(1.0, 201.0)
    >>> answer = quantile_difference(rows, rows + 30, 0.5)
    >>> answer.value, round(answer.se, 3), round(answer.p_value, 4)
    (30.0, 10.102, 0.003)
    """
    arms = [quantile_se(control, q, control_cluster), quantile_se(treatment, q, treatment_cluster)]
    method = "quantiles, outer order statistics" + ("" if control_cluster is None else ", clustered")
    if arms[0] is None or arms[1] is None:
        return Estimate(None, level=level, method=method, reason=Reason.TOO_FEW_UNITS)
    (value_c, se_c), (value_t, se_t) = arms[0], arms[1]
    return quantile_contrast(value_c, se_c, value_t, se_t, level, method)


def quantile_contrast(
    value_c: float, se_c: float, value_t: float, se_t: float, level: float = 0.95, method: str = "quantiles"
) -> Estimate:
    """Difference and lift of two quantiles whose standard errors are known.

    Examples
    --------
    >>> round(quantile_contrast(100.0, 3.0, 110.0, 4.0).p_value, 4)
    0.0455
    """
    value, se, z = value_t - value_c, float(np.hypot(se_c, se_t)), float(special.ndtri((1 + level) / 2))
    details = {"control": value_c, "treatment": value_t, "control_se": se_c, "treatment_se": se_t}
    curve = value_c**2 - (z * se_c) ** 2
    lift: dict[str, float | None] = dict.fromkeys(("lift", "lift_low", "lift_high"))
    if value_c > 0 and curve > 0:
        root = np.sqrt((value_c * value_t) ** 2 - curve * (value_t**2 - (z * se_t) ** 2))
        bounds = [float((value_c * value_t + side * root) / curve - 1) for side in (-1, 1)]
        lift = {"lift": value_t / value_c - 1, "lift_low": bounds[0], "lift_high": bounds[1]}
    return t_estimate(value, se, np.inf, level, method, details=details | lift)


def _rank(n: int, p: float) -> int:
    """ceil(n p), whatever rounding does to the product."""
    return int(np.clip(np.ceil(n * p * (1 - 1e-14) - 1e-14), 1, n))


def _inflation(y: Array, q: float, quantile: float, cluster: npt.ArrayLike | None) -> float:
    """Variance of the share of rows at or below the quantile over that of independent rows."""
    if cluster is None:
        return 1.0
    labels = np.unique(np.asarray(cluster), return_inverse=True)[1]
    rows = np.bincount(labels).astype(float)
    below = np.bincount(labels, (y <= quantile).astype(float))
    variance = ratio_linearised(below, rows).var(ddof=1) / len(rows)
    return float(variance / (q * (1 - q) / len(y)))
