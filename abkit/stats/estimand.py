"""From moments to levels to an effect: one delta method for every metric, adjustment and design."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.display import Displayed
from abkit.stats.moments import Array, Moments

LevelFunction = Callable[[Any], Any]
_STEP = 1e-30


@dataclass(frozen=True, slots=True)
class Levels(Displayed):
    """The metric's level in each of V variants, with what is needed to compare any two of them.

    Parameters
    ----------
    value : array (..., V)
        Levels, in the metric's unit.
    covariance : array (..., B, V, V)
        What each of B independent blocks of units adds to the covariance of the levels.
    n : array (..., B)
        Units in each block: one block per variant, or a single one for all of them (paired).
    """

    value: Array
    covariance: Array
    n: Array

    @property
    def se(self) -> Array:
        """Standard error of each level, (..., V)."""
        return np.asarray(np.sqrt(np.einsum("...bvv->...v", self.covariance)))


@dataclass(frozen=True, slots=True)
class Effect(Displayed):
    """A treatment level minus a multiple of the control level, with its uncertainty.

    Parameters
    ----------
    value, se : array (...)
        Effect and standard error, in the metric's unit.
    df : array (...)
        Degrees of freedom by Welch-Satterthwaite.
    n, smallest : array (...)
        Units behind the two levels, and in the smaller of their blocks, whether they vary or not.
    """

    value: Array
    se: Array
    df: Array
    n: Array
    smallest: Array


@dataclass(frozen=True, slots=True)
class RatioLevel(Displayed):
    """The level of every kind of metric: offset + scale * (total of one column / total of another).

    A mean is the sum of (value - offset) over the number of rows, plus the offset that kept the digits. A ratio is the
    sum of (numerator - offset * denominator) over the sum of the denominator, plus the offset. A quantile is linear in
    the share of rows below it.

    Parameters
    ----------
    offset, scale : array_like (..., V) or float
        In the metric's unit.

    Examples
    --------
    >>> RatioLevel(offset=1.0)(np.array([[6.0, 2.0], [8.0, 2.0]])).tolist()
    [4.0, 5.0]
    """

    offset: npt.ArrayLike = 0.0
    scale: npt.ArrayLike = 1.0

    def __call__(self, mean: Any) -> Any:
        """Levels (..., V) at the mean vectors `mean` (..., V, p)."""
        return np.asarray(self.offset) + np.asarray(self.scale) * (mean[..., 0] / mean[..., 1])


def delta_method(function: LevelFunction, blocks: Sequence[Moments], width: int) -> Levels:
    """Carry the covariance of mean vectors through a smooth function of them.

    The gradient is exact: a complex step has no subtraction to lose digits in (Squire & Trapp 1998, eq. 2). The
    covariance of the levels is the sandwich of gradient and covariance over n, block by block (Casella & Berger 2002,
    thm 5.5.24).

    Parameters
    ----------
    function : callable
        Takes mean vectors (..., V, width), returns levels (..., V); plain arithmetic only.
    blocks : sequence of Moments
        Independent sets of units. Randomized: one per variant. Paired: a single one, whose columns are those of the
        first variant, then of the second, and so on.
    width : int
        Columns per variant.

    Returns
    -------
    Levels

    Examples
    --------
    >>> control = Moments.from_rows([[1.0, 1.0], [3.0, 1.0]])
    >>> treatment = Moments.from_rows([[4.0, 1.0], [8.0, 1.0]])
    >>> levels = delta_method(RatioLevel(), [control, treatment], width=2)
    >>> levels.value.tolist(), levels.se.tolist()
    ([2.0, 6.0], [1.0, 2.0])
    """
    flat = np.concatenate([block.mean for block in blocks], axis=-1)
    size, batch = flat.shape[-1], flat.shape[:-1]
    steps = np.eye(size).reshape(size, *([1] * len(batch)), size) * (1j * _STEP)
    shape = (*batch, size // width, width)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.asarray(function(flat.reshape(shape)), dtype=np.float64)
        moved = function((flat + steps).reshape(size, *shape))
        gradient = np.moveaxis(np.imag(moved) / _STEP, 0, -1)
        parts, start = [], 0
        for block in blocks:
            stop = start + block.mean.shape[-1]
            slope = gradient[..., start:stop]
            inner = slope @ block.covariance @ np.swapaxes(slope, -1, -2)
            parts.append(inner / block.n[..., None, None])
            start = stop
    return Levels(value, np.stack(parts, axis=-3), np.stack([block.n for block in blocks], axis=-1))


def with_error(levels: Levels, error: npt.ArrayLike) -> Levels:
    """Add what each level may be off by, beyond chance, to its standard error.

    Parameters
    ----------
    levels : Levels
    error : array_like (..., V)
        Bounds, in the metric's unit; a level within +-e is less uncertain than one with standard error e.

    Examples
    --------
    >>> levels = Levels(np.array([1.0, 2.0]), np.array([[[9.0, 0], [0, 0]], [[0, 0], [0, 9.0]]]), np.array([5.0, 5.0]))
    >>> with_error(levels, [4.0, 0.0]).se.tolist()
    [5.0, 3.0]
    """
    squares = np.asarray(error, dtype=np.float64) ** 2
    blocks, variants = levels.covariance.shape[-3:-1]
    own = np.eye(variants) if blocks > 1 else np.ones((1, variants))
    added = own[:, :, None] * np.eye(variants) * squares[..., None, None, :]
    return Levels(levels.value, levels.covariance + added, levels.n)


def contrast(levels: Levels, treatment: int, control: int, ratio: npt.ArrayLike = 1.0) -> Effect:
    """Compare a treatment with a multiple of the control: level[treatment] - ratio * level[control].

    Ratio 1 is the difference; 1 - margin or 1 + margin is what a guardrail is tested against; all ratios that are not
    rejected make the interval of the lift.

    Parameters
    ----------
    levels : Levels
    treatment, control : int
        Places of the two variants.
    ratio : array_like (...)
        Multiple of the control level.

    Returns
    -------
    Effect
        Degrees of freedom after Welch (1947) and Satterthwaite (1946, eq. 17), over the blocks' own contributions.

    Examples
    --------
    >>> control = Moments.from_rows([[1.0, 1.0], [3.0, 1.0]])
    >>> treatment = Moments.from_rows([[4.0, 1.0], [8.0, 1.0]])
    >>> effect = contrast(delta_method(RatioLevel(), [control, treatment], width=2), 1, 0)
    >>> float(effect.value), round(float(effect.se), 4), round(float(effect.df), 4)
    (4.0, 2.2361, 1.4706)
    """
    multiple = np.asarray(ratio, dtype=np.float64)
    inner, t, c = levels.covariance, treatment, control
    times = multiple[..., None]
    by_block = inner[..., t, t] - (times + times) * inner[..., t, c] + times * times * inner[..., c, c]
    by_block = np.maximum(by_block, 0.0)
    variance = by_block.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(by_block > 0, by_block**2 / (levels.n - 1), 0.0)
        df = variance**2 / shares.sum(axis=-1)
    value = levels.value[..., t] - multiple * levels.value[..., c]
    if levels.n.shape[-1] == 1:  # paired: the same units in both
        units = smallest = levels.n[..., 0]
    else:
        units, smallest = levels.n[..., t] + levels.n[..., c], np.minimum(levels.n[..., t], levels.n[..., c])
    return Effect(value, np.sqrt(variance), df, units, smallest)
