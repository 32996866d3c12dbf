"""Tests that may be looked at on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.estimand import Effect
from abkit.stats.moments import Array


def mixture_variance(planned_units: float, alpha: float, exact: bool = True) -> float:
    """Rho squared: the mixture for which the confidence sequence is narrowest at the planned size.

    Parameters
    ----------
    planned_units : float
        Units at which the interval should be narrowest, over all variants; > 0.
    alpha : float
        In (0, 1).
    exact : bool
        False: (-2 log(alpha) + log(1 - 2 log(alpha))) / planned_units, the approximation that other tools print.

    Returns
    -------
    float
        (-W(-alpha^2 / e) - 1) / planned_units on the lower branch of Lambert's W (Waudby-Smith et al. 2021, app. B.2).

    Raises
    ------
    ParameterError
        A size that is not positive, or alpha outside (0, 1).

    Examples
    --------
    >>> round(mixture_variance(1000, 0.05), 8)
    0.00821197
    """
    if not planned_units > 0 or not 0 < alpha < 1:
        raise ParameterError(f"a planned size above 0 and alpha in (0, 1) are needed, not {planned_units} and {alpha}")
    if not exact:
        return float((-2 * np.log(alpha) + np.log1p(-2 * np.log(alpha))) / planned_units)
    return float((-special.lambertw(-(alpha**2) / np.e, -1).real - 1) / planned_units)


def sequence_margin(n: npt.ArrayLike, variance: float, alpha: npt.ArrayLike) -> Array:
    """Half-width of the asymptotic confidence sequence of a mean, for unit variance per observation.

    Parameters
    ----------
    n : array_like (...)
        Observations so far; > 0.
    variance : float
        Rho squared, see `mixture_variance`.
    alpha : array_like (...)

    Returns
    -------
    array (...)
        In standard deviations of one observation (Waudby-Smith et al. 2021, eq. 11). Times sqrt(n) it is the half-width
        in standard errors.

    Examples
    --------
    >>> sequence_margin([50, 1000], mixture_variance(1000, 0.05), 0.05).round(6).tolist()
    [0.659778, 0.095979]
    """
    count = np.asarray(n, dtype=np.float64)
    x = count * variance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(2 * (x + 1) / x * (np.log1p(x) / 2 - np.log(np.asarray(alpha))) / count))


def sequence_p_value(z: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """Always-valid p-value of one look: the smallest alpha whose confidence sequence excludes 0.

    Parameters
    ----------
    z : array_like (...)
        Effect over its standard error.
    x : array_like (...)
        Units times the mixture variance.

    Returns
    -------
    array (...)
        min(1, sqrt(x + 1) exp(-x z^2 / (2 (x + 1)))); over several looks, take the running minimum.

    Examples
    --------
    >>> round(float(sequence_p_value(2.0, 7.0)), 4)
    0.4915
    """
    size = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.exp(np.log1p(size) / 2 - size / (size + 1) * np.asarray(z, dtype=np.float64) ** 2 / 2)
    return np.asarray(np.minimum(p, 1.0))


@dataclass(frozen=True, slots=True)
class ConfidenceSequence(Displayed):
    """Always-valid intervals: all looks together miss the truth with probability alpha at most.

    Asymptotic normal-mixture confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, thm 2.2, with the
    tuning of their appendix B.2). Narrowest at the planned size.

    Parameters
    ----------
    planned_units : float
        Size at which the interval should be narrowest.
    alpha : float
        Level for which it is tuned; intervals at other levels use the same mixture.
    burn_in : int or array (...)
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
    burn_in: int | Array = 30
    name: str = "confidence sequence"

    @property
    def mixture_variance(self) -> float:
        """Rho squared: the mixture for which the interval is narrowest at the planned size."""
        return mixture_variance(self.planned_units, self.alpha)

    def multiplier(self, effect: Effect, alpha: npt.ArrayLike) -> Array:
        """Half-width in standard errors; infinite during the burn-in."""
        width = sequence_margin(effect.n, self.mixture_variance, alpha) * np.sqrt(effect.n)
        return np.where(effect.smallest >= self.burn_in, width, np.inf)

    def p_value(self, effect: Effect) -> Array:
        """The smallest alpha at which this look rejects; 1 during the burn-in."""
        x = effect.n * self.mixture_variance
        with np.errstate(divide="ignore", invalid="ignore"):
            p = sequence_p_value(effect.value / effect.se, x)
        return np.where(effect.smallest >= self.burn_in, p, 1.0)
