"""Rates of independent units: right at small n and at 0 and 100 %."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from abkit.stats.moments import Array

Counts = Array | float

_LARGEST_Z = 38.0
_FEW = 5.0
_BOSCHLOO_UNITS = 200


def wilson_interval(successes: float, n: float, z: float) -> tuple[float, float]:
    """Interval of one rate (Wilson 1927, eq. 3).

    Parameters
    ----------
    successes, n : float
        Units with a 1, and all units (n > 0).
    z : float
        Normal quantile of the level.

    Returns
    -------
    low, high : float
        Within [0, 1].

    Examples
    --------
    >>> low, high = wilson_interval(81, 263, 1.959963984540054)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    """
    low, high = _wilson(successes, n, z)
    return float(low), float(high)


def _wilson(successes: Counts, n: Counts, z: float) -> tuple[Array, Array]:
    """Bounds of many rates; exact at 0 and 1."""
    rate = successes / n
    center = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = np.where(rate == 0, 0.0, np.maximum(center - half, 0.0))
    return low, np.where(rate == 1, 1.0, np.minimum(center + half, 1.0))


@dataclass(frozen=True, slots=True)
class RateComparison:
    """Two independent rates, every question answered by the hybrid score interval.

    The difference is Newcombe's (1998, method 10); of the same construction are the interval of treatment minus a
    multiple of control and, by inverting it, that of the ratio (Donner & Zou 2012). Where a cell is expected to hold
    fewer than five units, zero is rejected only if an exact test rejects it too (Boschloo 1970; Fisher above 200
    units), and the interval reaches 0 otherwise.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units, in treatment and control; n > 0.

    Examples
    --------
    >>> pair = RateComparison(48, 80, 56, 70)
    >>> [round(bound, 4) for bound in pair.interval(0.05)]
    [-0.3339, -0.0524]
    """

    successes_t: float
    n_t: float
    successes_c: float
    n_c: float

    @property
    def method(self) -> str:
        """What was used, for the result."""
        return "newcombe + exact" if self._is_small() else "newcombe"

    def interval(self, alpha: float, ratio: float = 1.0) -> tuple[float, float]:
        """Interval of the treatment rate minus `ratio` times the control rate, at level 1 - alpha."""
        low, high = self._hybrid(-float(special.ndtri(alpha / 2)), ratio)
        if ratio == 1.0 and self._exact_p_value() > alpha:
            low, high = min(low, 0.0), max(high, 0.0)
        return low, high

    def p_value(self, ratio: float = 1.0) -> float:
        """The smallest alpha at which the interval excludes 0."""
        rate_t, rate_c = self.successes_t / self.n_t, self.successes_c / self.n_c
        gap = rate_t - ratio * rate_c
        if gap == 0:
            return 1.0
        side = 0 if gap > 0 else 1
        if self._hybrid(_LARGEST_Z, ratio)[side] * np.sign(gap) > 0:
            z = _LARGEST_Z
        else:
            z = optimize.brentq(lambda z: self._hybrid(z, ratio)[side], 1e-12, _LARGEST_Z, xtol=1e-13, rtol=1e-14)
        p = 2 * float(special.ndtr(-z))
        return max(p, self._exact_p_value()) if ratio == 1.0 else p

    def lift_interval(self, alpha: float) -> tuple[float, float]:
        """Interval of treatment/control - 1; NaN where the control rate or a bound does not exist."""
        if self.successes_c == 0:
            return float("nan"), float("nan")
        z = -float(special.ndtri(alpha / 2))
        rate_t, rate_c = self.successes_t / self.n_t, self.successes_c / self.n_c
        low_t, high_t = wilson_interval(self.successes_t, self.n_t, z)
        low_c, high_c = wilson_interval(self.successes_c, self.n_c, z)
        low = _ratio_bound(rate_t, rate_c, rate_t - low_t, high_c - rate_c, -1.0) - 1
        high = _ratio_bound(rate_t, rate_c, high_t - rate_t, rate_c - low_c, 1.0) - 1
        if self._exact_p_value() > alpha:
            low, high = min(low, 0.0), max(high, 0.0)
        return low, high

    def _hybrid(self, z: float, ratio: float) -> tuple[float, float]:
        low, high = _hybrid_bounds(self.successes_t, self.n_t, self.successes_c, self.n_c, z, ratio)
        return float(low), float(high)

    def _is_small(self) -> bool:
        total = self.n_t + self.n_c
        successes = self.successes_t + self.successes_c
        return min(self.n_t, self.n_c) * min(successes, total - successes) / total < _FEW

    def _exact_p_value(self) -> float:
        """0 where every cell is large enough for the score interval alone."""
        if not self._is_small():
            return 0.0
        from scipy import stats  # costs a second to import, and small tables are rare

        table = [
            [round(self.successes_t), round(self.successes_c)],
            [round(self.n_t - self.successes_t), round(self.n_c - self.successes_c)],
        ]
        if 0 in (sum(table[0]), sum(table[1])):
            return 1.0
        if max(self.n_t, self.n_c) <= _BOSCHLOO_UNITS:
            return float(stats.boschloo_exact(table).pvalue)
        return float(stats.fisher_exact(table).pvalue)


@dataclass(frozen=True, slots=True)
class RateBatch:
    """Many pairs of rates, each judged as `RateComparison` judges one; for simulated experiments.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : array (...)
        Units with a 1 and all units, in treatment and control; n > 0.

    Examples
    --------
    >>> low, high = RateBatch(*(np.array(x) for x in ([48.0, 9], [80.0, 80], [56.0, 1], [70.0, 70]))).interval(0.05)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([-0.3339, 0.017], [-0.0524, 0.1867])
    """

    successes_t: Array
    n_t: Array
    successes_c: Array
    n_c: Array

    def interval(self, alpha: float, ratio: float = 1.0) -> tuple[Array, Array]:
        """Intervals of the treatment rate minus `ratio` times the control rate, at level 1 - alpha."""
        successes_t, n_t, successes_c, n_c = self._counts()
        low, high = _hybrid_bounds(successes_t, n_t, successes_c, n_c, -float(special.ndtri(alpha / 2)), ratio)
        if ratio == 1.0:
            successes, total = successes_t + successes_c, n_t + n_c
            small = np.minimum(n_t, n_c) * np.minimum(successes, total - successes) / total < _FEW
            for place in zip(*np.nonzero(small & ((low > 0) | (high < 0))), strict=True):
                low[place], high[place] = self[place].interval(alpha)
        return low, high

    def p_value(self, ratio: float = 1.0) -> Array:
        """The smallest alpha at which each interval excludes 0."""
        places = np.ndindex(self._counts()[0].shape)
        return np.array([self[place].p_value(ratio) for place in places]).reshape(self._counts()[0].shape)

    def lift_interval(self, alpha: float) -> tuple[Array, Array]:
        """Intervals of treatment/control - 1."""
        shape = self._counts()[0].shape
        bounds = np.array([self[place].lift_interval(alpha) for place in np.ndindex(shape)]).reshape(*shape, 2)
        return bounds[..., 0], bounds[..., 1]

    def __getitem__(self, place: tuple[int, ...]) -> RateComparison:
        """Take one pair out of the batch."""
        return RateComparison(*(float(count[place]) for count in self._counts()))

    def _counts(self) -> tuple[Array, Array, Array, Array]:
        return np.broadcast_arrays(  # type: ignore[return-value]
            self.successes_t, self.n_t, self.successes_c, self.n_c
        )


def _hybrid_bounds(
    successes_t: Counts, n_t: Counts, successes_c: Counts, n_c: Counts, z: float, ratio: float
) -> tuple[Array, Array]:
    """Square-and-add the distances of the single rates to their own bounds (Newcombe 1998, method 10)."""
    rate_t, rate_c = successes_t / n_t, successes_c / n_c
    low_t, high_t = _wilson(successes_t, n_t, z)
    low_c, high_c = _wilson(successes_c, n_c, z)
    gap = rate_t - ratio * rate_c
    low = gap - np.hypot(rate_t - low_t, ratio * (high_c - rate_c))
    return low, gap + np.hypot(high_t - rate_t, ratio * (rate_c - low_c))


def _ratio_bound(rate_t: float, rate_c: float, spread_t: float, spread_c: float, side: float) -> float:
    """Solve (rate_t - r rate_c)^2 = spread_t^2 + r^2 spread_c^2 for r (Donner & Zou 2012)."""
    curve = rate_c**2 - spread_c**2
    middle = rate_t * rate_c
    outer = rate_t**2 - spread_t**2
    root = float(np.sqrt(max(middle**2 - curve * outer, 0.0)))
    if side < 0:
        return outer / (middle + root) if middle + root > 0 else 0.0
    return (middle + root) / curve if curve > 0 else float("nan")
