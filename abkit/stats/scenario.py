"""What a planned experiment is like: the noise of one unit, the allocation, and the test that will judge it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypedDict

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.dunnett import dunnett_critical_value
from abkit.stats.estimate import Alternative
from abkit.stats.moments import Array
from abkit.stats.noninferiority import Goal
from abkit.stats.power_curve import discordant_power, mean_power, paired_power, rate_power

Correction = Literal["none", "bonferroni", "dunnett"]


class ScenarioOptions(TypedDict, total=False):
    """The keywords of `Scenario`."""

    rate: npt.ArrayLike | None
    sd: npt.ArrayLike | None
    mean: npt.ArrayLike | None
    sd_treatment: npt.ArrayLike | None
    paired: bool
    discordant: npt.ArrayLike | None
    covariate_correlation: npt.ArrayLike
    rows_per_unit: npt.ArrayLike
    icc: npt.ArrayLike
    rows_cv: npt.ArrayLike
    alpha: npt.ArrayLike
    alternative: Alternative
    allocation: npt.ArrayLike
    treatments: int
    correction: Correction
    margin: npt.ArrayLike | None
    goal: Goal
    inflation: npt.ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Noise, allocation and test of a planned comparison; every number may be an array, and all broadcast together.

    Parameters
    ----------
    rate : array_like, optional
        Control rate of a proportion, in (0, 1). Give either this or `sd`.
    sd : array_like, optional
        Standard deviation per unit, in the metric's unit; of the differences within a pair where `paired`. For ratios,
        quantiles and trials see `ratio_sd`, `quantile_sd`, `trials_sd` and `paired_sd`.
    mean : array_like, optional
        Control level, for effects given as lifts.
    sd_treatment : array_like, optional
        Where it differs from `sd`.
    paired : bool
        Every unit gets both variants; n is then the number of units.
    discordant : array_like, optional
        With `rate`: share of units on which the two variants differ (McNemar's test); implies `paired`.
    covariate_correlation : array_like
        Of a covariate known before exposure: the variance falls by its square (Deng et al. 2013, eq. 5).
    rows_per_unit, icc, rows_cv : array_like
        `sd` or `rate` is that of a row, and each unit gives this many, alike to the degree `icc`, with this coefficient
        of variation of their number (Kish 1965; Eldridge, Ashby & Kerry 2006).
    alpha : array_like
        Chance of a false rejection in the whole family.
    alternative : {"two-sided", "greater", "less"}
    allocation : array_like
        Units in each treatment per unit in control.
    treatments : int
        Variants compared with control.
    correction : {"bonferroni", "dunnett", "none"}
        Of alpha, for their number.
    margin : array_like, optional
        Plan a non-inferiority test with this margin, at one-sided `alpha`.
    goal : {"maximize", "minimize"}
        Which direction is good; for `margin` only.
    inflation : array_like
        Units of a sequential design per unit of the fixed one.

    Raises
    ------
    ParameterError
        Anything out of its range, or neither or both of `rate` and `sd`.

    Examples
    --------
    >>> scenario = Scenario(sd=1.0)
    >>> round(float(scenario.power(np.array(0.5), np.array(64.0))), 4)
    0.8015
    """

    rate: npt.ArrayLike | None = None
    sd: npt.ArrayLike | None = None
    mean: npt.ArrayLike | None = None
    sd_treatment: npt.ArrayLike | None = None
    paired: bool = False
    discordant: npt.ArrayLike | None = None
    covariate_correlation: npt.ArrayLike = 0.0
    rows_per_unit: npt.ArrayLike = 1.0
    icc: npt.ArrayLike = 0.0
    rows_cv: npt.ArrayLike = 0.0
    alpha: npt.ArrayLike = 0.05
    alternative: Alternative = "two-sided"
    allocation: npt.ArrayLike = 1.0
    treatments: int = 1
    correction: Correction = "bonferroni"
    margin: npt.ArrayLike | None = None
    goal: Goal = "maximize"
    inflation: npt.ArrayLike = 1.0

    def __post_init__(self) -> None:
        if (self.rate is None) == (self.sd is None):
            raise ParameterError("give either rate= (a proportion) or sd= (any other metric)")
        if self.discordant is not None and self.rate is None:
            raise ParameterError("discordant= belongs to a proportion: give rate= too")
        if self.paired and self.rate is not None and self.discordant is None:
            raise ParameterError(
                "a paired proportion needs discordant=, the share of units on which the variants differ"
            )
        if self.paired and self.treatments > 1:
            raise ParameterError("a paired plan compares two variants: plan each treatment by itself with its alpha")
        if self.alternative not in ("two-sided", "greater", "less"):
            raise ParameterError(f"alternative is 'two-sided', 'greater' or 'less', got {self.alternative!r}")
        if self.correction not in ("none", "bonferroni", "dunnett"):
            raise ParameterError(f"correction is 'none', 'bonferroni' or 'dunnett', got {self.correction!r}")
        if self.treatments < 1:
            raise ParameterError(f"an experiment has at least one treatment, got {self.treatments}")
        for name, (low, high, closed) in _RANGES.items():
            check_range(name, getattr(self, name), low, high, closed)
        if (self.design_effect <= 0).any():
            raise ParameterError("rows this unlike (a negative icc with many rows per unit) cannot exist")

    @property
    def level(self) -> Array | None:
        """Control level that lifts are relative to."""
        level = self.rate if self.rate is not None else self.mean
        return None if level is None else np.asarray(level, dtype=np.float64)

    @property
    def is_paired(self) -> bool:
        """Whether n counts units that get both variants."""
        return self.paired or self.discordant is not None

    @property
    def design_effect(self) -> Array:
        """Variance of a mean of clustered rows over that of independent ones."""
        rows, icc, cv = (np.asarray(x, dtype=np.float64) for x in (self.rows_per_unit, self.icc, self.rows_cv))
        return np.asarray(1 + ((cv**2 + 1) * rows - 1) * icc)

    @property
    def variance_factor(self) -> Array:
        """What covariate and rows make of the variance per unit."""
        explained = np.asarray(self.covariate_correlation, dtype=np.float64) ** 2
        return np.asarray((1 - explained) * self.design_effect / np.asarray(self.rows_per_unit, dtype=np.float64))

    def alpha_each(self, alpha: npt.ArrayLike | None = None) -> Array:
        """Alpha of one comparison, after the correction for their number."""
        whole = np.asarray(self.alpha if alpha is None else alpha, dtype=np.float64)
        if self.treatments == 1 or self.correction == "none":
            return whole
        if self.correction == "bonferroni":
            return whole / self.treatments
        level, ratio = np.broadcast_arrays(whole, np.asarray(self.allocation, dtype=np.float64))
        pairs = list(zip(level.flat, ratio.flat, strict=True))
        found = {pair: _dunnett_alpha(*pair, self.treatments, self._tails) for pair in set(pairs)}
        return np.array([found[pair] for pair in pairs]).reshape(level.shape)

    @property
    def _tails(self) -> Alternative:
        if self.margin is None:
            return self.alternative
        return "greater" if self.goal == "maximize" else "less"

    def power(self, effect: Array, n: Array, alpha: npt.ArrayLike | None = None) -> Array:
        """Power at a true effect (treatment minus control) with `n` units in control, or in the pairs.

        Parameters
        ----------
        effect, n : array (...)
        alpha : array_like (...), optional
            Instead of the scenario's.

        Returns
        -------
        array (...)
        """
        each, tails = self.alpha_each(alpha), self._tails
        shift = 0.0 if self.margin is None else np.asarray(self.margin) * (1 if self.goal == "maximize" else -1)
        size = np.asarray(n, dtype=np.float64) / np.asarray(self.inflation)
        other = size * np.asarray(self.allocation, dtype=np.float64)
        if self.discordant is not None:
            pairs = size / self.variance_factor
            return discordant_power(effect + shift, self.discordant, pairs, alpha=each, alternative=tails)
        if self.rate is not None:
            weight = 1 / self.variance_factor
            treatment = np.asarray(self.rate) + effect
            counts = (self.rate, treatment, size * weight, other * weight)
            return rate_power(*counts, alpha=each, alternative=tails, gap=-np.asarray(shift))
        assert self.sd is not None
        factor = np.sqrt(self.variance_factor)
        sd = np.asarray(self.sd, dtype=np.float64) * factor
        if self.paired:
            return paired_power(effect + shift, sd, size, alpha=each, alternative=tails)
        sd_treatment = sd if self.sd_treatment is None else np.asarray(self.sd_treatment) * factor
        return mean_power(effect + shift, sd, sd_treatment, size, other, alpha=each, alternative=tails)


