"""Stopping when there is little left to find: futility bounds beside the efficacy bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.boundary import Walk, efficacy_bounds, exit_probabilities, following, increasing, upper_root
from abkit.stats.moments import Array
from abkit.stats.spending import Spending

_EARLY_STOPPING = Spending()
_BEYOND = 40.0


@dataclass(frozen=True, slots=True)
class FutilityDesign(Displayed):
    """A one-sided design that may also stop for futility.

    Parameters
    ----------
    information : array (K,)
        Shares of the planned information.
    efficacy, futility : array (K,)
        Reject at or above the first; stop without rejecting below the second. They meet at the last look.
    drift : float
        Mean of the z-statistic at the planned information at which the power is 1 - beta.
    inflation : float
        Planned information over that of a single look with the same error and power.
    binding : bool
        Whether the efficacy bounds rely on stopping below the futility bounds.
    """

    information: Array
    efficacy: Array
    futility: Array
    drift: float
    inflation: float
    binding: bool

    def crossing(self, drift: float) -> tuple[Array, Array]:
        """Probability of stopping for futility and for efficacy at each look, if both bounds are obeyed."""
        return exit_probabilities(self.information, self.futility, self.efficacy, drift)


def futility_design(
    information: npt.ArrayLike,
    alpha: float = 0.025,
    beta: float = 0.2,
    spending: Spending = _EARLY_STOPPING,
    beta_spending: Spending = _EARLY_STOPPING,
    binding: bool = False,
) -> FutilityDesign:
    """Spend alpha on efficacy and beta on futility (Pampallona, Tsiatis & Kim 2001; Anderson & Clark 2010).

    Parameters
    ----------
    information : array_like (K,)
        Increasing shares, the last of which is 1.
    alpha, beta : float
        One-sided error and 1 - power; alpha + beta < 1.
    spending, beta_spending : Spending
        How they are spent.
    binding : bool
        False (the default): the error is alpha even if the futility bounds are ignored.

    Returns
    -------
    FutilityDesign
        The drift is solved so that the two bounds meet at the last look.

    Raises
    ------
    ParameterError
        Information that does not increase to 1, or impossible error rates.

    Examples
    --------
    >>> design = futility_design([0.5, 1.0])
    >>> design.efficacy.round(4).tolist(), design.futility.round(3).tolist(), round(design.inflation, 4)
    ([2.9626, 1.9686], [0.559, 1.969], 1.056)
    """
    times = increasing(information)
    if abs(times[-1] - 1) > 1e-9 or not (alpha > 0 and beta > 0 and alpha + beta < 1):
        raise ParameterError("the last share of information is 1, and alpha, beta > 0 with alpha + beta < 1")
    spent, beta_spent = spending(times, alpha), beta_spending(times, beta)
    fixed = float(special.ndtri(1 - alpha) + special.ndtri(1 - beta))

    def bounds(drift: float) -> tuple[Array, Array]:
        upper = efficacy_bounds(times, spent, sides=1)
        lower = _futility(times, beta_spent, upper, drift)
        for _ in range(40 if binding else 0):
            upper, previous = _binding_efficacy(times, spent, lower), upper
            lower = _futility(times, beta_spent, upper, drift)
            if np.allclose(upper, previous, atol=1e-9, rtol=0):
                break
        return upper, lower

    def gap(drift: float) -> float:
        upper, lower = bounds(drift)
        return float(np.clip(lower[-1] - upper[-1], -_BEYOND, _BEYOND))

    drift = float(optimize.brentq(gap, 0.5 * fixed, 2.0 * fixed, xtol=1e-9))
    upper, lower = bounds(drift)
    lower[-1] = upper[-1]
    return FutilityDesign(times, upper, lower, drift, (drift / fixed) ** 2, binding)


def _futility(times: Array, spent: Array, upper: Array, drift: float) -> Array:
    """Lower bounds below which the design with this drift falls with the probability spent."""
    walk, bounds = Walk.start(-drift), []
    for t, then, portion, high in zip(
        times.tolist(), following(times), np.diff(spent, prepend=0.0).tolist(), upper.tolist(), strict=True
    ):
        bound = -upper_root(walk, t, portion)
        bounds.append(bound if np.isinf(then) else min(bound, high))
        walk = walk.step(t, -high, -bound, then)
    return np.array(bounds)


def _binding_efficacy(times: Array, spent: Array, lower: Array) -> Array:
    walk, bounds = Walk.start(), []
    for t, then, portion, low in zip(
        times.tolist(), following(times), np.diff(spent, prepend=0.0).tolist(), lower.tolist(), strict=True
    ):
        bound = upper_root(walk, t, portion)
        bounds.append(bound)
        walk = walk.step(t, low, bound, then)
    return np.array(bounds)
