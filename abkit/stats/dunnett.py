"""Many variants against one, with the critical value that their shared reference calls for.

The t statistics of k variants against one reference share its noise: their correlations are products of one number per
variant, so the k-dimensional probability is an integral over one normal variable (and one more for an estimated
variance). It is computed by quadrature, to about ten digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.errors import ParameterError
from abkit.stats.estimate import Alternative, Estimate, Reason
from abkit.stats.means import Sample, check_level, keep_side
from abkit.stats.moments import Array
from abkit.stats.summary import Summary

_NODES = 128
_REACH = 9.0
_SMALLEST_ALPHA = 1e-8


def loadings(n_treatments: npt.ArrayLike, n_control: float) -> Array:
    """Correlation of each comparison with the shared control: sqrt(n_i / (n_0 + n_i)) (Dunnett 1955, eq. 4).

    Parameters
    ----------
    n_treatments : array_like (k,)
    n_control : float

    Returns
    -------
    array (k,)

    Examples
    --------
    >>> (loadings([10, 10], 10) ** 2).round(3).tolist()
    [0.5, 0.5]
    """
    n = np.asarray(n_treatments, dtype=np.float64)
    return np.asarray(np.sqrt(n / (n_control + n)))


def dunnett_probability(
    bound: float, loading: npt.ArrayLike, df: float = math.inf, alternative: Alternative = "two-sided"
) -> float:
    """Probability that no statistic of the family passes `bound` when nothing differs.

    Parameters
    ----------
    bound : float
    loading : array_like (k,)
        In [0, 1), see `loadings`.
    df : float
        Degrees of freedom of the shared variance estimate; infinite where it is known.
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    float

    Examples
    --------
    >>> round(dunnett_probability(1.959963984540054, [0.0]), 6)
    0.95
    """
    load = np.asarray(loading, dtype=np.float64)
    nodes, weights = _legendre()
    shared = _REACH * nodes
    density = weights * _REACH * np.exp(-(shared**2) / 2) / math.sqrt(2 * math.pi)
    scale, mass = _scales(df)
    width = np.sqrt(1 - load**2)
    center = load * shared[:, None]
    edge = bound * scale[:, None, None]
    inside = special.ndtr((edge - center) / width)
    if alternative == "two-sided":
        inside = inside - special.ndtr((-edge - center) / width)
    return float(mass @ (np.prod(inside, axis=-1) @ density))


@cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(_NODES)


def _scales(df: float) -> tuple[Array, Array]:
    """Values of s = chi / sqrt(df) with their probabilities."""
    if math.isinf(df):
        return np.ones(1), np.ones(1)
    nodes, weights = _legendre()
    low, high = (math.sqrt(2 * float(special.gammaincinv(df / 2, q)) / df) for q in (1e-14, 1 - 1e-14))
    s = (low + high) / 2 + (high - low) / 2 * nodes
    log = math.log(2) + df / 2 * math.log(df / 2) - float(special.gammaln(df / 2)) + (df - 1) * np.log(s)
    mass = weights * (high - low) / 2 * np.exp(log - df * s**2 / 2)
    return s, mass / mass.sum()


def dunnett_critical_value(
    loading: npt.ArrayLike,
    *,
    df: float = math.inf,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> float:
    """Bound that all k statistics keep together with probability 1 - alpha (Dunnett 1955, 1964).

    Parameters
    ----------
    loading : array_like (k,)
        See `loadings`; sqrt(0.5) each for equal sizes.
    df, alternative
        As in `dunnett_probability`.
    alpha : float
        Chance of any false rejection, in (0, 1).

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        No variants, loadings outside [0, 1), alpha outside (0, 1), or df below 1.

    Examples
    --------
    >>> round(dunnett_critical_value([0.5**0.5] * 2, df=20), 4)
    2.3787
    """
    load = np.atleast_1d(np.asarray(loading, dtype=np.float64))
    if load.size == 0 or ((load < 0) | (load >= 1)).any():
        raise ParameterError("loadings lie in [0, 1), one per variant")
    if not 0 < alpha < 1 or not df >= 1:
        raise ParameterError(f"alpha must be in (0, 1) and df at least 1, got {alpha:g} and {df:g}")
    share = alpha / 2 if alternative == "two-sided" else alpha
    alone = -float(special.stdtrit(df, share))
    apart = -float(special.stdtrit(df, share / load.size))
    if load.size == 1:
        return alone
    if alpha < _SMALLEST_ALPHA:
        # The quadrature has no digits left, and Bonferroni's bound has become exact.
        return apart

    def excess(bound: float) -> float:
        return dunnett_probability(bound, load, df, alternative) - (1 - alpha)

    smallest = 0.0 if alternative == "two-sided" else min(alone, 0.0) - 1.0
    return float(optimize.brentq(excess, smallest, apart + 1e-3, xtol=1e-11))


def dunnett(
    treatments: Mapping[str, Sample] | Sequence[Sample],
    control: Sample,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
) -> list[Estimate]:
    """Difference of each variant from control, all intervals covering together (Dunnett 1955).

    Parameters
    ----------
    treatments : mapping or sequence of samples
        Arrays (n,) or summaries, in the order of the result.
    control : array_like (n,) or Summary
    level : float
        Of all intervals together.
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    list of Estimate
        With pooled variance, adjusted p-values, and the critical value in `details`.

    Raises
    ------
    ParameterError
        No variants, or values that are not finite.

    Examples
    --------
    >>> both = dunnett({"a": Summary(10, 4.661, 0.63), "b": Summary(10, 5.526, 0.196)}, Summary(10, 5.032, 0.34))
    >>> [round(answer.p_value, 3) for answer in both]
    [0.323, 0.154]
    """
    named = treatments if isinstance(treatments, Mapping) else {str(i): s for i, s in enumerate(treatments)}
    alpha = check_level(level)
    keep_side(0.0, 0.0, alternative)
    base, new = Summary.of(control), {name: Summary.of(sample) for name, sample in named.items()}
    everyone = [base, *new.values()]
    df = sum(s.n for s in everyone) - len(everyone)
    pooled = sum(max(s.n - 1, 0.0) * s.variance for s in everyone) / df if df > 0 else 0.0
    few = min(s.n for s in everyone) < 1 or df < 1
    if few or pooled == 0:
        reason = Reason.TOO_FEW_UNITS if few else Reason.ZERO_VARIANCE
        return [Estimate(None if few else s.mean - base.mean, level=level, reason=reason) for s in new.values()]
    load = loadings([s.n for s in new.values()], base.n)
    critical = dunnett_critical_value(load, df=df, alpha=alpha, alternative=alternative)
    answers = []
    for name, s in new.items():
        value, se = s.mean - base.mean, math.sqrt(pooled / s.n + pooled / base.n)
        p_value = adjusted_p_value(value / se, load, df, alternative)
        bounds = keep_side(value - critical * se, value + critical * se, alternative)
        details = {"variant": name, "critical_value": critical}
        answers.append(
            Estimate(*(value, se, *bounds, p_value, value / se, df, level, alternative, "dunnett"), details=details)
        )
    return answers


def adjusted_p_value(
    statistic: float, loading: npt.ArrayLike, df: float = math.inf, alternative: Alternative = "two-sided"
) -> float:
    """Chance that any statistic of the family is as extreme as this one when nothing differs.

    Examples
    --------
    >>> round(adjusted_p_value(1.959963984540054, [0.0]), 6)
    0.05
    """
    extreme = abs(statistic) if alternative == "two-sided" else statistic if alternative == "greater" else -statistic
    return max(
        0.0, 1 - dunnett_probability(extreme, loading, df, "two-sided" if alternative == "two-sided" else "greater")
    )
