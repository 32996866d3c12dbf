"""Rates with a beta prior: exact posterior of a difference and of which is best, by quadrature on the logit scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.bayes import BayesEstimate, BetaPrior, Goal
from abkit.stats.moments import Array

_REACH = np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 13, 17, 23, 31, 45])
_NEAR = np.geomspace(1e-12, 1.0, 13)
_ORDER = 20
_UNIFORM = BetaPrior()


@dataclass(frozen=True, slots=True)
class BestRate(Displayed):
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
    ParameterError
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
        raise ParameterError(f"0 <= successes <= n is needed, not {successes} of {n}")
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


def _grid(arms: Sequence[tuple[float, float]], kinks: Sequence[float] = ()) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on the logit scale, dense where any of the rates may lie and about the kinks."""
    edges = [np.array([])]
    for a, b in arms:
        center = special.digamma(a) - special.digamma(b)
        spread = np.sqrt(special.polygamma(1, a) + special.polygamma(1, b)) * _REACH
        edges += [center - spread, center + spread]
    cuts = np.unique(np.concatenate(edges))
    for kink in kinks:
        near = np.concatenate([special.logit(kink) + side * _NEAR for side in (-1.0, 0.0, 1.0)])
        cuts = np.unique(np.concatenate([cuts, near[(near > cuts[0]) & (near < cuts[-1])]]))
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    half = np.diff(cuts)[:, None] / 2
    return (cuts[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()


def _difference_quantile(control: tuple[float, float], treatment: tuple[float, float], p: float) -> float:
    """Integrate over the narrower of the two rates, across which the distribution of the other one is smooth."""
    narrow_control = _sd(*control) <= _sd(*treatment)
    narrow, wide = (control, treatment) if narrow_control else (treatment, control)
    cumulative, side = (special.betainc, 1.0) if narrow_control else (special.betaincc, -1.0)

    def excess(difference: float) -> float:
        kinks = [edge for edge in (-side * difference, 1 - side * difference) if 0 < edge < 1]
        y, weights = _grid([narrow], kinks)
        mass = _mass(y, weights, *narrow)
        return float(mass @ cumulative(*wide, np.clip(special.expit(y) + side * difference, 0.0, 1.0))) - p

    return float(optimize.brentq(excess, -1.0, 1.0, xtol=1e-13))
