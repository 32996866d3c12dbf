"""Bayesian readouts: chance to win, expected loss and credible interval, with the prior written into the result.

None of them is a stopping rule: an A/A test that is stopped as soon as the chance to win passes 95 % either way calls a
winner in more than a third of all runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.stats.moments import Array

Goal = Literal["maximize", "minimize"]
_REACH = np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 13, 17, 23, 31, 45])
_ORDER = 20


@dataclass(frozen=True, slots=True)
class BetaPrior:
    """Prior of a rate: `alpha` successes and `beta` failures seen before; both > 0."""

    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.beta > 0):
            raise ValueError(f"a beta prior has positive parameters, not {self.alpha} and {self.beta}")


@dataclass(frozen=True, slots=True)
class NormalPrior:
    """Prior of an effect, in the effect's own unit; sd > 0, infinite for a flat one."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not self.sd > 0:
            raise ValueError(f"the standard deviation of a prior is positive, not {self.sd}")


LIFT_PRIOR = NormalPrior(0.0, 0.3)
FLAT_PRIOR = NormalPrior(0.0, float("inf"))
_UNIFORM = BetaPrior()


@dataclass(frozen=True, slots=True)
class BayesEstimate:
    """What is believed about an effect after the data.

    Parameters
    ----------
    value, sd : float
        Posterior mean and standard deviation of treatment minus control.
    low, high : float
        Equal-tailed credible interval at `level`.
    chance_to_win : float
        Probability that the treatment is better, in the metric's goal.
    loss_if_shipped, loss_if_kept : float
        Expected loss of shipping the treatment, and of keeping the control, in the effect's unit.
    level : float
    prior : BetaPrior or NormalPrior
    goal : {"maximize", "minimize"}
    """

    value: float
    sd: float
    low: float
    high: float
    chance_to_win: float
    loss_if_shipped: float
    loss_if_kept: float
    level: float
    prior: BetaPrior | NormalPrior
    goal: Goal


@dataclass(frozen=True, slots=True)
class BestRate:
    """Which of k rates is the best one.

    Parameters
    ----------
    value : array (k,)
        Posterior means.
    chance_best : array (k,)
        Probability of being best; they add up to 1.
    expected_loss : array (k,)
        Expected shortfall from the best, if this one is chosen.
    prior : BetaPrior
    goal : {"maximize", "minimize"}
    """

    value: Array
    chance_best: Array
    expected_loss: Array
    prior: BetaPrior
    goal: Goal


def normal_normal(
    effect: float, se: float, prior: NormalPrior, level: float = 0.95, goal: Goal = "maximize"
) -> BayesEstimate:
    """Posterior of an effect with a normal likelihood and a normal prior.

    Parameters
    ----------
    effect, se : float
        Estimate and standard error, se > 0.
    prior : NormalPrior
        In the unit of the effect: `LIFT_PRIOR` (mean 0, sd 0.3) is a weakly informative one for a lift.
    level : float
    goal : {"maximize", "minimize"}

    Returns
    -------
    BayesEstimate
        Precision-weighted mean; loss = sd phi(mean / sd) - mean Phi(-mean / sd) (Gelman et al. 2013, eq. 2.10; Raiffa &
        Schlaifer 1961, sec. 5.4).

    Raises
    ------
    ValueError
        A standard error that is not positive.

    Examples
    --------
    >>> belief = normal_normal(0.05, 0.02, LIFT_PRIOR)
    >>> round(belief.value, 4), round(belief.chance_to_win, 4)
    (0.0498, 0.9937)
    """
    if not (se > 0 and np.isfinite(effect) and np.isfinite(se)):
        raise ValueError("a finite effect and a standard error above 0 are needed")
    weight = prior.sd**-2
    precision = se**-2 + weight
    mean, sd = (effect / se**2 + prior.mean * weight) / precision, precision**-0.5
    half = float(special.ndtri((1 + level) / 2)) * sd
    better = mean if goal == "maximize" else -mean
    return BayesEstimate(
        mean,
        sd,
        mean - half,
        mean + half,
        float(special.ndtr(better / sd)),
        _shortfall(better, sd),
        _shortfall(-better, sd),
        level,
        prior,
        goal,
    )


def _shortfall(mean: float, sd: float) -> float:
    """Mean of the negative part of a normal variable."""
    x = mean / sd
    return float(sd * (np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) - x * special.ndtr(-x)))


