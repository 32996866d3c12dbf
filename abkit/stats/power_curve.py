"""Power as a function of size, effect and noise: for means, rates and pairs, on arrays of any shape.

Power is the chance that the test rejects; two-sided tests count both sides unless `strict` is False, which counts only
the side of the true effect (the convention of R's `power.prop.test`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.stats.estimate import Alternative
from abkit.stats.moments import Array
from abkit.stats.score import constrained_rate


def _arrays(*values: npt.ArrayLike) -> list[Array]:
    return [np.asarray(value, dtype=np.float64) for value in values]


def noncentral_t_power(
    noncentrality: npt.ArrayLike, df: npt.ArrayLike, alpha: npt.ArrayLike, alternative: Alternative = "two-sided"
) -> Array:
    """Power of a t test whose statistic is noncentral t (Johnson & Kotz 1970, ch. 31).

    Parameters
    ----------
    noncentrality : array_like (...)
        True effect over its standard error, signed.
    df : array_like (...)
        Degrees of freedom, positive.
    alpha : array_like (...)
    alternative : {"two-sided", "greater", "less"}

    Returns
    -------
    array (...)

    Examples
    --------
    >>> round(float(noncentral_t_power(10**0.5, 38, 0.05)), 6)
    0.868953
    """
    shift, degrees, level = _arrays(noncentrality, df, alpha)
    if alternative == "less":
        shift = -shift
    elif alternative == "two-sided":
        shift, level = np.abs(shift), level / 2
    bound = -special.stdtrit(degrees, level)
    power = 1 - _noncentral_t(degrees, shift, bound)
    if alternative == "two-sided":
        power = power + _noncentral_t(degrees, shift, -bound)
    return np.asarray(power)


def _noncentral_t(df: Array, shift: Array, t: Array) -> Array:
    """Distribution function; far out, where scipy has no number, the normal one of Abramowitz & Stegun (26.7.10)."""
    exact = special.nctdtr(df, shift, t)
    near = special.ndtr((t * (1 - 1 / (4 * df)) - shift) / np.sqrt(1 + t**2 / (2 * df)))
    return np.asarray(np.where(np.isnan(exact), near, exact))


def normal_power(
    distance: npt.ArrayLike,
    null_se: npt.ArrayLike,
    se: npt.ArrayLike,
    alpha: npt.ArrayLike,
    alternative: Alternative = "two-sided",
    strict: bool = True,
) -> Array:
    """Power of a z test whose standard error differs between the hypothesis and the truth (Fleiss 1981, eq. 3.14).

    Parameters
    ----------
    distance : array_like (...)
        True effect minus the hypothesized one.
    null_se, se : array_like (...)
        Standard error that the test uses under the hypothesis, and the true one.
    alpha, alternative
        As in `noncentral_t_power`.
    strict : bool
        Count the wrong side of a two-sided test too.

    Returns
    -------
    array (...)

    Examples
    --------
    >>> round(float(normal_power(2.8, 1.0, 1.0, 0.05)), 4)
    0.7996
    """
    away, null, true, level = _arrays(distance, null_se, se, alpha)
    if alternative == "less":
        away = -away
    elif alternative == "two-sided":
        away, level = np.abs(away), level / 2
    bound = -special.ndtri(level) * null
    with np.errstate(divide="ignore", invalid="ignore"):
        power = special.ndtr((away - bound) / true)
        if alternative == "two-sided" and strict:
            power = power + special.ndtr((-away - bound) / true)
    return np.asarray(power)


def mean_power(
    effect: npt.ArrayLike,
    sd_control: npt.ArrayLike,
    sd_treatment: npt.ArrayLike,
    n_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: Alternative = "two-sided",
) -> Array:
    """Power of the t test of two means.

    Parameters
    ----------
    effect, sd_control, sd_treatment : array_like (...)
        True difference and standard deviations per unit, in the metric's unit.
    n_control, n_treatment : array_like (...)
        Units; need not be whole, above 1.
    alpha, alternative
        As in `noncentral_t_power`.

    Returns
    -------
    array (...)
        With n0 + n1 - 2 degrees of freedom where the two standard deviations are equal (Cohen 1988, ch. 2), else with
        those that Welch's test has at them.

    Examples
    --------
    >>> round(float(mean_power(1.0, 1.0, 1.0, 20, 20)), 6)
    0.868953
    """
    delta, sd_c, sd_t, n_c, n_t = _arrays(effect, sd_control, sd_treatment, n_control, n_treatment)
    var_c, var_t = sd_c**2 / n_c, sd_t**2 / n_t
    welch = (var_c + var_t) ** 2 / (var_c**2 / (n_c - 1) + var_t**2 / (n_t - 1))
    df = np.where(sd_c == sd_t, n_c + n_t - 2, welch)
    return noncentral_t_power(delta / np.sqrt(var_c + var_t), df, alpha, alternative)


def paired_power(
    effect: npt.ArrayLike,
    sd_difference: npt.ArrayLike,
    pairs: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: Alternative = "two-sided",
) -> Array:
    """Power of the paired t test; `sd_difference` is that of treatment minus control within a pair.

    Examples
    --------
    >>> round(float(paired_power(0.5, 1.0, 34)), 4)
    0.8078
    """
    delta, sd, n = _arrays(effect, sd_difference, pairs)
    return noncentral_t_power(delta / (sd / np.sqrt(n)), n - 1, alpha, alternative)


def rate_power(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    n_control: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: Alternative = "two-sided",
    gap: npt.ArrayLike = 0.0,
    strict: bool = True,
) -> Array:
    """Power of the score test of two rates.

    Parameters
    ----------
    control, treatment : array_like (...)
        True rates, in (0, 1).
    n_control, n_treatment : array_like (...)
    alpha, alternative, strict
        As in `normal_power`.
    gap : array_like (...)
        Difference under the hypothesis: 0, or minus the margin of a non-inferiority test.

    Returns
    -------
    array (...)
        Pooled variance under the hypothesis and separate ones under the truth at gap 0 (Fleiss, Levin & Paik 2003, eq.
        4.14); constrained maximum likelihood at another gap (Farrington & Manning 1990, eq. 4).

    Examples
    --------
    >>> round(float(rate_power(0.5, 0.75, 50, 50)), 5)
    0.74017
    """
    p_c, p_t, n_c, n_t, null_gap = np.broadcast_arrays(*_arrays(control, treatment, n_control, n_treatment, gap))
    null_c = constrained_rate(p_t, n_t, p_c, n_c, null_gap)
    null_t = np.clip(null_c + null_gap, 0.0, 1.0)
    null_se = np.sqrt(null_c * (1 - null_c) / n_c + null_t * (1 - null_t) / n_t)
    se = np.sqrt(p_c * (1 - p_c) / n_c + p_t * (1 - p_t) / n_t)
    return normal_power(p_t - p_c - null_gap, null_se, se, alpha, alternative, strict)


def discordant_power(
    effect: npt.ArrayLike,
    discordant: npt.ArrayLike,
    pairs: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: Alternative = "two-sided",
    strict: bool = True,
) -> Array:
    """Power of McNemar's test of two rates on the same units (Connor 1987, eq. 3).

    Parameters
    ----------
    effect : array_like (...)
        Difference of the rates, smaller in size than `discordant`.
    discordant : array_like (...)
        Share of units on which the two variants differ.
    pairs : array_like (...)

    Returns
    -------
    array (...)

    Examples
    --------
    >>> round(float(discordant_power(0.1, 0.3, 234)), 3)
    0.802
    """
    delta, share, n = _arrays(effect, discordant, pairs)
    return normal_power(
        delta, np.sqrt(share / n), np.sqrt((share - delta**2) / n), alpha, alternative=alternative, strict=strict
    )
