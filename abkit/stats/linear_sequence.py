"""Always-valid inference for regression coefficients, so for CUPED and ANCOVA: exact for normal errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.stats.moments import Array


def linear_model_log_e(
    statistic: npt.ArrayLike, df: npt.ArrayLike, n: npt.ArrayLike, precision: float = 1.0, coefficients: int = 1
) -> Array:
    """Log e-process of an F statistic (the square of t for one coefficient) that is watched as data arrive.

    Parameters
    ----------
    statistic : array_like (...)
        F, or t squared.
    df : array_like (...)
        Residual degrees of freedom.
    n : array_like (...)
        Rows.
    precision : float
        Of the normal mixture over the coefficients, in rows: the larger, the smaller the effects it looks for.
    coefficients : int
        How many coefficients are tested together.

    Returns
    -------
    array (...)
        d/2 log r + (df + d)/2 (log(1 + d F / df) - log(1 + r d F / df)) with r = g / (g + n) (Lindon, Ham, Tingley &
        Bojinov 2022, with the g-prior).

    Examples
    --------
    >>> round(float(linear_model_log_e(9.0, 98, 100)), 4)
    1.9966
    """
    f, nu, d = np.asarray(statistic, dtype=np.float64), np.asarray(df, dtype=np.float64), coefficients
    share = precision / (precision + np.asarray(n, dtype=np.float64))
    scaled = d * f / nu
    return np.asarray(d / 2 * np.log(share) + (nu + d) / 2 * (np.log1p(scaled) - np.log1p(share * scaled)))


def linear_model_multiplier(df: npt.ArrayLike, n: npt.ArrayLike, alpha: float = 0.05, precision: float = 1.0) -> Array:
    """Half-width of the confidence sequence of one coefficient, in standard errors.

    Returns
    -------
    array (...)
        The t statistic whose e-value is 1 / alpha (Lindon et al. 2022); infinite where there is none yet.

    Examples
    --------
    >>> t = linear_model_multiplier(98, 100)
    >>> round(float(t), 4), round(float(np.exp(-linear_model_log_e(t**2, 98, 100))), 4)
    (3.3475, 0.05)
    """
    nu, rows = np.asarray(df, dtype=np.float64), np.asarray(n, dtype=np.float64)
    share = precision / (precision + rows)
    growth = (alpha * np.sqrt(share)) ** (-2 / (nu + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = nu * (growth - 1) / (1 - share * growth)
    return np.where(share * growth < 1, np.sqrt(np.maximum(squared, 0.0)), np.inf)
