"""A/A experiments by splitting the same units again and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array, Moments

_CELLS = 4_000_000


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
    step = max(1, _CELLS // n)
    for start in range(0, runs, step):
        size = min(step, runs - start)
        sums[start : start + size] = _assigned(rng, size, n, share) @ features
    products = np.empty((2, runs, p, p))
    both = np.stack([features.sum(axis=0) - sums, sums])
    products[..., left, right] = products[..., right, left] = both[..., 1 + p :]
    control, treatment = (
        Moments.from_shifted_sums(part[:, 0], shift, part[:, 1 : 1 + p], product)
        for part, product in zip(both, products, strict=True)
    )
    return control, treatment


def _assigned(rng: np.random.Generator, runs: int, n: int, share: float) -> Array:
    """1 where a unit is in the second variant; halves need one random bit each."""
    if share != 0.5:
        return np.asarray(rng.random((runs, n), dtype=np.float32) < share, dtype=np.float64)
    bits = rng.integers(0, 256, size=(runs, -(-n // 8)), dtype=np.uint8)
    return np.unpackbits(bits, axis=1, count=n).astype(np.float64)
