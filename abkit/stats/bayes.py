"""Bayesian readouts: chance to win, expected loss and credible interval, with the prior written into the result.

None of them is a stopping rule: an A/A test that is stopped as soon as the chance to win passes 95 % either way calls a
winner in more than a third of all runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError

Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True)
class BetaPrior(Displayed):
    """Prior of a rate: `alpha` successes and `beta` failures seen before; both > 0."""

    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.beta > 0):
            raise ParameterError(f"a beta prior has positive parameters, not {self.alpha} and {self.beta}")


@dataclass(frozen=True, slots=True)
class NormalPrior(Displayed):
    """Prior of an effect, in the effect's own unit; sd > 0, infinite for a flat one."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not self.sd > 0:
            raise ParameterError(f"the standard deviation of a prior is positive, not {self.sd}")


LIFT_PRIOR = NormalPrior(0.0, 0.3)
FLAT_PRIOR = NormalPrior(0.0, float("inf"))


@dataclass(frozen=True, slots=True)
class BayesEstimate(Displayed):
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
    ParameterError
        A standard error that is not positive.

    Examples
    --------
    >>> belief = normal_normal(0.05, 0.02, LIFT_PRIOR)
    >>> round(belief.value, 4), round(belief.chance_to_win, 4)
    (0.0498, 0.9937)
    """
    if not (se > 0 and np.isfinite(effect) and np.isfinite(se)):
        raise ParameterError("a finite effect and a standard error above 0 are needed")
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
