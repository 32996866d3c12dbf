"""From an effect and its standard error to an interval and a p-value.

A *test* says how many standard errors are surprising. A *comparison* puts one test to every question about a pair of
variants (difference, lift, margin), so that the answers can never contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.stats.estimand import Effect, Levels, contrast
from abkit.stats.moments import Array
from abkit.stats.t_quantile import t_quantile

_ROUNDS = 20
_WALK, _HALVINGS = 80, 100


class Test(Protocol):
    """How many standard errors are surprising."""

    @property
    def name(self) -> str:
        """What the method is called in results."""

    def multiplier(self, effect: Effect, alpha: npt.ArrayLike) -> Array:
        """Standard errors on each side of a two-sided interval at level 1 - alpha."""

    def p_value(self, effect: Effect) -> Array:
        """Two-sided p-value of the effect being zero; <= alpha exactly when the interval at 1 - alpha excludes 0."""


@dataclass(frozen=True, slots=True)
class StudentTest(Displayed):
    """The t test with the effect's own degrees of freedom: valid once, at the planned size.

    With degrees of freedom by Welch-Satterthwaite this is Welch's test (Welch 1947); with one block of pairs it is the
    paired t test.

    Examples
    --------
    >>> effect = Effect(*(np.array(x) for x in (7.24493927, 1.92320213, 18.3322516, 32.0, 13.0)))
    >>> round(float(StudentTest().p_value(effect)), 8), round(float(StudentTest().multiplier(effect, 0.05)), 6)
    (0.00137364, 2.098196)
    """

    name: str = "t"

    def multiplier(self, effect: Effect, alpha: npt.ArrayLike) -> Array:
        """Quantile of the t distribution, exact at any degrees of freedom."""
        return t_quantile(effect.df, np.asarray(alpha) / 2)

    def p_value(self, effect: Effect) -> Array:
        """Both tails of the t distribution."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2 * special.stdtr(effect.df, -np.abs(effect.value / effect.se)))


