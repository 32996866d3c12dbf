"""Several comparisons, one error budget."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
    p = np.asarray(p_values, dtype=np.float64)
    return np.minimum(p * p.size, 1.0)


def holm(p_values: npt.ArrayLike) -> Array:
    """Adjust p-values step by step (Holm 1979, sec. 3); valid under any dependence.

    Parameters
    ----------
    p_values : array_like (k,)
        All defined: drop undefined ones first, they are no comparisons.

    Returns
    -------
    array (k,)
        In the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
