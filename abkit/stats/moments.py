"""Sufficient statistics of a set of units: count, mean vector, covariance matrix.

Days do not merge: a unit that returns changes its totals, so a time series is collected in one query per
series and not summed. `Moments + Moments` is for *disjoint* sets of units: shards, segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.display import Displayed

Array = npt.NDArray[np.float64]
_ROUNDING = 4e-16  # a column no farther from its mean than this share of it is constant: 0.1 ten times
_NOISE = 1e-13  # a column whose spread about the mean is this small beside that about the shift is constant


@dataclass(frozen=True, slots=True)
class Moments(Displayed):
    """Count, mean vector and covariance matrix of p columns over n units, with any leading batch axes.

    Parameters
    ----------
    n : array (...)
        Number of units.
    mean : array (..., p)
        Means, in the columns' units.
    covariance : array (..., p, p)
        Sample covariances (n - 1 in the denominator); zero where n < 2.

    Examples
    --------
    >>> left, right = Moments.from_rows([[1.0], [2.0]]), Moments.from_rows([[6.0]])
    >>> whole = left + right
    >>> float(whole.n), whole.mean.tolist(), whole.covariance.tolist()
    (3.0, [3.0], [[7.0]])
    """

    n: Array
    mean: Array
    covariance: Array

    @classmethod
    def from_rows(cls, rows: npt.ArrayLike) -> Moments:
        """Compute the moments of `rows` (..., n, p), two-pass.

        Parameters
        ----------
        rows : array_like (..., n, p)
            One row per unit.

        Returns
        -------
        Moments
            Batch axes as in `rows`.
        """
        values = np.asarray(rows, dtype=np.float64)
        n = np.full(values.shape[:-2], float(values.shape[-2]))
        mean = values.mean(axis=-2) if values.shape[-2] else np.zeros((*values.shape[:-2], values.shape[-1]))
        centered = values - mean[..., None, :]
        rounding = _ROUNDING * np.abs(mean)[..., None, :]
        centered = np.where((np.abs(centered) <= rounding).all(axis=-2, keepdims=True), 0.0, centered)
        return cls(n, mean, _per_degree(np.swapaxes(centered, -1, -2) @ centered, n))

    @classmethod
    def from_shifted_sums(
        cls, n: npt.ArrayLike, shift: npt.ArrayLike, sums: npt.ArrayLike, products: npt.ArrayLike
    ) -> Moments:
        """Compute moments from sums of (value - shift) and of their products.

        Raw sums of squares lose all digits when the mean is large beside the spread; sums about any constant near
        the mean do not (Chan, Golub & LeVeque 1983, eq. 1.5 with a shift).

        Parameters
        ----------
        n : array_like (...)
            Number of units.
        shift : array_like (..., p) or (p,)
            The constant taken from each column before summing.
        sums : array_like (..., p)
            Sums of (x_i - shift_i).
        products : array_like (..., p, p)
            Sums of (x_i - shift_i)(x_j - shift_j).

        Returns
        -------
        Moments
        """
        count = np.asarray(n, dtype=np.float64)
        total = np.asarray(sums, dtype=np.float64)
        offset = total / np.maximum(count, 1.0)[..., None]
        raw = np.asarray(products, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large to be squared becomes NaN below
            centered = raw - total[..., :, None] * offset[..., None, :]
        varies = np.einsum("...ii->...i", centered) > _NOISE * np.einsum("...ii->...i", raw)
        centered = np.where(varies[..., :, None] & varies[..., None, :], centered, 0.0)
        centered = np.where(np.isfinite(raw), centered, np.nan)
        return cls(count, np.asarray(shift, dtype=np.float64) + offset, _per_degree(centered, count))

    def __add__(self, other: Moments) -> Moments:
        """Merge two disjoint sets of units (Chan, Golub & LeVeque 1983, eq. 2.1)."""
        n = self.n + other.n
        safe = np.maximum(n, 1.0)
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.n / safe)[..., None]
        between = (self.n * other.n / safe)[..., None, None] * gap[..., :, None] * gap[..., None, :]
        return Moments(n, mean, _per_degree(self._products() + other._products() + between, n))

    def without(self, rows: npt.ArrayLike) -> Moments:
        """Take units out again, of which these are the rows.

        Parameters
        ----------
        rows : array_like (k, p)
            Values of k < n units that are among the n; a few of them, since each costs digits.

        Examples
        --------
        >>> rest = Moments.from_rows([[1.0], [2.0], [6.0]]).without([[6.0]])
        >>> float(rest.n), rest.mean.tolist(), rest.covariance.tolist()
        (2.0, [1.5], [[0.5]])
        """
        gone = np.asarray(rows, dtype=np.float64).reshape(-1, self.mean.shape[-1]) - self.mean
        n = self.n - len(gone)
        total = gone.sum(axis=0)
        left = self._products() - gone.T @ gone - np.outer(total, total) / np.maximum(n, 1.0)
        varies = np.einsum("...ii->...i", left) > _NOISE * np.einsum("...ii->...i", self._products())
        left = np.where(varies[..., :, None] & varies[..., None, :], left, 0.0)
        return Moments(n, self.mean - total / np.maximum(n, 1.0), _per_degree(left, n))

    def __getitem__(self, index: Any) -> Moments:
        """Select along the batch axes."""
        return Moments(self.n[index], self.mean[index], self.covariance[index])

    def columns(self, index: list[int]) -> Moments:
        """Keep the columns at `index`, in that order."""
        return Moments(self.n, self.mean[..., index], self.covariance[..., index, :][..., index])

    def _products(self) -> Array:
        return self.covariance * np.maximum(self.n - 1, 0.0)[..., None, None]


def _per_degree(products: Array, n: Array) -> Array:
    """Products about the mean over n - 1; rounding may leave a tiny negative variance, which is none."""
    covariance = products / np.maximum(n - 1, 1.0)[..., None, None]
    diagonal = np.einsum("...ii->...i", covariance)
    np.maximum(diagonal, 0.0, out=diagonal)
    covariance[n < 2] = 0.0
    return covariance
