"""Welch's test of very many pairs of means in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.stats.moments import Array
from abkit.stats.t_quantile import t_quantile


@dataclass(frozen=True, slots=True)
class WelchTests(Displayed):
    """Differences of many pairs of means, treatment minus control; NaN where there is no test.

    Parameters
    ----------
    value, se, df : array (...)
    p_value : array (...)
        Two-sided.
    """

    value: Array
    se: Array
    df: Array
    p_value: Array

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Two-sided intervals (...)."""
        half = t_quantile(self.df, (1 - level) / 2) * self.se
        return self.value - half, self.value + half


def welch_tests(
    n_t: npt.ArrayLike,
    mean_t: npt.ArrayLike,
    variance_t: npt.ArrayLike,
    n_c: npt.ArrayLike,
    mean_c: npt.ArrayLike,
    variance_c: npt.ArrayLike,
) -> WelchTests:
    """Compare many pairs of means by Welch's test (Welch 1947), from sufficient statistics.

    Parameters
    ----------
    n_t, mean_t, variance_t, n_c, mean_c, variance_c : array_like (...)
        Units, means and sample variances of treatment and control; all broadcast together.

    Returns
    -------
    WelchTests
        Standard error, degrees of freedom and p-value are NaN where a variant has fewer than two units or neither
        varies.

    Examples
    --------
    >>> tests = welch_tests([13, 13], [24.4, 17.1], [38.0, 14.7], 19, 17.1, 14.7)
    >>> tests.value.round(2).tolist(), tests.p_value.round(4).tolist()
    ([7.3, 0.0], [0.0013, 1.0])
    """
    new, old = np.asarray(n_t, dtype=np.float64), np.asarray(n_c, dtype=np.float64)
    value = np.asarray(mean_t, dtype=np.float64) - np.asarray(mean_c, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        square_t, square_c = np.asarray(variance_t) / new, np.asarray(variance_c) / old
        square = square_t + square_c
        share_t = np.where(square_t > 0, square_t**2 / (new - 1), 0.0)
        share_c = np.where(square_c > 0, square_c**2 / (old - 1), 0.0)
        testable = (new >= 2) & (old >= 2) & (square > 0)
        se = np.where(testable, np.sqrt(square), np.nan)
        df = np.where(testable, square**2 / (share_t + share_c), np.nan)
        p_value = 2 * special.stdtr(df, -np.abs(value / se))
    return WelchTests(value, se, df, np.asarray(p_value))