def beta_binomial(
    control_successes: float,
    control_n: float,
    treatment_successes: float,
    treatment_n: float,
    prior: BetaPrior = _UNIFORM,
    level: float = 0.95,
    goal: Goal = "maximize",
) -> BayesEstimate:
    """Posterior of the difference of two rates, each with the same beta prior.

    Parameters
    ----------
    control_successes, control_n, treatment_successes, treatment_n : float
        Units with a 1, and all units.
    prior : BetaPrior
    level : float
    goal : {"maximize", "minimize"}

    Returns
    -------
    BayesEstimate
        Exact, by quadrature on the logit scale: the chance is the integral of one density times the other distribution
        function, the losses are integrals of F (1 - G), which lose no digits (Miller 2015 and Stucchio 2015 give the
        finite sums for whole-number priors).

    Raises
    ------
    ValueError
        More successes than units, or a negative count.

    Examples
    --------
    >>> belief = beta_binomial(49, 100, 51, 100)
    >>> round(belief.chance_to_win, 6), round(belief.loss_if_shipped, 6)
    (0.610771, 0.019116)
    """
    control, treatment = (
        _posterior(s, n, prior) for s, n in ((control_successes, control_n), (treatment_successes, treatment_n))
    )
    y, weights = _grid([control, treatment])
    rate, inner = special.expit(y), weights * special.expit(y) * special.expit(-y)
    below_c, below_t = special.betainc(*control, rate), special.betainc(*treatment, rate)
    above_c, above_t = special.betaincc(*control, rate), special.betaincc(*treatment, rate)
    gained, lost = float(inner @ (below_c * above_t)), float(inner @ (below_t * above_c))
    if goal == "minimize":
        below_c, gained, lost = above_c, lost, gained
    tail = (1 - level) / 2
    return BayesEstimate(
        _mean(*treatment) - _mean(*control),
        float(np.hypot(_sd(*control), _sd(*treatment))),
        _difference_quantile(control, treatment, tail),
        _difference_quantile(control, treatment, 1 - tail),
        float(_mass(y, weights, *treatment) @ below_c),
        lost,
        gained,
        level,
        prior,
        goal,
    )


def best_rate(
    successes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior = _UNIFORM, goal: Goal = "maximize"
) -> BestRate:
    """Probability of being the best of k rates, and the expected loss of choosing each.

    Parameters
    ----------
    successes, n : array_like (k,)
        Units with a 1, and all units.
    prior : BetaPrior
    goal : {"maximize", "minimize"}

    Returns
    -------
    BestRate
        By one-dimensional quadrature: density of one times the distribution functions of all others.

    Examples
    --------
    >>> best_rate([40, 50, 60], [100, 100, 100]).chance_best.round(4).tolist()
    [0.0014, 0.0783, 0.9204]
    """
    counts, sizes = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    arms = [_posterior(s, size, prior) for s, size in zip(counts.tolist(), sizes.tolist(), strict=True)]
    y, weights = _grid(arms)
    rate, inner = special.expit(y), weights * special.expit(y) * special.expit(-y)
    worse = np.array([(special.betainc if goal == "maximize" else special.betaincc)(a, b, rate) for a, b in arms])
    others = np.array([np.prod(np.delete(worse, i, axis=0), axis=0) for i in range(len(arms))])
    mass = np.array([_mass(y, weights, a, b) for a, b in arms])
    return BestRate(
        np.array([_mean(a, b) for a, b in arms]),
        (mass * others).sum(axis=1),
        (worse * (1 - others)) @ inner,
        prior,
        goal,
    )


def _posterior(successes: float, n: float, prior: BetaPrior) -> tuple[float, float]:
    if not 0 <= successes <= n:
        raise ValueError(f"0 <= successes <= n is needed, not {successes} of {n}")
    return prior.alpha + successes, prior.beta + n - successes


def _mean(a: float, b: float) -> float:
    return a / (a + b)


def _sd(a: float, b: float) -> float:
    return float(np.sqrt(a * b / (a + b + 1)) / (a + b))


def _mass(y: Array, weights: Array, a: float, b: float) -> Array:
    """Probability that each node stands for, of the logit of a beta variable."""
    log_density = a * special.log_expit(y) + b * special.log_expit(-y)
    mass = weights * np.exp(log_density - log_density.max())
    return np.asarray(mass / mass.sum())


def _grid(arms: Sequence[tuple[float, float]]) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on the logit scale, dense where any of the rates may lie."""
    edges = []
    for a, b in arms:
        center = special.digamma(a) - special.digamma(b)
        spread = np.sqrt(special.polygamma(1, a) + special.polygamma(1, b)) * _REACH
        edges += [center - spread, center + spread]
    cuts = np.unique(np.concatenate(edges))
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    half = np.diff(cuts)[:, None] / 2
    return (cuts[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()


def _difference_quantile(control: tuple[float, float], treatment: tuple[float, float], p: float) -> float:
    """Integrate over the narrower of the two rates, across which the distribution of the other one is smooth."""
    narrow_control = _sd(*control) <= _sd(*treatment)
    narrow, wide = (control, treatment) if narrow_control else (treatment, control)
    y, weights = _grid([narrow])
    mass, rate = _mass(y, weights, *narrow), special.expit(y)
    cumulative, side = (special.betainc, 1.0) if narrow_control else (special.betaincc, -1.0)

    def excess(difference: float) -> float:
        return float(mass @ cumulative(*wide, np.clip(rate + side * difference, 0.0, 1.0))) - p

    return float(optimize.brentq(excess, -1.0, 1.0, xtol=1e-13))
