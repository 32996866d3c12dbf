"""Bootstrap of quantiles: exact where rows are independent, by resampled units where they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.stats.estimate import Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.quantile_interval import binomial_quantile, rows_for_interval, sample_quantile
from abkit.stats.samples import finite_sample

_FAR = 12.0
_CELLS = 4_000_000


def binomial_bootstrap(values: npt.ArrayLike, q: float, level: float = 0.95) -> Estimate:
    """Interval of a quantile by the bootstrap that needs no resampling (Schultzberg & Ankargren 2022).

    The bootstrap distribution of the q-quantile is that of the order statistic of rank K, K binomial (n + 1, q).

    Parameters
    ----------
    values : array_like (n,)
        Independent rows.
    q : float
    level : float

    Returns
    -------
    Estimate
        TOO_FEW_UNITS without rows; `details["is_reliable"]` is False where n is below the size at which the order
        statistics bound the quantile on both sides.

    Examples
    --------
    >>> answer = binomial_bootstrap(np.arange(1.0, 101.0), 0.5)
    >>> answer.low, answer.high
    (41.0, 60.0)
    """
    y = np.sort(finite_sample(values))
    n, tail = len(y), (1 - level) / 2
    if n == 0:
        return Estimate(
            None, level=level, method="binomial bootstrap", estimand="quantile", reason=Reason.TOO_FEW_UNITS
        )
    low, high = (y[int(np.clip(binomial_quantile(p, n + 1, q), 1, n)) - 1] for p in (tail, 1 - tail))
    return Estimate(
        sample_quantile(y, q),
        low=float(low),
        high=float(high),
        level=level,
        method="binomial bootstrap",
        estimand="quantile",
        details={"is_reliable": n >= rows_for_interval(q, level)},
    )


def binomial_bootstrap_difference(
    control: npt.ArrayLike, treatment: npt.ArrayLike, q: float, level: float = 0.95
) -> Estimate:
    """Interval of a difference of quantiles by the exact bootstrap (Schultzberg & Ankargren 2022).

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
        Independent rows.
    q : float
    level : float

    Returns
    -------
    Estimate
        Percentiles of x_t(K_t) - x_c(K_c) over independent binomial ranks, without random numbers. The p-value is twice
        the smaller tail at 0.

    Examples
    --------
    >>> rows = np.arange(1.0, 201.0)
    >>> answer = binomial_bootstrap_difference(rows, rows + 30, 0.5)
    >>> answer.value, answer.low, answer.high
    (30.0, 10.0, 50.0)
    """
    c, t = (np.sort(finite_sample(values)) for values in (control, treatment))
    method = "binomial bootstrap"
    if min(len(c), len(t)) == 0:
        return Estimate(None, level=level, method=method, reason=Reason.TOO_FEW_UNITS)
    (value_c, mass_c), (value_t, mass_t) = _ranks(c, q), _ranks(t, q)
    at_least = np.concatenate([np.cumsum(mass_c[::-1])[::-1], [0.0]])

    def below(difference: float) -> float:
        return float(mass_t @ at_least[np.searchsorted(value_c, value_t - difference, side="left")])

    def percentile(p: float) -> float:
        difference = _smallest(below, p, float(value_t[0] - value_c[-1]), float(value_t[-1] - value_c[0]))
        return _nearest(value_c, value_t, difference)

    tail = (1 - level) / 2
    under = below(0.0)
    over = float(mass_t @ (1 - at_least[np.searchsorted(value_c, value_t, side="right")]))
    reliable = min(len(c), len(t)) >= rows_for_interval(q, level)
    return Estimate(
        sample_quantile(t, q) - sample_quantile(c, q),
        low=percentile(tail),
        high=percentile(1 - tail),
        p_value=min(1.0, 2 * min(under, over)),
        level=level,
        method=method,
        details={"is_reliable": reliable},
    )


def cluster_quantile_bootstrap(
    control: npt.ArrayLike,
    control_cluster: npt.ArrayLike,
    treatment: npt.ArrayLike,
    treatment_cluster: npt.ArrayLike,
    q: float,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = 2000,
) -> Estimate:
    """Interval of a difference of quantiles by reweighting whole units (Poisson bootstrap: Chamandy et al. 2012).

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
    control_cluster, treatment_cluster : array_like (n_c,), (n_t,)
        Unit of each row; units of the two variants are independent.
    q : float
    rng : numpy Generator
    level : float
    draws : int

    Returns
    -------
    Estimate
        Percentile interval; `se` is the standard deviation over the draws. TOO_FEW_UNITS below two units in a variant.

    Examples
    --------
    >>> rng = np.random.default_rng(4)
    >>> rows, units = rng.normal(0, 1, 2000), np.repeat(np.arange(200), 10)
    >>> answer = cluster_quantile_bootstrap(rows, units, rows + 1, units, 0.5, rng, draws=400)
    >>> round(answer.value, 6), answer.low > 0.8, answer.high < 1.2
    (1.0, True, True)
    """
    method = "Poisson bootstrap of units"
    quantiles = []
    for values, cluster in ((control, control_cluster), (treatment, treatment_cluster)):
        y, labels = finite_sample(values), np.unique(np.asarray(cluster), return_inverse=True)[1]
        if len(y) == 0 or labels.max() < 1:
            return Estimate(None, level=level, method=method, reason=Reason.TOO_FEW_UNITS)
        quantiles.append(_poisson_quantiles(y, labels, q, rng, draws))
    differences = quantiles[1] - quantiles[0]
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(
        sample_quantile(treatment, q) - sample_quantile(control, q),
        float(differences.std(ddof=1)),
        float(low),
        float(high),
        level=level,
        method=method,
        details={"draws": draws},
    )


def _ranks(y: Array, q: float) -> tuple[Array, Array]:
    """Values of the ranks that count, and their probabilities."""
    n = len(y)
    center, spread = (n + 1) * q, _FAR * np.sqrt((n + 1) * q * (1 - q)) + _FAR
    k = np.arange(max(0, int(center - spread)), min(n + 1, int(center + spread)) + 1)
    log_mass = special.gammaln(n + 2) - special.gammaln(k + 1) - special.gammaln(n + 2 - k)
    mass = np.exp(log_mass + special.xlogy(k, q) + special.xlog1py(n + 1 - k, -q))
    return y[np.clip(k, 1, n) - 1], mass / mass.sum()


def _smallest(below: Callable[[float], float], p: float, low: float, high: float) -> float:
    """Smallest difference whose distribution function reaches p, by halving down to neighbouring numbers."""
    if below(low) >= p:
        return low
    while low < (middle := low + (high - low) / 2) < high:
        if below(middle) >= p - 1e-13:
            high = middle
        else:
            low = middle
    return high


def _nearest(value_c: Array, value_t: Array, difference: float) -> float:
    """The difference of two values of the samples that halving came to, without its rounding."""
    place = np.searchsorted(value_c, value_t - difference)
    gaps = np.concatenate([value_t - value_c[np.clip(place + step, 0, len(value_c) - 1)] for step in (-1, 0, 1)])
    return float(gaps[np.argmin(np.abs(gaps - difference))])


def _poisson_quantiles(y: Array, labels: npt.NDArray[np.intp], q: float, rng: np.random.Generator, draws: int) -> Array:
    order = np.argsort(y, kind="stable")
    ordered, owner, units = y[order], labels[order], int(labels.max()) + 1
    block = max(1, _CELLS // len(y))
    quantiles = np.empty(draws)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        weights = rng.poisson(1.0, (size, units))
        weights[weights.sum(axis=1) == 0] = 1
        reached = np.cumsum(weights[:, owner], axis=1)
        place = (reached < np.ceil(q * reached[:, -1:] * (1 - 1e-14))).sum(axis=1)
        quantiles[start : start + size] = ordered[place]
    return quantiles
