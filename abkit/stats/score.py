"""Score tests of two rates under a given difference or ratio, and the intervals that invert them; all elementwise.

The rates are estimated under the hypothesis (constrained maximum likelihood), so the variance is right at 0 and 100 %
too. The root finder is bracketed by the ends of the parameter space, where statsmodels' raises.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.roots import find_roots

_CLOSE = 1e-15
_LARGEST_LOG = 60.0
_LARGEST_SCORE = 1e4


def check_counts(successes: float, n: float) -> None:
    """Raise ParameterError unless 0 <= successes <= n and n > 0.

    Examples
    --------
    >>> check_counts(3, 10)
    """
    if not (np.isfinite(n) and n > 0 and 0 <= successes <= n):
        raise ParameterError(f"a rate needs 0 <= successes <= n and n > 0, got {successes:g} of {n:g}")


def constrained_rate(
    rate_t: npt.ArrayLike, n_t: npt.ArrayLike, rate_c: npt.ArrayLike, n_c: npt.ArrayLike, gap: npt.ArrayLike
) -> Array:
    """Control rate of greatest likelihood when the treatment rate is `gap` above it.

    Parameters
    ----------
    rate_t, rate_c : array_like (...)
        Observed or expected rates, in [0, 1].
    n_t, n_c : array_like (...)
        Units; only their ratio matters.
    gap : array_like (...)
        In [-1, 1].

    Returns
    -------
    array (...)
        The root of the cubic of Miettinen & Nurminen (1985, app. I) by its trigonometric form (Farrington & Manning
        1990, p. 1449), within [max(0, -gap), min(1, 1 - gap)].

    Examples
    --------
    >>> round(float(constrained_rate(0.8, 70, 0.6, 80, 0.0)), 6)
    0.693333
    """
    p_t, m_t, p_c, m_c, g = (np.asarray(x, dtype=np.float64) for x in (rate_t, n_t, rate_c, n_c, gap))
    share = m_c / m_t
    whole = 1 + share
    b = -(whole + p_t + share * p_c + g * (share + 2))
    c = g * g + g * (2 * p_t + whole) + p_t + share * p_c
    d = -p_t * g * (1 + g)
    v = (b / (3 * whole)) ** 3 - b * c / (6 * whole * whole) + d / (2 * whole)
    u = np.copysign(np.sqrt(np.maximum((b / (3 * whole)) ** 2 - c / (3 * whole), 0.0)), v)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(u == 0, 0.0, np.clip(v / u**3, -1.0, 1.0))
    treatment = 2 * u * np.cos((np.pi + np.arccos(cosine)) / 3) - b / (3 * whole)
    root = np.where(g == 0, (p_t + share * p_c) / whole, treatment - g)
    return np.asarray(np.clip(root, np.maximum(0.0, -g), np.minimum(1.0, 1.0 - g)))


def difference_score(
    successes_t: npt.ArrayLike,
    n_t: npt.ArrayLike,
    successes_c: npt.ArrayLike,
    n_c: npt.ArrayLike,
    gap: npt.ArrayLike,
    corrected: bool = True,
) -> Array:
    """Score statistic of "treatment rate = control rate + gap", normal under the hypothesis.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : array_like (...)
        Units with a 1 and all units; n > 0.
    gap : array_like (...)
        In [-1, 1].
    corrected : bool
        Multiply the variance by N / (N - 1): Miettinen & Nurminen (1985, eq. 9); without it Mee (1984) and Farrington
        & Manning (1990).

    Returns
    -------
    array (...)
        0 where the rates differ by exactly `gap`, infinite where the hypothesis is impossible.

    Examples
    --------
    >>> round(float(difference_score(39, 500, 13, 500, 0.0, corrected=False)), 5)
    3.70312
    """
    x_t, m_t, x_c, m_c, g = (np.asarray(x, dtype=np.float64) for x in (successes_t, n_t, successes_c, n_c, gap))
    control = constrained_rate(x_t / m_t, m_t, x_c / m_c, m_c, g)
    treatment = np.clip(control + g, 0.0, 1.0)
    variance = treatment * (1 - treatment) / m_t + control * (1 - control) / m_c
    return _standardized(x_t / m_t - x_c / m_c - g, variance, m_t + m_c, corrected)


def ratio_score(
    successes_t: npt.ArrayLike,
    n_t: npt.ArrayLike,
    successes_c: npt.ArrayLike,
    n_c: npt.ArrayLike,
    ratio: npt.ArrayLike,
    corrected: bool = False,
) -> Array:
    """Score statistic of "treatment rate = ratio * control rate", normal under the hypothesis.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : array_like (...)
        Units with a 1 and all units; n > 0.
    ratio : array_like (...)
        Positive.
    corrected : bool
        Multiply the variance by N / (N - 1): Miettinen & Nurminen (1985, eq. 10); without it Koopman (1984).

    Returns
    -------
    array (...)

    Examples
    --------
    >>> round(float(ratio_score(56, 70, 48, 80, 1.0)) ** 2, 5)
    7.02341
    """
    x_t, m_t, x_c, m_c, r = (np.asarray(x, dtype=np.float64) for x in (successes_t, n_t, successes_c, n_c, ratio))
    total, successes = m_t + m_c, x_t + x_c
    b = r * (m_t + x_c) + x_t + m_c
    root = np.sqrt(np.maximum(b * b - 4 * total * r * successes, 0.0))
    # The smaller root without subtracting nearly equal numbers.
    control = np.minimum(np.minimum(2 * successes / (b + root), 1.0), 1 / r)
    treatment = np.minimum(r * control, 1.0)
    variance = treatment * (1 - treatment) / m_t + r * r * control * (1 - control) / m_c
    return _standardized(x_t / m_t - r * (x_c / m_c), variance, total, corrected)


def _standardized(excess: Array, variance: Array, total: Array, corrected: bool) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        if corrected:
            variance = variance * (total / (total - 1))
        score = excess / np.sqrt(variance)
    certain = np.where(np.abs(excess) < _CLOSE, 0.0, np.copysign(np.inf, excess))
    return np.asarray(np.where((np.abs(excess) < _CLOSE) | (variance == 0), certain, score))


def difference_interval(
    successes_t: npt.ArrayLike,
    n_t: npt.ArrayLike,
    successes_c: npt.ArrayLike,
    n_c: npt.ArrayLike,
    z: npt.ArrayLike,
    corrected: bool = True,
) -> tuple[Array, Array]:
    """All differences whose score statistic is at most `z` in size, within [-1, 1].

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : array_like (...)
        Units with a 1 and all units; n > 0.
    z : array_like (...)
        Normal quantile of the level, at least 0.
    corrected : bool
        As in `difference_score`.

    Returns
    -------
    low, high : array (...)

    Examples
    --------
    >>> low, high = difference_interval(30, 30, 30, 30, 1.959963984540054)
    >>> round(float(low), 4), round(float(high), 4)
    (-0.1152, 0.1152)
    """
    x_t, m_t, x_c, m_c = (np.asarray(x, dtype=np.float64) for x in (successes_t, n_t, successes_c, n_c))
    observed = x_t / m_t - x_c / m_c
    bound = np.asarray(z, dtype=np.float64)
    ends = np.ones(np.broadcast_shapes(observed.shape, bound.shape))

    def above(target: Array, gap: Array) -> Array:
        return np.clip(difference_score(x_t, m_t, x_c, m_c, gap, corrected), -_LARGEST_SCORE, _LARGEST_SCORE) - target

    low = find_roots(lambda gap: above(bound, gap), -ends, observed * ends)
    high = find_roots(lambda gap: above(-bound, gap), observed * ends, ends)
    # Where even the end of the parameter space is not rejected, the interval ends there.
    return np.where(np.isnan(low), -1.0, low), np.where(np.isnan(high), 1.0, high)


def ratio_interval(
    successes_t: npt.ArrayLike,
    n_t: npt.ArrayLike,
    successes_c: npt.ArrayLike,
    n_c: npt.ArrayLike,
    z: npt.ArrayLike,
    corrected: bool = False,
) -> tuple[Array, Array]:
    """All ratios whose score statistic is at most `z` in size; the upper bound is infinite without control successes.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : array_like (...)
        Units with a 1 and all units; n > 0.
    z : array_like (...)
        Normal quantile of the level, positive.
    corrected : bool
        As in `ratio_score`.

    Returns
    -------
    low, high : array (...)
        In [0, infinity].

    Examples
    --------
    >>> low, high = ratio_interval(56, 70, 48, 80, 1.959963984540054)
    >>> round(float(low), 4), round(float(high), 4)
    (1.0798, 1.6708)
    """
    x_t, m_t, x_c, m_c, bound = (np.asarray(x, dtype=np.float64) for x in (successes_t, n_t, successes_c, n_c, z))
    reach = np.full(np.broadcast_shapes(x_t.shape, m_t.shape, x_c.shape, m_c.shape, bound.shape), _LARGEST_LOG)

    def above(target: Array, log_ratio: Array) -> Array:
        score = ratio_score(x_t, m_t, x_c, m_c, np.exp(log_ratio), corrected)
        return np.clip(score, -_LARGEST_SCORE, _LARGEST_SCORE) - target

    low = np.exp(find_roots(lambda log: above(bound, log), -reach, reach))
    high = np.exp(find_roots(lambda log: above(-bound, log), -reach, reach))
    return np.where(x_t > 0, low, 0.0), np.where(x_c > 0, high, np.inf)
