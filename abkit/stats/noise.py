"""The standard deviation that `sd=` of a plan wants, for metrics that are not plain means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array


def ratio_sd(
    sd_numerator: npt.ArrayLike,
    sd_denominator: npt.ArrayLike,
    correlation: npt.ArrayLike,
    ratio: npt.ArrayLike,
    mean_denominator: npt.ArrayLike,
) -> Array:
    """Standard deviation per unit of a ratio of sums: that of (y - R x) / mean x (Deng et al. 2018, eq. 4).

    Parameters
    ----------
    sd_numerator, sd_denominator, correlation : array_like (...)
        Of the units' totals y and x.
    ratio : array_like (...)
        R, the metric's level.
    mean_denominator : array_like (...)
        Mean of x, not 0.

    Returns
    -------
    array (...)

    Examples
    --------
    >>> float(ratio_sd(3.0, 0.0, 0.0, 2.0, 1.5))
    2.0
    """
    y, x, rho, r, mean = (
        np.asarray(v, dtype=np.float64) for v in (sd_numerator, sd_denominator, correlation, ratio, mean_denominator)
    )
    if (mean == 0).any() or (np.abs(rho) > 1).any() or (y < 0).any() or (x < 0).any():
        raise ParameterError(
            "a ratio needs a mean denominator other than 0, a correlation in [-1, 1] and no negative sd"
        )
    return np.asarray(np.sqrt(np.maximum(y**2 - 2 * r * rho * y * x + r**2 * x**2, 0.0)) / np.abs(mean))


def quantile_sd(q: npt.ArrayLike, density: npt.ArrayLike) -> Array:
    """Standard deviation per row of a sample quantile: sqrt(q (1 - q)) / density there (Bahadur 1966).

    Parameters
    ----------
    q : array_like (...)
        In (0, 1).
    density : array_like (...)
        Of the rows at their q-quantile, positive; from pilot data by `quantile_density`.

    Returns
    -------
    array (...)

    Examples
    --------
    >>> round(float(quantile_sd(0.5, 0.3989423)), 4)
    1.2533
    """
    p, f = np.asarray(q, dtype=np.float64), np.asarray(density, dtype=np.float64)
    if ((p <= 0) | (p >= 1)).any() or (f <= 0).any():
        raise ParameterError("q must be in (0, 1) and the density positive")
    return np.asarray(np.sqrt(p * (1 - p)) / f)


def paired_sd(sd: npt.ArrayLike, correlation: npt.ArrayLike) -> Array:
    """Standard deviation of the difference within a pair: sd sqrt(2 (1 - correlation)).

    Examples
    --------
    >>> float(paired_sd(1.0, 0.5))
    1.0
    """
    rho = np.asarray(correlation, dtype=np.float64)
    if (np.abs(rho) > 1).any():
        raise ParameterError("a correlation lies in [-1, 1]")
    return np.asarray(np.asarray(sd, dtype=np.float64) * np.sqrt(2 * (1 - rho)))


def trials_sd(
    sd_effect: npt.ArrayLike, sd_control: npt.ArrayLike, sd_treatment: npt.ArrayLike, trials: npt.ArrayLike
) -> Array:
    """Standard deviation of a task's difference when each variant tries it `trials` times (Miller 2024, sec. 4).

    Parameters
    ----------
    sd_effect : array_like (...)
        Between tasks, of the true effect on a task: what more trials cannot remove.
    sd_control, sd_treatment : array_like (...)
        Between trials of one task.
    trials : array_like (...)
        Per task and variant.

    Returns
    -------
    array (...)

    Examples
    --------
    >>> float(trials_sd(0.0, 0.5, 0.5, 2))
    0.5
    """
    omega, s0, s1, k = (np.asarray(v, dtype=np.float64) for v in (sd_effect, sd_control, sd_treatment, trials))
    if (k <= 0).any():
        raise ParameterError("each task is tried at least once")
    return np.asarray(np.sqrt(omega**2 + (s0**2 + s1**2) / k))
