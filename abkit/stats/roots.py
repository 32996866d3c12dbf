"""Many equations in one unknown each, solved together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abkit.stats.moments import Array

_ROUNDS = 100
_ABSOLUTE = 1e-16


def find_roots(function: Callable[[Array], Array], low: Array, high: Array, tolerance: float = 1e-13) -> Array:
    """Zeros of a function that acts elementwise, each bracketed by `low` and `high` (Chandrupatla 1997).

    Parameters
    ----------
    function : callable
        Takes and returns arrays (...).
    low, high : array (...)
        Where the function has opposite signs.
    tolerance : float
        Relative width at which a bracket is narrow enough.

    Returns
    -------
    array (...)
        NaN where the signs do not differ.

    Examples
    --------
    >>> find_roots(lambda x: x**2 - np.array([2.0, 9.0]), np.zeros(2), np.full(2, 10.0)).round(6).tolist()
    [1.414214, 3.0]
    """
    b, a = np.broadcast_arrays(np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64))
    fa, fb = function(a), function(b)
    c, fc = a, fa
    bracketed = np.sign(fa) * np.sign(fb) <= 0
    fraction = np.full(a.shape, 0.5)
    best = np.where(np.abs(fa) < np.abs(fb), a, b)
    for _ in range(_ROUNDS):
        x = a + fraction * (b - a)
        fx = function(x)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        gap = np.abs(b - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            limit = (tolerance * np.abs(best) + _ABSOLUTE) / np.maximum(gap, 1e-300)
            if np.all((limit > 0.5) | (fa == 0) | (fb == 0) | ~bracketed):
                break
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            curved = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        step = np.where(smooth & np.isfinite(curved), curved, 0.5)
        edge = np.minimum(limit, 0.5)
        fraction = np.clip(step, edge, 1 - edge)
    return np.where(bracketed, best, np.nan)