_RANGES: dict[str, tuple[float, float, bool]] = {
    "rate": (0, 1, False),
    "sd": (0, math.inf, False),
    "sd_treatment": (0, math.inf, False),
    "mean": (-math.inf, math.inf, False),
    "discordant": (0, 1, False),
    "covariate_correlation": (-1, 1, False),
    "rows_per_unit": (0, math.inf, False),
    "icc": (-1, 1, True),
    "rows_cv": (0, math.inf, True),
    "alpha": (0, 1, False),
    "allocation": (0, math.inf, False),
    "margin": (0, math.inf, True),
    "inflation": (0, math.inf, False),
}


def check_range(name: str, value: npt.ArrayLike | None, low: float, high: float, closed: bool = False) -> None:
    """Raise ParameterError where a number lies outside a range; open unless `closed`.

    Examples
    --------
    >>> check_range("alpha", 0.05, 0, 1)
    """
    if value is None:
        return
    numbers = np.asarray(value, dtype=np.float64)
    inside = (numbers >= low) & (numbers <= high) if closed else (numbers > low) & (numbers < high)
    if not (inside & np.isfinite(numbers)).all():
        wrong = numbers[~(inside & np.isfinite(numbers))].flat[0]
        limits = f"{'[' if closed else '('}{low:g}, {high:g}{']' if closed else ')'}"
        raise ParameterError(f"{name} must be in {limits}, got {wrong:g}")


@cache
def _dunnett_alpha(alpha: float, allocation: float, treatments: int, side: Alternative) -> float:
    load = [math.sqrt(allocation / (1 + allocation))] * treatments
    critical = dunnett_critical_value(load, alpha=alpha, alternative=side)
    return float((2 if side == "two-sided" else 1) * special.ndtr(-critical))
