"""Exact probabilities of crossing a boundary at a sequence of looks.

The z-statistics of an accumulating experiment are, at information t_1 < t_2 < ..., those of a Brownian motion with
drift: Z_k is normal with mean drift * sqrt(t_k) and variance 1, with independent increments of Z_k sqrt(t_k). The
density of what is still inside the bounds is carried from look to look by Gauss-Legendre quadrature (Armitage,
McPherson & Rowe 1969; Jennison & Turnbull 2000, sec. 19.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.errors import ParameterError
from abkit.stats.moments import Array

_FAR = 9.0
_PANEL = 16
_PANELS_PER_SD = 0.25
_BLOCK = 512
_STEPS = 50
_SAME_LOOK = 1e-4
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Walk:
    """The part of all experiments that no bound has stopped so far, at one look.

    Parameters
    ----------
    information : float
        At the look; 0 before the first.
    nodes, mass : array (m,)
        z-statistics, and the probability that each of them stands for.
    drift : float
        Mean of the z-statistic at information 1.
    """

    information: float
    nodes: Array
    mass: Array
    drift: float

    @classmethod
    def start(cls, drift: float = 0.0) -> Walk:
        """Begin before the first look."""
        return cls(0.0, np.zeros(1), np.ones(1), drift)

    def above(self, information: float, bound: float) -> float:
        """Probability of going on to the next look and being above `bound` there."""
        mean, sd = self._next(information)
        return float(self.mass @ special.ndtr((mean - bound) / sd))

    def below(self, information: float, bound: float) -> float:
        """Probability of going on to the next look and being below `bound` there."""
        mean, sd = self._next(information)
        return float(self.mass @ special.ndtr((bound - mean) / sd))

    def exceeded(self, information: float, portion: float) -> float:
        """Bound that the next z-statistic exceeds with probability `portion`, which is more than 0.

        By Newton on the logarithm of the probability, which is concave: from a bound that is too high, as that of an
        experiment which nothing stops, the steps come down to the root and never pass it.
        """
        center = self.drift * np.sqrt(information)
        mean, sd = self._next(information)
        bound, log_portion = center - float(special.ndtri(portion)), np.log(portion)
        for _ in range(_STEPS):
            z = (mean - bound) / sd
            chance = float(self.mass @ special.ndtr(z))
            density = float(self.mass @ np.exp(-0.5 * z * z)) / (sd * _ROOT_TWO_PI)
            if not chance > 0 < density:
                break
            step = (np.log(chance) - log_portion) * chance / density
            bound += step
            if abs(step) < 1e-11:
                return float(bound)
        return self._bracketed(information, portion, center)

    def _bracketed(self, information: float, portion: float, center: float) -> float:
        """The same without slopes, where there is too little mass for them."""

        def excess(bound: float) -> float:
            return self.above(information, bound) - portion

        return float(optimize.brentq(excess, center - 40, center + 40, xtol=1e-11))

    def step(self, information: float, low: float, high: float, following: float = np.inf) -> Walk:
        """Go on to the next look, keep what is between `low` and `high`, fine enough for the look `following` it."""
        center = self.drift * np.sqrt(information)
        low, high = max(low, center - _FAR), min(high, center + _FAR)
        if high <= low:
            return Walk(information, np.array([center]), np.zeros(1), self.drift)
        mean, sd = self._next(information)
        finest = min(sd, np.sqrt((following - information) / information))
        nodes, weights = _composite(max(1, int(np.ceil((high - low) / finest * _PANELS_PER_SD))))
        z = low + (high - low) * nodes
        return Walk(information, z, weights * (high - low) * self._density(z, mean, sd), self.drift)

    def _density(self, z: Array, mean: Array, sd: float) -> Array:
        """Density of the next z-statistic; nodes farther off than anything counts are passed over."""
        parts = []
        for start in range(0, len(z), _BLOCK):
            block = z[start : start + _BLOCK]
            first, last = np.searchsorted(mean, [block[0] - _FAR * sd, block[-1] + _FAR * sd])
            kernel = np.exp(-0.5 * ((block[:, None] - mean[first:last]) / sd) ** 2)
            parts.append(kernel @ self.mass[first:last] / (sd * _ROOT_TWO_PI))
        return np.concatenate(parts)

    def _next(self, information: float) -> tuple[Array, float]:
        """Mean of the next z-statistic given each node, and its standard deviation."""
        gained = information - self.information
        mean = (self.nodes * np.sqrt(self.information) + self.drift * gained) / np.sqrt(information)
        return mean, float(np.sqrt(gained / information))


@lru_cache(maxsize=256)
def _composite(panels: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights of [0, 1] cut into equal panels."""
    nodes, weights = np.polynomial.legendre.leggauss(_PANEL)
    starts = np.arange(panels)[:, None]
    return ((starts + (nodes + 1) / 2) / panels).ravel(), np.tile(weights / 2 / panels, panels)


