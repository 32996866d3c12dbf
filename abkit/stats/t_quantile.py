"""Quantiles of the t distribution for many comparisons at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.stats.moments import Array

_FEW = 32
_NEAR_NORMAL = 0.004


def t_quantile(df: npt.ArrayLike, tail: npt.ArrayLike) -> Array:
    """Point that a t variable exceeds with chance `tail`.

    Where the distribution is near the normal one, by the expansion in 1 / df about the normal quantile (Fisher &
    Cornish 1960; Abramowitz & Stegun 1964, 26.7.5, and one term more), which is exact to the last digits there and
    takes a twentieth of the time; elsewhere by inverting the distribution.

    Parameters
    ----------
    df : array_like (...)
        Degrees of freedom; may be infinite. NaN gives NaN.
    tail : array_like (...)
        In (0, 1).

    Returns
    -------
    array (...)

    Examples
    --------
    >>> t_quantile([10.0, np.inf], 0.025).round(4).tolist()
    [2.2281, 1.96]
    """
    nu, upper = np.asarray(df, dtype=np.float64), np.asarray(tail, dtype=np.float64)
    if nu.size * upper.size < _FEW:
        return np.asarray(-special.stdtrit(nu, upper))
    z = -special.ndtri(upper)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = 1 / nu
        near = x * (1 + z * z) <= _NEAR_NORMAL
        found = np.asarray(_expansion(z, x))
    if not near.all():
        nu, upper, near = np.broadcast_arrays(nu, upper, near)
        found[~near] = -special.stdtrit(nu[~near], upper[~near])
    return found


def _expansion(z: Array, x: Array) -> Array:
    """The quantile at normal quantile z and x = 1 / df."""
    s = z * z
    first = (s + 1) / 4
    second = ((5 * s + 16) * s + 3) / 96
    third = (((3 * s + 19) * s + 17) * s - 15) / 384
    fourth = ((((79 * s + 776) * s + 1482) * s - 1920) * s - 945) / 92_160
    fifth = (((((27 * s + 339) * s + 930) * s - 1782) * s - 765) * s + 17_955) / 368_640
    return z + z * x * (first + x * (second + x * (third + x * (fourth + x * fifth))))
