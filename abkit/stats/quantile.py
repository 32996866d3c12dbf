"""Quantiles as ratios: whether a row lies below the quantile is an ordinary column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.stats.estimand import RatioLevel

_Z = 1.959963984540054


def outer_probabilities(q: float, n: int) -> tuple[float, float] | None:
    """Where to read the two order statistics that give the density at the q-quantile.

    Parameters
    ----------
    q : float
        In (0, 1).
    n : int
        Rows of the variant.

    Returns
    -------
    (low, high) or None
        q -+ 1.96 sqrt(q (1 - q) / n) (Deng, Knoblich & Lu 2018, sec. 4.2); None where `n` is too small for them to lie
        inside (0, 1).

    Examples
    --------
    >>> outer_probabilities(0.5, 100)
    (0.4020018007729973, 0.5979981992270027)
    >>> outer_probabilities(0.95, 60) is None
    True
    """
    half = _Z * np.sqrt(q * (1 - q) / n) if n > 0 else 1.0
    low, high = q - half, q + half
    return (float(low), float(high)) if low > 0 and high < 1 - 0.5 / n else None


def quantile_probabilities(q: float, n: int) -> tuple[float, float, float, float, float] | None:
    """Where to read everything that the inference of a quantile needs.

    Parameters
    ----------
    q : float
        In (0, 1).
    n : int
        Rows of the variant.

    Returns
    -------
    (q, low, high, before, after) or None
        The quantile, the two order statistics that give its density, and two places an eighth of a standard error
        beside it: where those two are equal, so many rows share one value that the quantile jumps and its asymptotic
        standard error does not hold. None where `n` is too small.

    Examples
    --------
    >>> [round(place, 3) for place in quantile_probabilities(0.5, 100)]
    [0.5, 0.402, 0.598, 0.494, 0.506]
    """
    outer = outer_probabilities(q, n)
    if outer is None:
        return None
    step = float(np.sqrt(q * (1 - q) / n)) / 8
    return q, *outer, q - step, q + step


def rows_needed(q: float) -> int:
    """Return the fewest rows per variant with which the q-quantile has a standard error.

    Examples
    --------
    >>> rows_needed(0.5), rows_needed(0.95)
    (6, 92)
    """
    n = 2
    while outer_probabilities(q, n) is None:
        n += max(1, n // 1000)
    return n


def quantile_density(low: float, high: float, q: float, n: int) -> float | None:
    """Density of the rows at their q-quantile, from two order statistics (Siddiqui 1960).

    Parameters
    ----------
    low, high : float
        The sample quantiles at `outer_probabilities(q, n)`.
    q, n
        The quantile, and the rows of the variant.

    Returns
    -------
    float or None
        Per unit of the metric; None where so many rows are equal that the two order statistics are.

    Examples
    --------
    >>> round(quantile_density(9.0, 11.0, q=0.5, n=100), 4)
    0.098
    """
    return float(2 * _Z * np.sqrt(q * (1 - q) / n) / (high - low)) if high > low else None


def sketch_probabilities(q: float, n: int) -> tuple[float, float, float] | None:
    """Where to read a sketch for the inference of a quantile.

    Parameters
    ----------
    q : float
        In (0, 1).
    n : int
        Rows of the variant.

    Returns
    -------
    (q, low, high) or None
        The quantile and two places beside it that give the density: those of `outer_probabilities`, but at least a
        tenth of the way to the nearer end, since a sketch cannot tell places apart that are too near. None where `n` is
        too small.

    Examples
    --------
    >>> [round(place, 3) for place in sketch_probabilities(0.95, 1_000_000)]
    [0.95, 0.945, 0.955]
    """
    outer = outer_probabilities(q, n)
    if outer is None:
        return None
    half = max(q - outer[0], 0.1 * min(q, 1 - q))
    return q, q - half, q + half


def sketched_quantile(
    q: float, n: int, values: tuple[float, float, float], below: float, at_or_below: tuple[float, float, float]
) -> tuple[float, float, float] | None:
    """Correct a quantile that was read from a sketch by the rows that were counted there.

    Parameters
    ----------
    q, n
        The quantile, and the rows of the variant.
    values : (middle, low, high)
        What the sketch gave at `sketch_probabilities(q, n)`.
    below : float
        Share of rows below `middle`.
    at_or_below : (middle, low, high)
        Shares of rows at or below each of the values.

    Returns
    -------
    (quantile, density, error) or None
        One Newton step from `middle` to where the share is q, with the density between `low` and `high` (both shares
        are counted, so that the sketch does not enter it). `error` is how far the sketch was off: the length of that
        step, and three times the mean distance between two rows, since one in twenty is farther from the next. None
        where so many rows share a value that the quantile jumps.

    Examples
    --------
    >>> found = sketched_quantile(0.5, 1000, (10.1, 9.0, 11.0), 0.504, (0.505, 0.45, 0.55))
    >>> [round(number, 6) for number in found]
    [10.02, 0.05, 0.14]
    """
    middle, low, high = values
    step = float(np.sqrt(q * (1 - q) / n)) / 8
    rise = at_or_below[2] - at_or_below[1]
    if not high > low or rise <= 0 or (below <= q - step and q + step <= at_or_below[0]):
        return None
    density = rise / (high - low)
    move = (q - min(max(q, below), at_or_below[0])) / density
    return middle + move, density, abs(move) + 3 / (n * density)


def quantile_level(quantile: npt.ArrayLike, density: npt.ArrayLike, share_below: npt.ArrayLike) -> RatioLevel:
    """Write a quantile as a level: linear in the share of rows at or below it (Bahadur 1966).

    Summed per unit, the indicators "at or below" carry the dependence between a unit's rows into the variance, so
    clustered and paired data need nothing of their own.

    Parameters
    ----------
    quantile, density, share_below : array_like (..., V)
        The sample quantiles, the densities there, and the shares of rows at or below them.

    Returns
    -------
    RatioLevel
        For the columns (rows at or below the quantile, rows) per unit; at the sample it equals `quantile`.

    Examples
    --------
    >>> level = quantile_level([10.0], [0.1], [0.5])
    >>> level(np.array([[0.5, 1.0]])).tolist(), level(np.array([[0.4, 1.0]])).tolist()
    ([10.0], [11.0])
    """
    slope = 1 / np.asarray(density, dtype=np.float64)
    return RatioLevel(np.asarray(quantile, dtype=np.float64) + np.asarray(share_below) * slope, -slope)
