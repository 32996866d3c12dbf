"""What a sound split looks like: ranges of counts, dispersion over many splits, false alarms, clusters, changed ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.srm import sequential_srm

_FEWEST_EXPECTED = 5
_BLOCK = 2_000_000


def count_range(n: int, share: float, level: float) -> tuple[int, int]:
    """Range in which a binomial count lies with at least the given probability, tails cut equally.

    Parameters
    ----------
    n : int
        Units.
    share : float
        Planned share, 0 to 1.
    level : float
        Probability of the range, 0 to 1.

    Returns
    -------
    (int, int)
        Quantiles of the binomial distribution at (1 - level) / 2 and (1 + level) / 2.

    Examples
    --------
    >>> count_range(100_000, 0.5, 0.95), count_range(10, 0.0, 0.95)
    ((49690, 50310), (0, 0))
    """
    return _binomial_quantile((1 - level) / 2, n, share), _binomial_quantile((1 + level) / 2, n, share)


def _binomial_quantile(q: float, n: int, share: float) -> int:
    if share <= 0 or share >= 1:
        return n if share >= 1 else 0
    k = int(np.clip(np.nan_to_num(np.ceil(special.bdtrik(q, n, share))), 0, n))
    while k > 0 and special.bdtr(k - 1, n, share) >= q:
        k -= 1
    while k < n and special.bdtr(k, n, share) < q:
        k += 1
    return k


def dispersion(observed: npt.ArrayLike, shares: npt.ArrayLike) -> tuple[float, float]:
    """Test whether many splits vary as much as chance makes them: neither more nor less.

    The sum of Pearson's statistics, against a gamma distribution with their exact mean and variance under the plan
    (Haldane 1937). Hashes that deal users out in turn are too even; hashes that drop or prefer some are too uneven.

    Parameters
    ----------
    observed : array_like (G, V)
        Counts of G disjoint sets of units over V cells; every row has units.
    shares : array_like (V,)
        Planned shares, all positive; normalized.

    Returns
    -------
    ratio : float
        Sum of the statistics over its expectation: 1 is chance.
    p_value : float
        Two-sided.

    Examples
    --------
    >>> ratio, p_value = dispersion([[50, 50]] * 40, [1, 1])
    >>> ratio, p_value < 1e-6
    (0.0, True)
    """
    counts, weights = np.atleast_2d(np.asarray(observed, dtype=np.float64)), np.asarray(shares, dtype=np.float64)
    weights = weights / weights.sum()
    n = counts.sum(axis=1)
    if (weights <= 0).any() or (n <= 0).any():
        raise ParameterError("every set has units and every cell a positive share")
    expected = n[:, None] * weights
    cells = weights.size
    total = float(((counts - expected) ** 2 / expected).sum())
    mean = n.size * (cells - 1)
    variance = float((2 * (cells - 1) + ((1 / weights).sum() - cells**2 - 2 * cells + 2) / n).sum())
    shape, scale = mean**2 / variance, variance / mean
    above, below = special.gammaincc(shape, total / scale), special.gammainc(shape, total / scale)
    return total / mean, float(min(1.0, 2 * min(above, below)))


@dataclass(frozen=True, slots=True)
class AlarmRates(Displayed):
    """How often a sound split is called broken.

    Parameters
    ----------
    once : float
        By one chi-square test at the end.
    daily : float
        By that test on some day, when it is looked at at the end of every day.
    always_valid : float
        By the anytime-valid test on some day.
    launches : int
        Simulated experiments behind each rate.
    """

    once: float
    daily: float
    always_valid: float
    launches: int


def alarm_rates(
    units_by_day: npt.ArrayLike,
    shares: npt.ArrayLike,
    threshold: float,
    rng: np.random.Generator,
    *,
    launches: int = 10_000,
) -> AlarmRates:
    """Simulate sound experiments and count the false alarms of the split checks.

    Days on which fewer than five units are expected in some variant have no chi-square test.

    Parameters
    ----------
    units_by_day : array_like (T,)
        New units on each day.
    shares : array_like (V,)
        Planned shares; those of 0 are left out.
    threshold : float
        p-value under which a split counts as broken.
    rng : Generator
    launches : int

    Examples
    --------
    >>> rates = alarm_rates([1000] * 14, [1, 1], 0.001, np.random.default_rng(1))
    >>> rates.once < 0.002 < rates.daily < 0.01, rates.always_valid < 0.001
    (True, True)
    """
    new = np.asarray(units_by_day, dtype=np.int64)
    weights = np.asarray(shares, dtype=np.float64)
    weights = weights[weights > 0] / weights.sum()
    expected = np.cumsum(new)[:, None] * weights
    tested = expected.min(axis=1) >= _FEWEST_EXPECTED
    alarms = np.zeros(3)
    for start in range(0, launches, max(1, _BLOCK // expected.size)):
        size = min(max(1, _BLOCK // expected.size), launches - start)
        seen = rng.multinomial(new, weights, size=(size, new.size)).cumsum(axis=1)
        statistic = ((seen - expected) ** 2 / np.maximum(expected, 1e-300)).sum(axis=-1)
        alarm = (special.chdtrc(weights.size - 1, statistic) < threshold) & tested
        safe = sequential_srm(seen, weights)[1][:, -1] < threshold
        alarms += [alarm[:, -1].sum(), alarm.any(axis=1).sum(), safe.sum()]
    once, daily, always_valid = (alarms / launches).tolist()
    return AlarmRates(once, daily, always_valid, launches)


def detectable_deviation(n: int, share: float, threshold: float, power: float = 0.9) -> float:
    """Smallest change of a variant's share that the split check finds with the given power (normal approximation).

    Examples
    --------
    >>> round(detectable_deviation(209_039, 0.5, 0.001), 4)
    0.005
    """
    z = special.ndtri(1 - threshold / 2) + special.ndtri(power)
    return float(z * np.sqrt(share * (1 - share) / n))


def independence(table: npt.ArrayLike) -> float | None:
    """Test whether two splits of the same units are independent (Pearson 1900).

    Parameters
    ----------
    table : array_like (V, W)
        Units by variant of the one and of the other.

    Returns
    -------
    float or None
        p-value; None where fewer than five units are expected in some cell, or one split has a single variant.

    Examples
    --------
    >>> independence([[500, 500], [500, 500]]), independence([[900, 100], [100, 900]]) < 1e-9, independence([[9, 1]])
    (1.0, True, None)
    """
    counts: Array = np.asarray(table, dtype=np.float64)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    df = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if df < 1:
        return None
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    if expected.min() < _FEWEST_EXPECTED:
        return None
    return float(special.chdtrc(df, ((counts - expected) ** 2 / expected).sum()))


def effective_clusters(sizes: npt.ArrayLike) -> float:
    """Number of equal clusters that would split as evenly: (sum s)^2 / sum s^2 (Kish 1965).

    Examples
    --------
    >>> effective_clusters([10, 10, 10, 10]), round(effective_clusters([97, 1, 1, 1]), 2)
    (4.0, 1.06)
    """
    s = np.asarray(sizes, dtype=np.float64)
    return float(s.sum() ** 2 / (s**2).sum())


def cluster_design_effect(sizes: npt.ArrayLike, icc: float) -> float:
    """Factor by which clusters of unequal size raise the variance: 1 + (sum s^2 / sum s - 1) icc (Kish 1965).

    Examples
    --------
    >>> cluster_design_effect([10] * 5, 0.05)
    1.45
    """
    s = np.asarray(sizes, dtype=np.float64)
    return float(1 + ((s**2).sum() / s.sum() - 1) * icc)


@dataclass(frozen=True, slots=True)
class ChangedIds(Displayed):
    """What follows when a share of people come back under a new id.

    Parameters
    ----------
    mixed : float
        Share of people seen in two variants.
    attenuation : float
        Share of the effect that is left, where a person's outcome is the mean of what the person saw.
    extra_units : float
        Factor on the sample size that makes up for it.
    """

    mixed: float
    attenuation: float
    extra_units: float


def changed_ids(share: float, shares: npt.ArrayLike) -> ChangedIds:
    """Say what changing ids do to an experiment.

    A second id is assigned anew, so a share c (1 - sum p^2) of people sees two variants. Of all ids, 2c / (1 + c)
    belong to people who changed, and each of these has half of its exposure from its own variant, the other half from
    one that does not depend on it: the difference between variants shrinks to 1 - c / (1 + c) = 1 / (1 + c).

    Parameters
    ----------
    share : float
        Share c of people who change their id once, 0 to 1.
    shares : array_like (V,)
        Planned shares of the variants; normalized.

    Examples
    --------
    >>> changed_ids(0.25, [50, 50])
    ChangedIds(mixed=0.125, attenuation=0.8, extra_units=1.5625)
    """
    weights = np.asarray(shares, dtype=np.float64)
    weights = weights / weights.sum()
    return ChangedIds(float(share * (1 - (weights**2).sum())), 1 / (1 + share), (1 + share) ** 2)
