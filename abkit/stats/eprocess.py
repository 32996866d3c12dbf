"""Evidence that may be watched: test martingales, whose inverse is a p-value at every moment.

An e-process starts at 1 and, under the null hypothesis, ever reaches 1 / alpha with probability alpha at most (Ville
1939). E-values of independent data multiply; of dependent data they are averaged.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.errors import ParameterError
from abkit.stats.estimand import Effect
from abkit.stats.moments import Array

_LEAST_PRIOR = 1e-3


def mixture_precision(planned_variance: float, alpha: float, sides: int = 2) -> float:
    """Precision of the normal mixture for which the boundary is (nearly) lowest at the planned variance.

    Parameters
    ----------
    planned_variance : float
        Variance of the sum at the planned size; > 0.
    alpha : float
        In (0, 1); below 0.5 where `sides` is 1.
    sides : {1, 2}

    Returns
    -------
    float
        v / (2 log(1 / a) + log(1 + 2 log(1 / a))) with a = alpha, or 2 alpha for one side (Howard, Ramdas, McAuliffe &
        Sekhon 2021, sec. 3.5).

    Examples
    --------
    >>> round(mixture_precision(100, 0.05), 4)
    12.6006
    """
    surprise = -2 * np.log(alpha if sides == 2 else 2 * alpha)
    return float(planned_variance / (surprise + np.log1p(surprise)))


def normal_mixture_log_e(total: npt.ArrayLike, variance: npt.ArrayLike, precision: float, sides: int = 2) -> Array:
    """Log e-process of a sum with mean 0 under the null hypothesis and known or estimated variance.

    Parameters
    ----------
    total : array_like (...)
        Sum of the deviations so far.
    variance : array_like (...)
        Variance of that sum.
    precision : float
        Of the mixture, see `mixture_precision`.
    sides : {1, 2}
        1 gathers evidence for a positive mean only.

    Returns
    -------
    array (...)
        Two-sided: log(r / (v + r)) / 2 + s^2 / (2 (v + r)); one-sided with the half-normal mixture (Howard, Ramdas,
        McAuliffe & Sekhon 2021, sec. 3.2).

    Examples
    --------
    >>> normal_mixture_log_e([0, 40], 100, mixture_precision(100, 0.05)).round(6).tolist()
    [-1.095053, 6.009708]
    """
    s, v = np.asarray(total, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    both = (np.log(precision) - np.log(v + precision)) / 2 + s**2 / (2 * (v + precision))
    if sides == 2:
        return np.asarray(both)
    return np.asarray(both + np.log(2) + special.log_ndtr(s / np.sqrt(v + precision)))


def normal_mixture_bound(variance: npt.ArrayLike, precision: float, alpha: float) -> Array:
    """Return the sum at which the two-sided normal mixture reaches 1 / alpha (Robbins 1970).

    Examples
    --------
    >>> round(float(normal_mixture_bound(100.0, mixture_precision(100, 0.05), 0.05)), 3)
    30.352
    """
    v = np.asarray(variance, dtype=np.float64)
    return np.asarray(np.sqrt((v + precision) * (np.log1p(v / precision) - 2 * np.log(alpha))))


def mixture_sprt(difference: npt.ArrayLike, n_per_variant: npt.ArrayLike, variance: float, tau_squared: float) -> Array:
    """Likelihood ratio of the mixture sequential probability ratio test for two means of known variance.

    Parameters
    ----------
    difference : array_like (...)
        Difference of the two means, each of `n_per_variant` units.
    n_per_variant : array_like (...)
    variance : float
        Of one observation; > 0.
    tau_squared : float
        Variance of the effects that are expected; the mixture is normal about 0.

    Returns
    -------
    array (...)
        sqrt(2 s^2 / (2 s^2 + n t^2)) exp(n^2 t^2 d^2 / (4 s^2 (2 s^2 + n t^2))) (Johari, Pekelis & Walsh 2015,
        two-sample normal); one over its running maximum is an always-valid p-value.

    Examples
    --------
    >>> round(float(mixture_sprt(0.2, 200, 1.0, 0.04)), 6)
    2.215063
    """
    n, d = np.asarray(n_per_variant, dtype=np.float64), np.asarray(difference, dtype=np.float64)
    spread = 2 * variance + n * tau_squared
    return np.asarray(np.sqrt(2 * variance / spread) * np.exp(n**2 * tau_squared * d**2 / (4 * variance * spread)))


def effect_log_e(effect: Effect, tau_squared: float) -> Array:
    """Log e-value of an effect with a standard error, whatever metric it belongs to, by the normal mixture.

    Parameters
    ----------
    effect : Effect
    tau_squared : float
        Variance of the effects that are expected, in the square of the metric's unit.

    Returns
    -------
    array (...)
        Asymptotic: the standard error is taken as known (Johari, Pekelis & Walsh 2015). NaN where it is 0.

    Examples
    --------
    >>> effect = Effect(*(np.array(x) for x in (0.2, 0.1, 398.0, 400.0, 200.0)))
    >>> round(float(np.exp(effect_log_e(effect, 0.04))), 6)
    2.215063
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        information = 1 / effect.se**2
        return np.where(
            effect.se > 0, normal_mixture_log_e(effect.value * information, information, 1 / tau_squared), np.nan
        )


