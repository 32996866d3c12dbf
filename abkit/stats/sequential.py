"""Tests that may be looked at on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.stats.estimand import Effect
from abkit.stats.moments import Array


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Always-valid intervals: all looks together miss the truth with probability alpha at most.

    Asymptotic normal-mixture confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, thm 2.2, with the
    tuning of their appendix B.2). Narrowest at the planned size.

    Parameters
    ----------
    planned_units : float
        Size at which the interval should be narrowest.
    alpha : float
        Level for which it is tuned; intervals at other levels use the same mixture.
    burn_in : int
        No verdict with fewer units than this in either variant: the guarantee is asymptotic.

    Examples
    --------
    >>> sequence = ConfidenceSequence(planned_units=1000, alpha=0.05)
    >>> effect = Effect(*(np.array(x) for x in (0.3, 0.1, 998.0, 1000.0, 500.0)))
    >>> round(float(sequence.multiplier(effect, 0.05)), 4)
    3.0351
    """

    planned_units: float
    alpha: float
    burn_in: int = 30
    name: str = "confidence sequence"

    @property
    def mixture_variance(self) -> float:
        """Rho squared: the mixture for which the interval is narrowest at the planned size."""
        return float((-special.lambertw(-(self.alpha**2) / np.e, -1).real - 1) / self.planned_units)

    def multiplier(self, effect: Effect, alpha: npt.ArrayLike) -> Array:
        """Half-width in standard errors; infinite during the burn-in."""
        x = effect.n * self.mixture_variance
        with np.errstate(divide="ignore", invalid="ignore"):
            width = np.sqrt(2 * (x + 1) / x * (np.log1p(x) / 2 - np.log(np.asarray(alpha))))
        return np.where(effect.smallest >= self.burn_in, width, np.inf)

    def p_value(self, effect: Effect) -> Array:
        """The smallest alpha at which this look rejects; 1 during the burn-in."""
        x = effect.n * self.mixture_variance
        with np.errstate(divide="ignore", invalid="ignore"):
            z = effect.value / effect.se
            p = np.exp(np.log1p(x) / 2 - x / (x + 1) * z**2 / 2)
        return np.where(effect.smallest >= self.burn_in, np.minimum(p, 1.0), 1.0)
