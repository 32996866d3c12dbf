"""Count, mean and variance of one variant: all that the comparison of two means needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.estimand import Levels

_ROUNDING = 8 * np.finfo(np.float64).eps


@dataclass(frozen=True, slots=True)
class Summary(Displayed):
    """The sample of one variant.

    Parameters
    ----------
    n : float
        Units, at least 0.
    mean : float
        In the metric's unit; not looked at where n is 0.
    variance : float
        Sample variance (n - 1 in the denominator), in the metric's unit squared; not looked at where n < 2.

    Raises
    ------
    ParameterError
        A negative n or variance, or a number that is not finite.

    Examples
    --------
    >>> Summary.of([1e8 + 1, 1e8 + 2, 1e8 + 3])
    Summary(n=3.0, mean=100000002.0, variance=1.0)
    """

    n: float
    mean: float
    variance: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.n, self.mean, self.variance))):
            raise ParameterError("n, mean and variance must be finite numbers; drop or cap such values first")
        if self.n < 0 or self.variance < 0:
            raise ParameterError(f"n and variance cannot be negative, got n={self.n:g} and variance={self.variance:g}")

    @classmethod
    def of(cls, sample: npt.ArrayLike | Summary) -> Summary:
        """Summarize the values (n,) of a sample; a summary is returned as it is.

        Two passes about the first value, with the correction of Chan, Golub & LeVeque (1983, eq. 1.7): exact where
        all values are equal, and to the last digits where the mean is large beside the spread.

        Raises
        ------
        ParameterError
            A value that is NaN or infinite: whether it is dropped, filled or capped is for the caller to decide.
        """
        if isinstance(sample, Summary):
            return sample
        values = np.asarray(sample, dtype=np.float64).ravel()
        if not np.isfinite(values).all():
            raise ParameterError("the sample has missing or infinite values; drop, fill or cap them first")
        n = values.size
        if n == 0:
            return cls(0.0, 0.0, 0.0)
        shifted = values - values[0]
        center = float(shifted.mean())
        residual = shifted - center
        total = math.fsum((residual**2).tolist()) - math.fsum(residual.tolist()) ** 2 / n
        return cls(float(n), float(values[0]) + center, max(total, 0.0) / (n - 1) if n > 1 else 0.0)

    @classmethod
    def from_sums(cls, n: float, total: float, squares: float) -> Summary:
        """Summarize a count, a sum and a sum of squares; loses digits where the mean is large beside the spread.

        Raises
        ------
        ParameterError
            n < 1, or a sum of squares that no n numbers with this sum can have.

        Examples
        --------
        >>> Summary.from_sums(10, 105, 1111.5)
        Summary(n=10.0, mean=10.5, variance=1.0)
        """
        if n < 1:
            raise ParameterError(f"sums need n of at least 1, got {n:g}")
        mean = total / n
        centered = squares - total * mean
        if centered < -_ROUNDING * abs(squares):
            raise ParameterError(
                f"sum of squares {squares:g} is below sum^2 / n = {total * mean:g}: the sums do not fit"
            )
        spread = 0.0 if centered <= _ROUNDING * abs(squares) else centered
        return cls(float(n), float(mean), spread / (n - 1) if n > 1 else 0.0)

    @property
    def squared_error(self) -> float:
        """Squared standard error of the mean."""
        return self.variance / self.n if self.n else math.nan

    def log(self) -> Summary:
        """Summarize the logarithm of the mean instead (delta method): its standard error is relative.

        Raises
        ------
        ParameterError
            A mean that is not positive.
        """
        if self.mean <= 0:
            raise ParameterError(f"a mean of {self.mean:g} has no logarithm")
        return Summary(self.n, math.log(self.mean), self.variance / self.mean**2)


def trimmed(sample: npt.ArrayLike, share: float = 0.2) -> Summary:
    """Trimmed mean with the variance that makes Welch's test Yuen's (Yuen 1974, eq. 2.2).

    Parameters
    ----------
    sample : array_like (n,)
    share : float
        Cut off at either end, in [0, 0.5); floor(share n) values each.

    Returns
    -------
    Summary
        n is the number of values left, and the variance is the winsorized one, scaled to that number.

    Raises
    ------
    ParameterError
        A share outside [0, 0.5), or values that are not finite.

    Examples
    --------
    >>> trimmed([1, 2, 3, 4, 1000]).mean
    3.0
    """
    if not 0 <= share < 0.5:
        raise ParameterError(f"the trimmed share must be in [0, 0.5), got {share:g}")
    values = np.sort(np.asarray(sample, dtype=np.float64).ravel())
    cut = int(share * values.size)
    kept = values[cut : values.size - cut]
    if kept.size < 2:
        return Summary.of(kept)
    winsorized = Summary.of(np.clip(values, kept[0], kept[-1]))
    return Summary(kept.size, Summary.of(kept).mean, winsorized.variance * (values.size - 1) / (kept.size - 1))


def levels_of(samples: Sequence[Summary]) -> Levels:
    """Write the means of V independent variants as levels, each its own block.

    Examples
    --------
    >>> levels_of([Summary(4, 1.0, 4.0), Summary(9, 2.0, 9.0)]).se.tolist()
    [1.0, 1.0]
    """
    n, mean, variance = np.array([[s.n, s.mean, s.variance] for s in samples]).T
    return mean_levels(n, mean, variance)


def mean_levels(n: npt.ArrayLike, mean: npt.ArrayLike, variance: npt.ArrayLike) -> Levels:
    """Write means of independent variants as levels, with any leading batch axes.

    Parameters
    ----------
    n, mean, variance : array_like (..., V)
        Units, means and sample variances.

    Returns
    -------
    Levels
        One block per variant; NaN where n is 0.

    Examples
    --------
    >>> mean_levels([[4, 9]], [[1.0, 2.0]], [[4.0, 9.0]]).covariance.shape
    (1, 2, 2, 2)
    """
    counts, means, variances = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, mean, variance)))
    size = counts.shape[-1]
    covariance = np.zeros((*counts.shape, size, size))
    place = np.arange(size)
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance[..., place, place, place] = variances / counts
    return Levels(means, covariance, counts)
