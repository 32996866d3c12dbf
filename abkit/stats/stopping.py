"""What to say at a look of a group-sequential experiment, and what to say once it has stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.boundary import distinct_looks, exit_probabilities
from abkit.stats.estimand import Effect
from abkit.stats.estimate import Estimate
from abkit.stats.group_sequential import Bounds, spending_bounds
from abkit.stats.moments import Array
from abkit.stats.spending import Spending

_EARLY_STOPPING = Spending()
_BEYOND = 40.0
_LEAST_ALPHA = 1e-14


@dataclass(frozen=True, slots=True)
class GroupSequentialTest(Displayed):
    """The test of one look: valid together with all looks before it.

    The interval is the repeated confidence interval, the p-value the repeated p-value: the smallest alpha whose bound
    this look crosses (Jennison & Turnbull 1989). Bounds of the z-statistic are carried over to the effect's own degrees
    of freedom at equal tail probability (Jennison & Turnbull 2000, sec. 4.4).

    Parameters
    ----------
    information : sequence of float
        Shares of the planned information at all looks up to this one, as observed. A look at which nothing was new is
        left out; above 1 the experiment has over-run, and everything is spent.
    spending : Spending
    final : bool
        Whether this is the last look ever, so that it spends what is left.

    Examples
    --------
    >>> test = GroupSequentialTest((0.2, 0.4, 0.6))
    >>> effect = Effect(*(np.array(x) for x in (3.0, 1.0, np.inf, 1000.0, 500.0)))
    >>> round(float(test.multiplier(effect, 0.05)), 4), round(float(test.p_value(effect)), 4)
    (2.6803, 0.0264)
    """

    information: Sequence[float]
    spending: Spending = _EARLY_STOPPING
    final: bool = False
    name: str = "group sequential"

    def __post_init__(self) -> None:
        object.__setattr__(self, "information", distinct_looks(self.information))

    def bound(self, alpha: float) -> float:
        """Bound of the z-statistic at this look; infinite where nothing is spent."""
        return _last_bound(tuple(self.information), self.spending, self.final, float(alpha))

    def multiplier(self, effect: Effect, alpha: npt.ArrayLike) -> Array:
        """Half-width in standard errors."""
        levels = np.asarray(alpha, dtype=np.float64)
        bound = np.array([self.bound(level) for level in levels.ravel()]).reshape(levels.shape)
        with np.errstate(invalid="ignore"):
            t = -special.stdtrit(effect.df, special.ndtr(-bound))
        return np.where(np.isinf(effect.df) | np.isinf(bound), bound, t)

    def p_value(self, effect: Effect) -> Array:
        """Repeated p-value; NaN where the standard error is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(effect.value / effect.se)
            z = np.where(np.isinf(effect.df), t, -special.ndtri(special.stdtr(effect.df, -t)))
        return np.array([self._repeated(score) for score in z.ravel()]).reshape(z.shape)

    def _repeated(self, z: float) -> float:
        if np.isnan(z):
            return float(np.nan)
        score = min(z, _BEYOND)

        def excess(log_alpha: float) -> float:
            return min(self.bound(np.exp(log_alpha)), _BEYOND) - score

        lowest, highest = np.log(_LEAST_ALPHA), np.log1p(-1e-9)
        if excess(highest) > 0:
            return 1.0
        if excess(lowest) <= 0:
            return _LEAST_ALPHA
        return float(np.exp(optimize.brentq(excess, lowest, highest, xtol=1e-10)))


@lru_cache(maxsize=65536)
def _last_bound(information: tuple[float, ...], spending: Spending, final: bool, alpha: float) -> float:
    return float(spending_bounds(information, alpha, 2, spending, final).efficacy[-1])


def stopped_estimate(value: float, se: float, bounds: Bounds, level: float = 0.95) -> Estimate:
    """Estimate after stopping at the last look of `bounds`: median-unbiased, with its interval and p-value.

    The naive estimate is too large after an early stop. Ordered by the look of stopping first and by the z-statistic
    within it, a result is more extreme the earlier it crossed (Tsiatis, Rosner & Mehta 1984, with the estimate of
    Emerson & Fleming 1990).

    Parameters
    ----------
    value, se : float
        Naive effect and standard error at the look at which the experiment stopped; se > 0.
    bounds : Bounds
        Up to and including that look.
    level : float
        Of the interval.

    Returns
    -------
    Estimate
        `value` is the median-unbiased estimate; `details` holds the naive one and the repeated confidence interval
        (valid even if the stopping rule was not obeyed) at the level of the bounds.

    Raises
    ------
    ParameterError
        A standard error that is not positive.

    Examples
    --------
    >>> early = stopped_estimate(3.0, 1.0, spending_bounds([0.5]))
    >>> round(early.value, 4), round(early.low, 4), round(early.p_value, 4)
    (3.0, 1.04, 0.0027)
    """
    if not se > 0:
        raise ParameterError("a standard error above 0 is needed")
    z = value / se
    unit = se * np.sqrt(bounds.information[-1])
    reach = (abs(z) + 12) / float(np.sqrt(bounds.information[0]))

    def drift_at(probability: float) -> float:
        return float(optimize.brentq(lambda drift: _at_least(bounds, z, drift) - probability, -reach, reach))

    tail = (1 - level) / 2 if bounds.sides == 2 else 1 - level
    upper, lower = _at_least(bounds, z, 0.0), _at_least(bounds, -z, 0.0)
    half = float(bounds.efficacy[-1]) * se
    return Estimate(
        drift_at(0.5) * unit,
        se,
        drift_at(tail) * unit,
        drift_at(1 - tail) * unit if bounds.sides == 2 else None,
        p_value=2 * min(upper, lower) if bounds.sides == 2 else upper,
        statistic=z,
        level=level,
        alternative="two-sided" if bounds.sides == 2 else "greater",
        method="stagewise ordering",
        details={
            "naive": value,
            "repeated_low": value - half if np.isfinite(half) else None,
            "repeated_high": value + half if np.isfinite(half) and bounds.sides == 2 else None,
        },
    )


def _at_least(bounds: Bounds, z: float, drift: float) -> float:
    """Probability, at this drift, of a result at least as far up: an earlier crossing above, or z or more here."""
    low = -bounds.efficacy if bounds.sides == 2 else np.full(len(bounds.efficacy), -np.inf)
    high = bounds.efficacy.copy()
    high[-1] = z
    low[-1] = -np.inf
    _, above = exit_probabilities(bounds.information, low, high, drift)
    return float(above.sum())