def always_valid_p(log_e: npt.ArrayLike) -> Array:
    """Running p-value from a log e-process along the last axis: one over the largest e-value so far, at most 1.

    Examples
    --------
    >>> always_valid_p(np.log([0.5, 4.0, 2.0])).tolist()
    [1.0, 0.25, 0.25]
    """
    return np.asarray(np.exp(-np.maximum(np.maximum.accumulate(np.asarray(log_e), axis=-1), 0.0)))


def two_proportion_log_e(control: npt.ArrayLike, treatment: npt.ArrayLike, prior: float = 0.18) -> Array:
    """Log e-process that two rates are equal, exact at every size, over blocks of one unit per variant.

    Parameters
    ----------
    control, treatment : array_like (..., blocks)
        Outcomes 0 or 1; block j holds the j-th unit of each. With unequal arrival, wait for complete blocks: units
        beyond the shorter of the two are not used.
    prior : float
        Both parameters of the beta prior behind the plug-in rates.

    Returns
    -------
    array (..., blocks)
        After each block (Turner, Ly & Grünwald 2024, with rates estimated from the blocks before it).

    Raises
    ------
    ParameterError
        Values other than 0 and 1, or a prior that is not positive.

    Examples
    --------
    >>> log_e = two_proportion_log_e([1, 0, 1, 0, 0, 0, 1], [1, 0, 1, 1, 1, 0, 1])
    >>> round(float(np.exp(log_e[-1])), 6)
    1.095505
    """
    c, t = (np.asarray(values, dtype=np.float64) for values in (control, treatment))
    blocks = min(c.shape[-1], t.shape[-1])
    c, t = c[..., :blocks], t[..., :blocks]
    if prior <= 0 or not (np.isin(c, (0, 1)).all() and np.isin(t, (0, 1)).all()):
        raise ParameterError("rates are of outcomes 0 and 1, and the prior is positive")
    seen = np.arange(blocks)
    rate_c, rate_t = ((np.cumsum(y, axis=-1) - y + prior) / (seen + 2 * prior) for y in (c, t))
    pooled = (rate_c + rate_t) / 2
    steps = sum(
        np.log(np.where(y == 1, rate, 1 - rate) / np.where(y == 1, pooled, 1 - pooled))
        for y, rate in ((c, rate_c), (t, rate_t))
    )
    return np.asarray(np.cumsum(steps, axis=-1))


def bernoulli_log_e(
    rate: npt.ArrayLike, successes: float, n: float, planned_n: float, tuning_alpha: float = 0.05
) -> Array:
    """Log e-value against the hypothesis that the success rate is `rate`, exact at every size.

    Beta-binomial mixture with mean `rate` (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, sec. 3.2), its weight
    chosen for `planned_n`.

    Examples
    --------
    >>> round(float(bernoulli_log_e(0.5, 20, 20, 100)), 4)
    6.587
    """
    p = np.asarray(rate, dtype=np.float64)
    weight = max(mixture_precision(planned_n, tuning_alpha) - 1, _LEAST_PRIOR)
    a, b = p * weight, (1 - p) * weight
    evidence = special.betaln(a + successes, b + n - successes) - special.betaln(a, b)
    return np.asarray(evidence - special.xlogy(successes, p) - special.xlog1py(n - successes, -p))


def bernoulli_sequence(
    successes: float, n: float, alpha: float, planned_n: float, tuning_alpha: float = 0.05
) -> tuple[float, float]:
    """Confidence sequence of one success rate: valid at every size and at every look, not only asymptotically.

    Parameters
    ----------
    successes, n : float
        Units with a 1, and all units so far; n = 0 gives (0, 1).
    alpha : float
        All looks together miss the rate with probability alpha at most.
    planned_n : float
        Size at which the interval should be narrow.
    tuning_alpha : float
        Level for which it is tuned.

    Returns
    -------
    low, high : float
        The rates whose e-value is below 1 / alpha.

    Raises
    ------
    ParameterError
        More successes than units, or alpha outside (0, 1).

    Examples
    --------
    >>> bernoulli_sequence(20, 20, 0.05, 100)[1], round(bernoulli_sequence(20, 20, 0.05, 100)[0], 6)
    (1.0, 0.710577)
    """
    if not 0 <= successes <= n or not 0 < alpha < 1:
        raise ParameterError("0 <= successes <= n and alpha in (0, 1) are needed")
    if n == 0:
        return 0.0, 1.0
    threshold, observed = -np.log(alpha), successes / n

    def excess(rate: float) -> float:
        return float(bernoulli_log_e(rate, successes, n, planned_n, tuning_alpha) - threshold)

    tiny = 1e-12
    inside = min(max(observed, tiny), 1 - tiny)
    low, high = 0.0, 1.0
    if observed > tiny and excess(tiny) > 0:
        low = float(optimize.brentq(excess, tiny, inside, xtol=1e-14))
    if observed < 1 - tiny and excess(1 - tiny) > 0:
        high = float(optimize.brentq(excess, inside, 1 - tiny, xtol=1e-14))
    return low, high
