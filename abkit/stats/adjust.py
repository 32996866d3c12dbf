"""Variance reduction: the same effect, measured with less noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abkit.stats.estimand import Levels, RatioLevel, delta_method
from abkit.stats.moments import Array, Moments


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Levels after adjustment, and how much of their variance it took away.

    Parameters
    ----------
    levels : Levels
    theta : array (...)
        Slope of the metric on the covariate, pooled over variants.
    variance_removed : array (...)
        Share of the variance within variants that the covariate explains, 0 to 1.
    """

    levels: Levels
    theta: Array
    variance_removed: Array


def cuped(blocks: Sequence[Moments], level: RatioLevel, width: int = 4) -> Adjustment:
    """Adjust each level for a covariate known before exposure.

    level - theta (covariate level - overall covariate level), with theta pooled within variants (Deng, Xu, Kohavi &
    Walker 2013, eq. 3-5; for ratios on linearised values, Deng & Shi 2016). A covariate that does not vary, or that
    was not affected by chance, leaves the levels as they are.

    Parameters
    ----------
    blocks : sequence of Moments
        Columns per variant: numerator, denominator, covariate total, covariate denominator.
    level : RatioLevel
        The level of the metric itself.
    width : int
        Columns per variant, 4.

    Returns
    -------
    Adjustment

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> before = rng.normal(10, 2, 4000)
    >>> after = before + rng.normal(0, 1, 4000)
    >>> ones = np.ones(2000)
    >>> halves = (slice(0, 2000), slice(2000, 4000))
    >>> blocks = [Moments.from_rows(np.stack([after[h], ones, before[h], ones], axis=-1)) for h in halves]
    >>> round(float(cuped(blocks, RatioLevel()).variance_removed), 2)
    0.8
    """
    covariate_level = RatioLevel()
    outcome = delta_method(level, blocks, width)
    covariate = delta_method(lambda mean: covariate_level(mean[..., 2:4]), blocks, width)
    both = delta_method(lambda mean: level(mean) + covariate_level(mean[..., 2:4]), blocks, width)
    var_y, var_x, var_sum = (_within(levels) for levels in (outcome, covariate, both))
    cov = (var_sum - var_y - var_x) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        varies = var_x > 1e-24 * _scale(covariate)
        theta = np.where(varies, cov / var_x, 0.0)
        removed = np.where(varies & (var_y > 0), cov**2 / (var_x * var_y), 0.0)
    weights = np.concatenate([np.repeat(b.n[..., None], b.mean.shape[-1] // width, axis=-1) for b in blocks], axis=-1)

    def adjusted(mean: Array) -> Array:
        overall = (weights * mean[..., 2]).sum(axis=-1) / (weights * mean[..., 3]).sum(axis=-1)
        return np.asarray(level(mean) - theta[..., None] * (covariate_level(mean[..., 2:4]) - overall[..., None]))

    return Adjustment(delta_method(adjusted, blocks, width), theta, np.clip(removed, 0.0, 1.0))


def _within(levels: Levels) -> Array:
    """Variance within variants, pooled with their degrees of freedom as weights."""
    diagonal = np.einsum("...bvv->...bv", levels.covariance)
    return np.asarray((diagonal * ((levels.n - 1) * levels.n)[..., None]).sum(axis=(-1, -2)))


def _scale(levels: Levels) -> Array:
    return np.asarray((levels.value**2).sum(axis=-1) * (levels.n**2).sum(axis=-1))
