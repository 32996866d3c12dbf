"""A/A experiments by splitting the same units again and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array, Moments

AT_ONCE = 64
_PRODUCT = 1 << 18


def resplit(rows: npt.ArrayLike, runs: int, rng: np.random.Generator, *, share: float = 0.5) -> tuple[Moments, Moments]:
    """Assign units to two variants at random, many times over, and summarize each variant each time.

    With no effect by construction, and with the skew, clusters and correlations of real data, the rejections of a test
    on these moments are its false positives. One matrix product serves all columns and all pairs of them, so a run
    costs little more than its random numbers.

    Parameters
    ----------
    rows : array_like (n, p)
        Columns of n units, finite.
    runs : int
    rng : Generator
    share : float
        Chance of the second variant, in (0, 1).

    Returns
    -------
    control, treatment : Moments
        With the batch axis (runs,).

    Raises
    ------
    ParameterError
        Fewer than four units, values that are not finite, a share outside (0, 1), or no runs.

    Examples
    --------
    >>> control, treatment = resplit(np.arange(100.0)[:, None], 3, np.random.default_rng(0))
    >>> (control.n + treatment.n).tolist()
    [100.0, 100.0, 100.0]
    """
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 4 or not np.isfinite(values).all():
        raise ParameterError("rows is a table (units, columns) of finite values, with four units at least")
    if not 0 < share < 1 or runs < 1:
        raise ParameterError(f"the share must be in (0, 1) and runs at least 1, got {share:g} and {runs}")
    n, p = values.shape
    shift = values.mean(axis=0)
    centered = values - shift
    left, right = np.triu_indices(p)
    features = np.column_stack([np.ones(n), centered, centered[:, left] * centered[:, right]])
    sums = np.empty((runs, features.shape[1]))
    for start in range(0, runs, AT_ONCE):
        stop = min(start + AT_ONCE, runs)
        sums[start:stop] = add_chosen(assigned(rng, stop - start, n, share), features)
    products = np.empty((2, runs, p, p))
    both = np.stack([features.sum(axis=0) - sums, sums])
    products[..., left, right] = products[..., right, left] = both[..., 1 + p :]
    control, treatment = (
        Moments.from_shifted_sums(part[:, 0], shift, part[:, 1 : 1 + p], product)
        for part, product in zip(both, products, strict=True)
    )
    return control, treatment


def assigned(rng: np.random.Generator, runs: int, n: int, share: float) -> npt.NDArray[np.uint8]:
    """1 where a unit (runs, n) is in the second variant; halves need one random bit each.

    Examples
    --------
    >>> assigned(np.random.default_rng(0), 2, 1000, 0.5).sum(axis=1).tolist()
    [517, 518]
    """
    if share != 0.5:
        return (rng.random((runs, n), dtype=np.float32) < share).view(np.uint8)
    words = rng.integers(0, 2**64, size=(runs, -(-n // 64)), dtype=np.uint64)  # whole ones: any block draws the same
    return np.unpackbits(words.view(np.uint8), axis=1, count=n)


def add_chosen(chosen: npt.NDArray[np.uint8] | npt.NDArray[np.bool_], features: Array) -> Array:
    """Sum the features (n, p) of the chosen units (runs, n) in each of at most 64 runs, (runs, p).

    By products so small that no library shares them out among threads, which would cost more than they do.

    Examples
    --------
    >>> add_chosen(np.array([[True, False, True]]), np.array([[1.0], [2.0], [4.0]])).tolist()
    [[5.0]]
    """
    n, p = features.shape
    found, width = np.zeros((len(chosen), p)), max(8, _PRODUCT // (AT_ONCE * p))
    for start in range(0, n, width):
        part = slice(start, start + width)
        found += chosen[:, part].astype(np.float64) @ features[part]
    return found
