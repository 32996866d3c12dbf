"""Several comparisons, one error budget.

A p-value that is NaN is no comparison: it stays NaN and does not count, where statsmodels' `multipletests` counts it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array


def bonferroni(p_values: npt.ArrayLike) -> Array:
    """Multiply each p-value by the number of comparisons; its interval is the one at alpha over that number.

    Parameters
    ----------
    p_values : array_like (k,)

    Returns
    -------
    array (k,)

    Examples
    --------
    >>> bonferroni([0.01, 0.2, 0.6]).round(2).tolist()
    [0.03, 0.6, 1.0]
    """
    return _defined(p_values, lambda p: p * p.size)


def sidak(p_values: npt.ArrayLike) -> Array:
    """1 - (1 - p)^k (Šidák 1967); for independent or positively dependent two-sided normal tests.

    Examples
    --------
    >>> sidak([0.01, 0.2]).round(4).tolist()
    [0.0199, 0.36]
    """
    return _defined(p_values, lambda p: -np.expm1(p.size * np.log1p(-np.minimum(p, 1 - 1e-16))))


def holm(p_values: npt.ArrayLike) -> Array:
    """Adjust p-values step by step (Holm 1979, sec. 3); valid under any dependence.

    Parameters
    ----------
    p_values : array_like (k,)

    Returns
    -------
    array (k,)
        In the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    >>> holm([0.01, float("nan"), 0.03]).round(2).tolist()
    [0.02, nan, 0.03]
    """
    return _defined(p_values, _step_down)


def hochberg(p_values: npt.ArrayLike) -> Array:
    """Step up with Holm's factors (Hochberg 1988, sec. 2); for independent or positively dependent tests.

    Examples
    --------
    >>> hochberg([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.04, 0.04]
    """
    return _step_up(p_values, lambda rank, k: k - rank + 1)


def benjamini_hochberg(p_values: npt.ArrayLike) -> Array:
    """Bound the expected share of false discoveries (Benjamini & Hochberg 1995, thm 1), not the chance of any.

    For exploration only; independent or positively dependent tests.

    Examples
    --------
    >>> benjamini_hochberg([0.04, 0.04, 0.04, 0.9]).round(4).tolist()
    [0.0533, 0.0533, 0.0533, 0.9]
    """
    return _step_up(p_values, lambda rank, k: k / rank)


def benjamini_yekutieli(p_values: npt.ArrayLike) -> Array:
    """Bound the expected share of false discoveries under any dependence (Benjamini & Yekutieli 2001, thm 1.3).

    Examples
    --------
    >>> benjamini_yekutieli([0.01, 0.02]).round(3).tolist()
    [0.03, 0.03]
    """
    return _step_up(p_values, lambda rank, k: k / rank * float((1 / np.arange(1, k + 1)).sum()))


def _defined(p_values: npt.ArrayLike, adjust: Callable[[Array], Array]) -> Array:
    """Adjust the p-values that exist, at most 1."""
    p = np.asarray(p_values, dtype=np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ParameterError("p-values lie in [0, 1]")
    adjusted = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    if known.any():
        adjusted[known] = np.minimum(adjust(p[known]), 1.0)
    return adjusted


def _step_down(p: Array) -> Array:
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return adjusted


def _step_up(p_values: npt.ArrayLike, factor: Callable[[Array, int], Array]) -> Array:
    """Smallest, from here upwards, of p-value times the factor of its rank."""

    def adjust(p: Array) -> Array:
        order = np.argsort(p, kind="stable")[::-1]
        ranks = np.arange(p.size, 0, -1, dtype=np.float64)
        adjusted = np.empty_like(p)
        adjusted[order] = np.minimum.accumulate(p[order] * factor(ranks, p.size))
        return adjusted

    return _defined(p_values, adjust)