def exit_probabilities(
    information: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, drift: float = 0.0
) -> tuple[Array, Array]:
    """Probability of leaving below and above at each look, for the first time.

    Parameters
    ----------
    information : array_like (K,)
        Increasing, > 0, in any unit (1 is where the z-statistic has mean `drift`).
    low, high : array_like (K,) or float
        Bounds of the z-statistic; may be infinite.
    drift : float
        Mean of the z-statistic at information 1.

    Returns
    -------
    below, above : array (K,)

    Raises
    ------
    ParameterError
        Information that does not increase.

    Examples
    --------
    >>> below, above = exit_probabilities([0.2, 0.4, 0.6, 0.8, 1.0], -1.959964, 1.959964)
    >>> round(float(below.sum() + above.sum()), 6)
    0.141689
    """
    times = increasing(information)
    lows, highs = (np.broadcast_to(np.asarray(b, dtype=np.float64), times.shape) for b in (low, high))
    walk, below, above = Walk.start(drift), [], []
    for t, then, a, b in zip(times.tolist(), following(times), lows.tolist(), highs.tolist(), strict=True):
        below.append(walk.below(t, a))
        above.append(walk.above(t, b))
        walk = walk.step(t, a, b, then)
    return np.array(below), np.array(above)


def efficacy_bounds(information: npt.ArrayLike, spent: npt.ArrayLike, sides: int = 2) -> Array:
    """Bounds that use up exactly the error spent by each look.

    Parameters
    ----------
    information : array_like (K,)
        As observed; increasing, > 0.
    spent : array_like (K,)
        Cumulative error at each look, over both sides where there are two.
    sides : {1, 2}
        2: symmetric, rejecting beyond either bound. 1: rejecting above only.

    Returns
    -------
    array (K,)
        Infinite where nothing (less than 1e-15) is spent at a look.

    Raises
    ------
    ParameterError
        Information that does not increase.

    Examples
    --------
    >>> efficacy_bounds([0.5, 1.0], [0.025, 0.05]).round(4).tolist()
    [2.2414, 2.1251]
    """
    times = increasing(information)
    portions = np.diff(np.asarray(spent, dtype=np.float64), prepend=0.0) / sides
    walk, bounds = Walk.start(), []
    for t, then, portion in zip(times.tolist(), following(times), portions.tolist(), strict=True):
        bound = upper_root(walk, t, portion)
        bounds.append(bound)
        walk = walk.step(t, -bound if sides == 2 else -np.inf, bound, then)
    return np.array(bounds)


def upper_root(walk: Walk, information: float, portion: float) -> float:
    """Bound that the next z-statistic exceeds with probability `portion`.

    Infinite for a portion below 1e-15, minus infinite where no more than the portion is left.
    """
    if portion <= 1e-15:
        return float(np.inf)
    if walk.mass.sum() <= portion:
        return float(-np.inf)
    return walk.exceeded(information, portion)


def increasing(information: npt.ArrayLike) -> Array:
    """Information times as an array, checked."""
    times = np.atleast_1d(np.asarray(information, dtype=np.float64))
    if times.size == 0 or not np.isfinite(times).all() or times[0] <= 0 or (np.diff(times) <= 0).any():
        raise ParameterError(f"information is positive and increases from look to look, not {times.tolist()}")
    return times


def following(times: Array) -> list[float]:
    """Information at the look after each; infinite after the last."""
    return [*times[1:].tolist(), np.inf]


def distinct_looks(information: Sequence[float]) -> tuple[float, ...]:
    """Leave out looks at which nothing was new: the later of two with the same information (within 1e-4 of it).

    Raises
    ------
    ParameterError
        Information that decreases: an experiment does not forget.

    Examples
    --------
    >>> distinct_looks([0.2, 0.2, 0.5])
    (0.2, 0.5)
    """
    kept: list[float] = []
    for t in information:
        if kept and t < kept[-1] * (1 - _SAME_LOOK):
            raise ParameterError(f"information decreases from {kept[-1]} to {t}")
        if not kept or t > kept[-1] * (1 + _SAME_LOOK):
            kept.append(float(t))
    return tuple(increasing(kept).tolist())
