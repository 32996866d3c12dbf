"""Variance reduction: the same effect, measured with less noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abkit.display import Displayed
from abkit.stats.estimand import Levels, RatioLevel, delta_method
from abkit.stats.moments import Array, Moments

_ROUNDING = 1e-12  # of a variance: where the covariates leave no more than this of it, they leave nothing


@dataclass(frozen=True, slots=True)
class Adjustment(Displayed):
    """Levels after adjustment, and how much of their variance it took away.

    Parameters
    ----------
    levels : Levels
    theta : array (...) or (..., p)
        Slope of the metric on the covariate, or on each of p > 1 covariates, pooled over variants.
    variance_removed : array (...)
        Share of the variance within variants that the covariates explain, 0 to 1; 0 where none was removed.
    """

    levels: Levels
    theta: Array
    variance_removed: Array


def cuped(blocks: Sequence[Moments], level: RatioLevel, width: int = 4) -> Adjustment:
    """Adjust each level for covariates known before exposure.

    level - theta (covariate level - overall covariate level), with theta pooled within variants (Deng, Xu, Kohavi &
    Walker 2013, eq. 3-5; for ratios on linearised values, Deng & Shi 2016). A covariate that does not vary leaves the
    levels as they are; of covariates that say the same, each takes its share. Where they explain all of the metric,
    the levels have no variance: what rounding leaves is no spread to test against.

    Parameters
    ----------
    blocks : sequence of Moments
        Columns per variant: numerator, denominator, then for each covariate its total and its denominator.
    level : RatioLevel
        The level of the metric itself.
    width : int
        Columns per variant: 4, and 2 more for each further covariate.

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
    plain = RatioLevel()
    starts = range(2, width, 2)

    def joint(mean: Array) -> Array:
        return np.concatenate([level(mean), *(plain(mean[..., i : i + 2]) for i in starts)], axis=-1)

    theta, removed = _slopes(delta_method(joint, blocks, width), len(starts) + 1)
    weights = np.concatenate([np.repeat(b.n[..., None], b.mean.shape[-1] // width, axis=-1) for b in blocks], axis=-1)

    def adjusted(mean: Array) -> Array:
        values = level(mean)
        for place, i in enumerate(starts):
            overall = (weights * mean[..., i]).sum(axis=-1) / (weights * mean[..., i + 1]).sum(axis=-1)
            values = values - theta[..., place, None] * (plain(mean[..., i : i + 2]) - overall[..., None])
        return np.asarray(values)

    levels = delta_method(adjusted, blocks, width)
    explained = (1 - removed <= _ROUNDING)[..., None, None, None]
    levels = Levels(levels.value, np.where(explained, 0.0, levels.covariance), levels.n)
    return Adjustment(levels, theta[..., 0] if len(starts) == 1 else theta, removed)


def _slopes(joint: Levels, parts: int) -> tuple[Array, Array]:
    """Slopes of the first part of the levels on the others, and the share of its variance that they explain."""
    variants = joint.value.shape[-1] // parts
    split = joint.covariance.reshape(*joint.covariance.shape[:-2], parts, variants, parts, variants)
    # Pooled within variants, with the degrees of freedom as weights.
    within = np.nan_to_num(np.einsum("...bivjv,...b->...ij", split, (joint.n - 1) * joint.n), nan=0.0)
    size = (joint.value.reshape(*joint.value.shape[:-1], parts, variants) ** 2).sum(axis=-1)
    variance = np.einsum("...ii->...i", within)
    scale = np.sqrt(np.where(variance > 1e-24 * size * (joint.n**2).sum(axis=-1)[..., None], variance, np.inf))[..., 1:]
    inner = within[..., 1:, 1:] / (scale[..., :, None] * scale[..., None, :])
    outer = within[..., 1:, 0] / scale
    solved = np.einsum("...ij,...j->...i", np.linalg.pinv(inner, rcond=1e-10, hermitian=True), outer)
    explained = (solved * outer).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        removed = np.where(variance[..., 0] > 0, explained / variance[..., 0], 0.0)
    return solved / scale, np.clip(removed, 0.0, 1.0)
