"""What a result that was selected for being significant, or the best, is really worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.display import Card, Displayed, Table, cell
from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate
from abkit.stats.means import check_level
from abkit.stats.scenario import check_range

_SQRT_2PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True, repr=False)
class Exaggeration(Displayed):
    """What significance does to estimates of one true effect.

    Parameters
    ----------
    power : float
        Chance of significance.
    sign_error : float
        Type S: chance that a significant estimate has the wrong sign.
    exaggeration : float
        Type M: mean size of a significant estimate over the true one.
    """

    power: float
    sign_error: float
    exaggeration: float

    def _card(self) -> Card:
        rows = [(name, cell(getattr(self, name))) for name in ("power", "sign_error", "exaggeration")]
        return Card("significant estimates", tables=[Table((), rows)])


def exaggeration(true_effect: float, se: float, *, alpha: float = 0.05) -> Exaggeration:
    """Power, type S and type M error of a two-sided test at a supposed true effect.

    Parameters
    ----------
    true_effect : float
        What is believed for reasons outside the data, such as the minimum detectable effect; not 0, and never the
        estimate itself.
    se : float
        Standard error of the estimate, positive.
    alpha : float

    Returns
    -------
    Exaggeration
        Gelman & Carlin (2014) in closed form (Lu, Qiu & Deng 2019, prop. 1-3).

    Raises
    ------
    ParameterError
        A true effect of 0, or numbers out of range.

    Examples
    --------
    >>> exaggeration(2, 8.1)
    significant estimates
      power         0.0570129
      sign_error    0.239618
      exaggeration  9.53663
    """
    check_range("alpha", alpha, 0, 1)
    check_range("se", se, 0, math.inf)
    if true_effect == 0 or not math.isfinite(true_effect):
        raise ParameterError("a true effect of 0 cannot be exaggerated: give the effect that is believed")
    ratio, z = abs(true_effect) / se, -float(special.ndtri(alpha / 2))
    right, wrong = float(special.ndtr(ratio - z)), float(special.ndtr(-ratio - z))
    power = right + wrong
    size = _density(z - ratio) + _density(z + ratio) + ratio * (right - wrong)
    return Exaggeration(power, wrong / power, size / power / ratio)


def shrink(value: float, se: float, *, prior_sd: float, prior_mean: float = 0.0, level: float = 0.95) -> Estimate:
    """Shrink an estimate towards what effects usually are: the normal posterior.

    Parameters
    ----------
    value, se : float
        Estimate and standard error.
    prior_sd, prior_mean : float
        Of the true effects of past experiments, see `effect_spread`. The posterior does not depend on how this one was
        selected from experiments with that spread (Dawid 1994; Senn 2008).
    level : float
        Of the credible interval.

    Returns
    -------
    Estimate
        Posterior mean, standard deviation and interval; `details` has the weight of the data.

    Examples
    --------
    >>> answer = shrink(2.0, 1.0, prior_sd=1.0)
    >>> answer.value, round(answer.se, 4)
    (1.0, 0.7071)
    """
    check_range("se", se, 0, math.inf)
    check_range("prior_sd", prior_sd, 0, math.inf)
    weight = prior_sd**2 / (prior_sd**2 + se**2)
    mean, sd = prior_mean + weight * (value - prior_mean), math.sqrt(weight) * se
    half = -float(special.ndtri(check_level(level) / 2)) * sd
    details = {"weight": weight, "prior_mean": prior_mean, "prior_sd": prior_sd}
    return Estimate(mean, sd, mean - half, mean + half, level=level, method="normal posterior", details=details)


def effect_spread(values: npt.ArrayLike, ses: npt.ArrayLike) -> tuple[float, float]:
    """Mean and standard deviation of the true effects behind past estimates, by maximum likelihood.

    Parameters
    ----------
    values, ses : array_like (m,)
        Estimates of all past experiments, significant or not, and their standard errors; m >= 2.

    Returns
    -------
    mean, sd : float
        The prior for `shrink` (Efron & Morris 1973; Hardy & Thompson 1996, eq. 3). sd is 0 where the estimates vary no
        more than their errors.

    Examples
    --------
    >>> mean, sd = effect_spread([3.0, -3.0, 1.0, -1.0], [0.1, 0.1, 0.1, 0.1])
    >>> round(mean, 6), round(sd, 3)
    (0.0, 2.234)
    """
    y, s = np.asarray(values, dtype=np.float64), np.asarray(ses, dtype=np.float64)
    if y.size < 2 or y.shape != s.shape or not np.isfinite(y).all() or not (np.isfinite(s) & (s > 0)).all():
        raise ParameterError("a spread needs two or more finite estimates with positive standard errors")

    def mean_at(tau2: float) -> float:
        weight = 1 / (s**2 + tau2)
        return float((weight * y).sum() / weight.sum())

    def slope(tau2: float) -> float:
        variance = s**2 + tau2
        return float((((y - mean_at(tau2)) ** 2 - variance) / variance**2).sum())

    largest = float(((y - y.mean()) ** 2).max()) + float(s.max()) ** 2
    tau2 = float(optimize.brentq(slope, 0.0, largest)) if slope(0.0) > 0 > slope(largest) else 0.0
    return mean_at(tau2), math.sqrt(tau2)


def conditional_estimate(value: float, se: float, *, alpha: float = 0.05, level: float = 0.95) -> Estimate:
    """Estimate of an effect that is only reported because it was significant.

    Parameters
    ----------
    value, se : float
        The significant estimate (|value| / se beyond the two-sided bound of `alpha`) and its standard error.
    alpha : float
        Two-sided level that selected it.
    level : float

    Returns
    -------
    Estimate
        Maximum likelihood given significance (Hedges 1984, eq. 9; Zhong & Prentice 2008) with the equal-tailed
        interval that inverts the conditional distribution; `details` has the median-unbiased estimate.

    Raises
    ------
    ParameterError
        An estimate that was not significant.

    Examples
    --------
    >>> answer = conditional_estimate(2.5, 1.0)
    >>> round(answer.value, 3), answer.low < 0 < answer.high
    (1.138, True)
    """
    check_range("alpha", alpha, 0, 1)
    check_range("se", se, 0, math.inf)
    bound, z = -float(special.ndtri(alpha / 2)), value / se
    if abs(z) < bound:
        raise ParameterError(f"|value| / se = {abs(z):g} is not beyond {bound:g}: nothing was selected")
    size = abs(z)
    likely = optimize.minimize_scalar(
        lambda theta: (size - theta) ** 2 / 2 + math.log(_selected(theta, bound)),
        bounds=(-1.0, size),
        method="bounded",
        options={"xatol": 1e-10},
    ).x

    def solve(tail: float) -> float:
        return float(optimize.brentq(lambda theta: _upper_share(size, theta, bound) - tail, -60.0, size + 60.0))

    outside = check_level(level) / 2
    low, middle, high = solve(outside), solve(0.5), solve(1 - outside)
    sign = math.copysign(1.0, value) * se
    low, high = sorted((sign * low, sign * high))
    details = {"median_unbiased": sign * middle, "observed": value}
    return Estimate(sign * float(likely), se, low, high, level=level, method="given significance", details=details)


def _selected(theta: float, bound: float) -> float:
    return float(special.ndtr(theta - bound) + special.ndtr(-theta - bound))


def _upper_share(size: float, theta: float, bound: float) -> float:
    """Chance of a standardized estimate above `size`, given one beyond the bound on either side; rises with theta."""
    upper = special.log_ndtr(theta - size)
    both = np.logaddexp(special.log_ndtr(theta - bound), special.log_ndtr(-theta - bound))
    return float(np.exp(upper - both))


def best_of(values: npt.ArrayLike, ses: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Effect of the best of k variants, shrunken jointly: the winner is partly lucky.

    Parameters
    ----------
    values, ses : array_like (k,)
        Effects of all variants, signed so that larger is better, and their standard errors; k >= 3.
    level : float

    Returns
    -------
    Estimate
        Of the variant with the largest value, shrunken towards the mean of all (empirical Bayes: Efron & Morris 1973);
        `details` has its place, its observed value, and the prior. The interval takes the prior as known.

    Examples
    --------
    >>> answer = best_of([0.1, 0.5, 3.0, -0.2], [1.0, 1.0, 1.0, 1.0])
    >>> answer.details["variant"], answer.value < 3.0
    (2, True)
    """
    effects, errors = np.asarray(values, dtype=np.float64), np.asarray(ses, dtype=np.float64)
    if effects.size < 3:
        raise ParameterError("joint shrinkage needs at least three variants to see how much they differ")
    mean, spread = effect_spread(effects, errors)
    place = int(effects.argmax())
    observed = {"variant": place, "observed": float(effects[place])}
    if spread == 0:
        se = float(1 / np.sqrt((1 / errors**2).sum()))
        half = -float(special.ndtri(check_level(level) / 2)) * se
        return Estimate(mean, se, mean - half, mean + half, level=level, method="empirical Bayes", details=observed)
    answer = shrink(float(effects[place]), float(errors[place]), prior_sd=spread, prior_mean=mean, level=level)
    details = {**observed, **answer.details}
    return Estimate(
        answer.value, answer.se, answer.low, answer.high, level=level, method="empirical Bayes", details=details
    )


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / _SQRT_2PI
