"""Medians of small samples: standard errors from symmetric order statistics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate


def median_se(values: npt.ArrayLike) -> float:
    """Standard error of a median, free of the distribution (Price & Bonett 2001, eq. 2; Bonett & Price 2020).

    Parameters
    ----------
    values : array_like (n,)
        At least two.

    Returns
    -------
    float
        (x_(n - a + 1) - x_(a)) / (2 z_a), a = round(n / 2 - sqrt(n)), at least 1, and z_a the normal quantile at
        P(Binomial(n, 1/2) >= a).

    Raises
    ------
    ParameterError
        Fewer than two values.

    Examples
    --------
    >>> round(median_se([32, 39, 26, 35, 43, 27, 40, 37, 34, 29, 49, 42, 40]), 4)
    2.8478
    """
    y = np.sort(finite_sample(values))
    n = len(y)
    if n < 2:
        raise ParameterError("a median has a standard error from two values on")
    rank = max(1, round(n / 2 - np.sqrt(n)))
    z = -special.ndtri(special.bdtr(rank - 1, n, 0.5))
    return float((y[n - rank] - y[rank - 1]) / (2 * z)) if z > 0 else float("nan")


def median_difference(control: npt.ArrayLike, treatment: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Difference of two medians (Price & Bonett 2002), for n below about 100.

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
    level : float

    Returns
    -------
    Estimate
        Normal interval.

    Examples
    --------
    >>> control = [32, 39, 26, 35, 43, 27, 40, 37, 34, 29, 49, 42, 40]
    >>> round(median_difference(control, [36, 44, 47, 42, 49, 39, 46, 31, 33, 48]).se, 4)
    4.33
    """
    c, t = finite_sample(control), finite_sample(treatment)
    return _contrast(c, t, level, "medians, Price-Bonett")


def median_ratio(control: npt.ArrayLike, treatment: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Ratio of two medians of positive values, on the log scale (Bonett & Price 2020).

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
    level : float

    Returns
    -------
    Estimate
        Of treatment / control; `se` and `statistic` are those of the log ratio. NOT_POSITIVE where a value is not.

    Examples
    --------
    >>> control = [32, 39, 26, 35, 43, 27, 40, 37, 34, 29, 49, 42, 40]
    >>> answer = median_ratio(control, [36, 44, 47, 42, 49, 39, 46, 31, 33, 48])
    >>> round(answer.value, 4), round(answer.low, 4), round(answer.high, 4)
    (1.1622, 0.9277, 1.4559)
    """
    c, t = finite_sample(control), finite_sample(treatment)
    method = "ratio of medians, Price-Bonett"
    if min(c.min(initial=np.inf), t.min(initial=np.inf)) <= 0:
        return Estimate(None, level=level, method=method, estimand="ratio", reason=Reason.NOT_POSITIVE)
    logs = _contrast(np.log(c), np.log(t), level, method)
    if logs.reason is not None or logs.low is None or logs.high is None:
        return Estimate(None, level=level, method=method, estimand="ratio", reason=logs.reason)
    ratio = float(np.median(t) / np.median(c))
    half = (logs.high - logs.low) / 2
    statistic = float(np.log(ratio)) / float(logs.se or np.nan)
    return Estimate(
        ratio,
        logs.se,
        ratio * float(np.exp(-half)),
        ratio * float(np.exp(half)),
        float(2 * special.ndtr(-abs(statistic))),
        statistic,
        level=level,
        method=method,
        estimand="ratio",
        details={"control": float(np.median(c)), "treatment": float(np.median(t))},
    )


def _contrast(c: Array, t: Array, level: float, method: str) -> Estimate:
    if min(len(c), len(t)) < 3:
        return Estimate(None, level=level, method=method, reason=Reason.TOO_FEW_UNITS)
    value, se = float(np.median(t) - np.median(c)), float(np.hypot(median_se(c), median_se(t)))
    details = {"control": float(np.median(c)), "treatment": float(np.median(t))}
    return t_estimate(value, se, np.inf, level, method, details=details)
