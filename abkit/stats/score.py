"""Score tests of two rates under a given difference or ratio, and the intervals that invert them.

The rates are estimated under the hypothesis (constrained maximum likelihood), so the variance is right at 0 and 100 %
too. The root finder is bracketed by the ends of the parameter space, where statsmodels' raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import optimize

_CLOSE = 1e-15
_LARGEST_LOG = 300.0


def check_counts(successes: float, n: float) -> None:
    """Raise ValueError unless 0 <= successes <= n and n > 0.

    Examples
    --------
    >>> check_counts(3, 10)
    """
    if not (math.isfinite(n) and n > 0 and 0 <= successes <= n):
        raise ValueError(f"a rate needs 0 <= successes <= n and n > 0, got {successes:g} of {n:g}")


def constrained_rate(rate_t: float, n_t: float, rate_c: float, n_c: float, gap: float) -> float:
    """Control rate of greatest likelihood when the treatment rate is `gap` above it.

    Parameters
    ----------
    rate_t, rate_c : float
        Observed or expected rates, in [0, 1].
    n_t, n_c : float
        Units; only their ratio matters.
    gap : float
        In [-1, 1].

    Returns
    -------
    float
        The root of the cubic of Miettinen & Nurminen (1985, app. I) by its trigonometric form (Farrington & Manning
        1990, p. 1449), within [max(0, -gap), min(1, 1 - gap)].

    Examples
    --------
    >>> round(constrained_rate(0.8, 70, 0.6, 80, 0.0), 6)
    0.693333
    """
    share = n_c / n_t
    whole = 1 + share
    # The cubic is written for p - gap, the other group's rate: here p is the treatment rate.
    b = -(whole + rate_t + share * rate_c + gap * (share + 2))
    c = gap * gap + gap * (2 * rate_t + whole) + rate_t + share * rate_c
    d = -rate_t * gap * (1 + gap)
    v = (b / (3 * whole)) ** 3 - b * c / (6 * whole * whole) + d / (2 * whole)
    squared = (b / (3 * whole)) ** 2 - c / (3 * whole)
    u = math.copysign(math.sqrt(max(squared, 0.0)), v)
    cosine = min(1.0, max(-1.0, v / u**3)) if u != 0 else 0.0
    angle = (math.pi + math.acos(cosine)) / 3
    treatment = 2 * u * math.cos(angle) - b / (3 * whole)
    return min(max(treatment - gap, 0.0, -gap), 1.0, 1.0 - gap)


def difference_score(
    successes_t: float, n_t: float, successes_c: float, n_c: float, gap: float, corrected: bool = True
) -> float:
    """Score statistic of "treatment rate = control rate + gap", normal under the hypothesis.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units; n > 0.
    gap : float
        In [-1, 1].
    corrected : bool
        Multiply the variance by N / (N - 1): Miettinen & Nurminen (1985, eq. 9); without it Mee (1984) and Farrington
        & Manning (1990).

    Returns
    -------
    float
        0 where the rates differ by exactly `gap`, infinite where the hypothesis is impossible.

    Examples
    --------
    >>> round(difference_score(39, 500, 13, 500, 0.0, corrected=False), 5)
    3.70312
    """
    rate_t, rate_c = successes_t / n_t, successes_c / n_c
    excess = rate_t - rate_c - gap
    if abs(excess) < _CLOSE:
        return 0.0
    control = constrained_rate(rate_t, n_t, rate_c, n_c, gap)
    treatment = min(max(control + gap, 0.0), 1.0)
    variance = treatment * (1 - treatment) / n_t + control * (1 - control) / n_c
    if corrected:
        variance *= (n_t + n_c) / (n_t + n_c - 1)
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess)


def ratio_score(
    successes_t: float, n_t: float, successes_c: float, n_c: float, ratio: float, corrected: bool = False
) -> float:
    """Score statistic of "treatment rate = ratio * control rate", normal under the hypothesis.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units; n > 0.
    ratio : float
        Positive.
    corrected : bool
        Multiply the variance by N / (N - 1): Miettinen & Nurminen (1985, eq. 10); without it Koopman (1984).

    Returns
    -------
    float

    Examples
    --------
    >>> round(ratio_score(56, 70, 48, 80, 1.0) ** 2, 5)
    7.02341
    """
    rate_t, rate_c = successes_t / n_t, successes_c / n_c
    excess = rate_t - ratio * rate_c
    total = n_t + n_c
    b = ratio * (n_t + successes_c) + successes_t + n_c
    root = math.sqrt(max(b * b - 4 * total * ratio * (successes_t + successes_c), 0.0))
    # The smaller root without subtracting nearly equal numbers.
    control = min(2 * (successes_t + successes_c) / (b + root), 1.0, 1 / ratio)
    treatment = min(ratio * control, 1.0)
    variance = treatment * (1 - treatment) / n_t + ratio * ratio * control * (1 - control) / n_c
    if corrected:
        variance *= total / (total - 1)
    if abs(excess) < _CLOSE:
        return 0.0
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess)


def difference_interval(
    successes_t: float, n_t: float, successes_c: float, n_c: float, z: float, corrected: bool = True
) -> tuple[float, float]:
    """All differences whose score statistic is at most `z` in size, within [-1, 1].

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units; n > 0.
    z : float
        Normal quantile of the level.
    corrected : bool
        As in `difference_score`.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> low, high = difference_interval(30, 30, 30, 30, 1.959963984540054)
    >>> round(low, 4), round(high, 4)
    (-0.1152, 0.1152)
    """
    counts = (successes_t, n_t, successes_c, n_c)
    observed = successes_t / n_t - successes_c / n_c

    def score(gap: float) -> float:
        return difference_score(*counts, gap, corrected)

    return _root(score, -1.0, observed, z), _root(score, observed, 1.0, -z)


def ratio_interval(
    successes_t: float, n_t: float, successes_c: float, n_c: float, z: float, corrected: bool = False
) -> tuple[float, float]:
    """All ratios whose score statistic is at most `z` in size; the upper bound is infinite without control successes.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units; n > 0.
    z : float
        Normal quantile of the level.
    corrected : bool
        As in `ratio_score`.

    Returns
    -------
    low, high : float
        In [0, infinity].

    Examples
    --------
    >>> low, high = ratio_interval(56, 70, 48, 80, 1.959963984540054)
    >>> round(low, 4), round(high, 4)
    (1.0798, 1.6708)
    """
    counts = (successes_t, n_t, successes_c, n_c)
    rate_t, rate_c = successes_t / n_t, successes_c / n_c

    def score(log_ratio: float) -> float:
        return ratio_score(*counts, math.exp(log_ratio), corrected)

    middle = math.log(rate_t / rate_c) if rate_t > 0 and rate_c > 0 else math.log(n_c / n_t)
    low = 0.0 if rate_t == 0 else math.exp(_crossing(score, middle, z))
    high = math.inf if rate_c == 0 else math.exp(_crossing(score, middle, -z))
    return low, high


def _crossing(score: Callable[[float], float], start: float, target: float) -> float:
    """Walk to both sides of a decreasing score's crossing of the target, then find it."""
    low = high = start
    step = 1.0
    while score(low) < target and low > -_LARGEST_LOG:
        low, step = low - step, 2 * step
    step = 1.0
    while score(high) > target and high < _LARGEST_LOG:
        high, step = high + step, 2 * step
    return _root(score, low, high, target)


def _root(score: Callable[[float], float], low: float, high: float, target: float) -> float:
    """Where a decreasing score equals the target; the nearer end where it does not get there."""
    at_low, at_high = score(low), score(high)
    if at_low <= target:
        return low
    if at_high >= target:
        return high
    bounded = max(abs(target), 1.0) * 1e6

    def excess(x: float) -> float:
        return max(min(score(x), bounded), -bounded) - target

    return float(optimize.brentq(excess, low, high, xtol=1e-15, rtol=1e-14, maxiter=300))