@dataclass(frozen=True, slots=True)
class Comparison(Displayed):
    """One variant against control, every question answered by the same test.

    Parameters
    ----------
    levels : Levels
    treatment, control : int
        Places of the two variants.
    test : Test
    """

    levels: Levels
    treatment: int
    control: int
    test: Test

    def effect(self, ratio: npt.ArrayLike = 1.0) -> Effect:
        """Treatment level minus `ratio` times the control level."""
        return contrast(self.levels, self.treatment, self.control, ratio)

    def interval(self, alpha: npt.ArrayLike, ratio: npt.ArrayLike = 1.0) -> tuple[Array, Array]:
        """Two-sided interval of the effect at level 1 - alpha; NaN where the standard error is 0."""
        effect = self.effect(ratio)
        with np.errstate(invalid="ignore"):  # an infinite multiplier times a standard error of 0 is not used
            half = np.where(effect.se > 0, self.test.multiplier(effect, alpha) * effect.se, np.nan)
        return effect.value - half, effect.value + half

    def p_value(self, ratio: npt.ArrayLike = 1.0) -> Array:
        """Two-sided p-value of the effect being zero; NaN where the standard error is 0."""
        effect = self.effect(ratio)
        return np.where(effect.se > 0, self.test.p_value(effect), np.nan)

    def lift_interval(self, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """Interval of treatment/control - 1: all lifts whose ratio the test does not reject.

        Fieller (1954) by inversion; the degrees of freedom follow the ratio (Tamhane & Logan 2004), so at a
        lift of 0 it is the test of the difference. NaN where the set is unbounded (the control level is not
        distinguishable from 0) or the control level is not positive.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            estimate = self.levels.value[..., self.treatment] / self.levels.value[..., self.control]
            first = self.test.multiplier(self.effect(estimate), alpha) ** 2
        estimate, first = np.broadcast_arrays(estimate, first)
        sides = np.array([-1.0, 1.0]).reshape(2, *[1] * estimate.ndim)
        low, high = self._lift_bounds(alpha, sides, np.stack([estimate] * 2), np.stack([first] * 2))
        bounded = np.isfinite(low) & np.isfinite(high)
        low, high = self._agreeing(low, high, alpha)
        return np.where(bounded, low, np.nan), np.where(bounded, high, np.nan)

    def _agreeing(self, low: Array, high: Array, alpha: npt.ArrayLike) -> tuple[Array, Array]:
        """Make the interval say of a lift of 0 what the test of the difference says.

        With a handful of units the degrees of freedom change so much from ratio to ratio that the ratios that are not
        rejected have a gap: what lies across it is taken in, or left out, as the difference itself is judged.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            rejected: Any = self._rejects(np.asarray(1.0), alpha)
            estimate = self.levels.value[..., self.treatment] / self.levels.value[..., self.control]
            contradicts = rejected & (low <= 0) & (high >= 0)
        low, high = np.where(rejected, low, np.minimum(low, 0.0)), np.where(rejected, high, np.maximum(high, 0.0))
        if contradicts.any():
            edge = self._bisect(estimate, np.ones_like(estimate), alpha) - 1
            low = np.where(contradicts & (estimate > 1), edge, low)
            high = np.where(contradicts & (estimate < 1), edge, high)
        return low, high

    def _lift_bounds(self, alpha: npt.ArrayLike, side: Array, estimate: Array, squared: Array) -> Array:
        """Alternate between the root at fixed multiplier and the multiplier at that root, until both stand still."""
        t, c = self.treatment, self.control
        covariance = self.levels.covariance.sum(axis=-3)
        tt, tc, cc = covariance[..., t, t], covariance[..., t, c], covariance[..., c, c]
        level_t, level_c = self.levels.value[..., t], self.levels.value[..., c]
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = tt * level_c**2 + cc * level_t**2 - 2 * tc * level_t * level_c
            crossed, ratio, before = tc**2 - cc * tt, estimate, None
            for _ in range(_ROUNDS):
                curve = level_c**2 - squared * cc
                middle = level_t * level_c - squared * tc
                inside = squared * (spread + squared * crossed)  # expanded: no large numbers to cancel
                moved = (middle + side * np.sqrt(np.maximum(inside, 0.0))) / curve
                step = np.abs(moved - ratio)
                # Steps shrink by a factor, so the next one is about step^2 / before; ten times that is to spare.
                left = step if before is None else np.fmin(step, 10 * step**2 / before)
                settled = left <= 1e-13 * np.abs(moved)
                ratio, before = moved, step
                if np.all(settled | (curve <= 0)):
                    break
                squared = self.test.multiplier(self.effect(ratio), alpha) ** 2
            bound = np.where(curve > 0, ratio, np.nan)
            if not np.all(settled):
                bound = np.where(settled, bound, self._search_bounds(alpha, side, estimate))
        return np.where((level_c > 0) & (tt + cc > 0), bound - 1, np.nan)

    def _search_bounds(self, alpha: npt.ArrayLike, side: Array, estimate: Array) -> Array:
        """Walk outward from the estimate to a rejected ratio and bisect; NaN where none is rejected."""
        near, far = estimate, estimate
        step = 1e-3 * np.maximum(np.abs(estimate), 1.0)
        for _ in range(_WALK):
            outside = self._rejects(far, alpha)
            near = np.where(outside, near, far)
            far = np.where(outside, far, far + side * step)
            step = 1.5 * step
        return np.where(self._rejects(far, alpha), self._bisect(near, far, alpha), np.nan)

    def _bisect(self, near: Array, far: Array, alpha: npt.ArrayLike) -> Array:
        """Where between a ratio that is not rejected and one that is the verdict turns."""
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            outside = self._rejects(middle, alpha)
            near, far = np.where(outside, near, middle), np.where(outside, middle, far)
        return (near + far) / 2

    def _rejects(self, ratio: Array, alpha: npt.ArrayLike) -> Array:
        effect = self.effect(ratio)
        return np.asarray(np.abs(effect.value) > self.test.multiplier(effect, alpha) * effect.se)
