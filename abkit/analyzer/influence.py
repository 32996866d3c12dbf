"""How much each unit bears on a comparison: what leaves with it when it is removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.snapshot import MetricMoments
from abkit.stats import Levels, cuped
from abkit.stats.moments import Array

Places = npt.NDArray[np.intp]
Units = tuple[Places, Array]


@dataclass(frozen=True, slots=True)
class Push:
    """A way in which removals may move a comparison.

    Parameters
    ----------
    ratio : float
        The contrast is the treatment's level minus `ratio` times the control's.
    sign : float
        +1 lowers the contrast, -1 raises it.
    width : float
        Standard errors that count with it: positive where a wider interval helps, negative where a narrower one does.
    """

    ratio: float
    sign: float
    width: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Units held back from a stream: their blocks, rows and scores, the most influential first."""

    block: Places
    rows: Array
    score: Array

    def take(self, places: Places) -> Kept:
        """Those at the places, in their order."""
        return Kept(self.block[places], self.rows[places], self.score[places])


def influence(
    moments: MetricMoments, levels: Levels, pair: tuple[int, int], push: Push, block: Places, rows: Array
) -> Array:
    """Score units by how far removing each of them moves the comparison, to first order.

    Removing a unit with linearized contribution w to the contrast, of n in its block with variance s2, moves the
    contrast by -w/n and its variance by (2 s2 - w**2)/n**2 (Broderick, Giordano & Meager 2020, sec. 2 and 3.1).

    Parameters
    ----------
    moments : MetricMoments
    levels : Levels
        Of these moments.
    pair : (int, int)
        Places of treatment and control.
    push : Push
    block : array (m,) of int
    rows : array (m, p)

    Returns
    -------
    array (m,)
        Positive where removing the unit moves it the way that is wanted.
    """
    treatment, control = pair
    weights = {treatment: 1.0, control: -push.ratio}
    paired = len(moments.blocks) == 1
    share = np.zeros(len(rows))
    for place, weight in weights.items():
        here = slice(None) if paired else block == place
        start = place * moments.width if paired else 0
        part = rows[here, start : start + moments.width]
        share[here] += weight * _linearized(moments, place, part)
    counts = np.array([float(one.n) for one in moments.blocks])
    inner = levels.covariance
    t, c, ratio = treatment, control, push.ratio
    variance = inner[:, t, t] - 2 * ratio * inner[:, t, c] + ratio**2 * inner[:, c, c]
    total = float(np.sqrt(variance.sum()))
    n = counts[block]
    moved = share / n
    widened = (2 * variance[block] / n - moved**2) / (2 * total) if total > 0 else 0.0
    score = push.sign * moved + push.width * widened
    return score if paired else np.where((block == treatment) | (block == control), score, -np.inf)


def _linearized(moments: MetricMoments, place: int, rows: Array) -> Array:
    """What each unit adds to the level of its variant, beyond the mean unit."""
    paired = len(moments.blocks) == 1
    mean = moments.blocks[0 if paired else place].mean
    mean = mean[place * moments.width : (place + 1) * moments.width] if paired else mean
    scale = np.atleast_1d(np.asarray(moments.level.scale, dtype=np.float64))
    value = scale[place if len(scale) > 1 else 0] * (rows[:, 0] - mean[0] / mean[1] * rows[:, 1]) / mean[1]
    if moments.width > 2:
        theta = float(cuped(moments.blocks, moments.level, moments.width).theta)
        value = value - theta * (rows[:, 2] - mean[2] / mean[3] * rows[:, 3]) / mean[3]
    return np.asarray(value)


def keep_most_influential(
    units: Iterable[Units],
    moments: MetricMoments,
    levels: Levels,
    pair: tuple[int, int],
    pushes: Sequence[Push],
    most: int,
) -> tuple[list[Kept], int]:
    """Read a stream of units and keep, for each push, the `most` whose removal moves it farthest; memory is flat.

    Returns
    -------
    list of Kept
        One for each push; only units whose removal helps.
    int
        Units read.
    """
    width = moments.blocks[0].mean.shape[-1]
    nothing = Kept(np.empty(0, np.intp), np.empty((0, width)), np.empty(0))
    kept, seen = [nothing] * len(pushes), 0
    for block, rows in units:
        seen += len(rows)
        for place, push in enumerate(pushes):
            score = influence(moments, levels, pair, push, block, rows)
            helps = score > 0
            new = Kept(block[helps], rows[helps], score[helps])
            kept[place] = _largest(kept[place], new, most)
    return kept, seen


def _largest(old: Kept, new: Kept, most: int) -> Kept:
    both = Kept(*(np.concatenate([getattr(part, name) for part in (old, new)]) for name in Kept.__slots__))
    return both.take(in_order(both.block, both.rows, both.score)[:most])


def in_order(block: Places, rows: Array, score: Array) -> Places:
    """Largest score first; equal ones in an order that does not depend on how the rows arrived."""
    return np.lexsort((*rows.T, block, -score))
