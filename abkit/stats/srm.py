"""Sample-ratio mismatch: did the split do what was planned?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Card, Displayed, Table, cell
from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.multiplicity import holm

_MOST_TABLES = 2_000_000


@dataclass(frozen=True, slots=True, repr=False)
class SplitTest(Displayed):
    """Observed counts against the planned shares.

    Parameters
    ----------
    observed, expected : tuple of float
        Units by variant.
    statistic : float
        Pearson's chi-square.
    df : int
        Variants with a positive share, less one.
    p_value : float
        Probability of a mismatch this large under the planned split.
    """

    observed: tuple[float, ...]
    expected: tuple[float, ...]
    statistic: float
    df: int
    p_value: float

    def _card(self) -> Card:
        counts = [cell([int(n) if n == int(n) else n for n in row]) for row in (self.observed, self.expected)]
        numbers = [cell(number) for number in (self.statistic, self.df, self.p_value)]
        names = ("observed", "expected", "statistic", "df", "p_value")
        return Card("sample-ratio mismatch", tables=[Table((), list(zip(names, counts + numbers, strict=True)))])


def srm(
    observed: npt.ArrayLike, shares: npt.ArrayLike, *, method: Literal["chi-square", "exact"] = "chi-square"
) -> SplitTest:
    """Test observed counts against the planned split (Pearson 1900; Fabijan et al. 2019).

    Judge it at 0.001: it is there to find broken experiments, and it is looked at more than once.

    Parameters
    ----------
    observed : array_like (V,)
        Units by variant.
    shares : array_like (V,)
        Planned shares in any unit; normalized. A share of 0 does not count in the degrees of freedom, and any unit seen
        there makes the p-value 0.
    method : {"chi-square", "exact"}
        "exact" adds the probabilities of all splits no more probable than this one (the binomial test for two variants,
        the multinomial one for more); for counts where fewer than five are expected somewhere.

    Returns
    -------
    SplitTest

    Raises
    ------
    ParameterError
        Fewer than two positive shares, no units, negative or not finite numbers; for "exact" also counts that are not
        whole, or too many splits to add up.

    Examples
    --------
    >>> srm([44700, 45489], [50, 50])
    sample-ratio mismatch
      observed   [44700, 45489]
      expected   [45094.5, 45094.5]
      statistic  6.9024
      df         1
      p_value    0.00860799
    >>> round(srm([9, 1], [1, 1], method="exact").p_value, 6)
    0.021484
    """
    counts, weights = _checked(observed, shares)
    planned = weights > 0
    expected = counts.sum() * weights
    df = int(planned.sum()) - 1
    statistic = float(((counts - expected)[planned] ** 2 / expected[planned]).sum())
    if (counts[~planned] > 0).any():
        p_value = 0.0
    elif method == "exact":
        p_value = _exact(counts[planned], weights[planned])
    elif method == "chi-square":
        p_value = float(special.chdtrc(df, statistic))
    else:
        raise ParameterError(f"method is 'chi-square' or 'exact', got {method!r}")
    return SplitTest(tuple(counts.tolist()), tuple(expected.tolist()), statistic, df, p_value)


def split_p_values(observed: npt.ArrayLike, shares: npt.ArrayLike) -> Array:
    """Test many splits against one plan, as `srm` tests one.

    Parameters
    ----------
    observed : array_like (..., V)
        Units by variant, more than none in all.
    shares : array_like (V,)
        Planned shares.

    Returns
    -------
    array (...)
        Pearson's chi-square p-values; 0 where a unit is in a variant with share 0.

    Examples
    --------
    >>> split_p_values([[44700, 45489], [500, 500]], [50, 50]).round(6).tolist()
    [0.008608, 1.0]
    """
    counts, weights = np.asarray(observed, dtype=np.float64), _weights(shares)
    planned = weights > 0
    expected = counts.sum(axis=-1, keepdims=True) * weights
    statistic = ((counts - expected)[..., planned] ** 2 / expected[..., planned]).sum(axis=-1)
    p_values = special.chdtrc(int(planned.sum()) - 1, statistic)
    return np.where(counts[..., ~planned].sum(axis=-1) > 0, 0.0, p_values)


def srm_by_segment(
    observed: npt.ArrayLike, shares: npt.ArrayLike, alpha: float = 0.001
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Test the split in every segment with one error budget (Holm 1979).

    Parameters
    ----------
    observed : array_like (S, V)
        Units by segment and variant; a segment without units has no test.
    shares : array_like (V,)
    alpha : float
        Chance of any false alarm over all segments.

    Returns
    -------
    p_values : array (S,)
        Adjusted for the number of segments with units; NaN without units.
    alarms : array (S,) of bool

    Examples
    --------
    >>> p_values, alarms = srm_by_segment([[500, 500], [700, 300], [0, 0]], [1, 1])
    >>> alarms.tolist()
    [False, True, False]
    """
    rows = np.asarray(observed, dtype=np.float64)
    p_values = np.array([srm(row, shares).p_value if row.sum() > 0 else np.nan for row in rows])
    adjusted = holm(p_values)
    return adjusted, adjusted <= alpha


def sequential_srm(
    observed: npt.ArrayLike, shares: npt.ArrayLike, *, concentration: float | None = None
) -> tuple[Array, Array]:
    """E-values and p-values of a split that is looked at as often as one likes.

    A Dirichlet mixture of splits against the planned one (Lindon & Malek 2020, eq. 8): the chance that the p-value ever
    falls to alpha under the planned split is at most alpha, however often it is computed.

    Parameters
    ----------
    observed : array_like (..., T, V)
        Cumulative counts at T looks.
    shares : array_like (V,)
        Planned shares; a unit in a variant with share 0 makes the e-value infinite.
    concentration : float, optional
        Total weight of the Dirichlet around the planned shares. Large values look for small mismatches in many units:
        10,000 is Optimizely's, and has little power below 100,000 units. Default 200.

    Returns
    -------
    e_values : array (..., T)
    p_values : array (..., T)
        1 over the largest e-value so far, at most 1.

    Examples
    --------
    >>> e_values, p_values = sequential_srm([[52, 48], [1052, 848]], [0.5, 0.5], concentration=10000)
    >>> e_values.round(4).tolist(), p_values.round(4).tolist()
    ([0.9958, 5.2689], [1.0, 0.1898])
    """
    counts = np.asarray(observed, dtype=np.float64)
    weights = _weights(shares)
    if (counts < 0).any() or not np.isfinite(counts).all() or (np.diff(counts, axis=-2) < 0).any():
        raise ParameterError("counts are cumulative: finite, not negative, and never falling")
    total = 200.0 if concentration is None else concentration
    if not total > 0:
        raise ParameterError(f"the concentration must be positive, got {total:g}")
    planned = weights > 0
    prior, share, seen = total * weights[planned], weights[planned], counts[..., planned]
    n = seen.sum(axis=-1)
    log_e = (special.gammaln(prior + seen) - special.gammaln(prior) - seen * np.log(share)).sum(axis=-1)
    log_e -= special.gammaln(total + n) - special.gammaln(total)
    log_e = np.where(counts[..., ~planned].sum(axis=-1) > 0, np.inf, log_e)
    with np.errstate(over="ignore"):
        return np.exp(log_e), np.exp(-np.maximum(np.maximum.accumulate(log_e, axis=-1), 0.0))


def _weights(shares: npt.ArrayLike) -> Array:
    weights = np.asarray(shares, dtype=np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or (weights > 0).sum() < 2:
        raise ParameterError("a split needs at least two variants with a positive share, and no negative one")
    return np.asarray(weights / weights.sum())


def _checked(observed: npt.ArrayLike, shares: npt.ArrayLike) -> tuple[Array, Array]:
    counts, weights = np.asarray(observed, dtype=np.float64), _weights(shares)
    if counts.shape != weights.shape:
        raise ParameterError(f"one count and one share per variant, got {counts.size} counts and {weights.size} shares")
    if not np.isfinite(counts).all() or (counts < 0).any() or counts.sum() <= 0:
        raise ParameterError("a split needs units, and counts that are finite and not negative")
    return counts, weights


def _exact(counts: Array, weights: Array) -> float:
    if (counts != np.round(counts)).any():
        raise ParameterError("the exact test counts units: whole numbers only")
    n, variants = int(counts.sum()), counts.size
    if (n + 1.0) ** (variants - 1) > _MOST_TABLES:
        raise ParameterError(
            f"{n} units over {variants} variants are too many splits to add up; use the chi-square test"
        )
    free = np.indices((n + 1,) * (variants - 1)).reshape(variants - 1, -1)
    free = free[:, free.sum(axis=0) <= n]
    tables = np.vstack([free, n - free.sum(axis=0)])
    log = _log_probability(tables, weights)
    seen = _log_probability(counts[:, None], weights)[0]
    return float(min(np.exp(log[log <= seen + 1e-9]).sum(), 1.0))


def _log_probability(tables: Array, weights: Array) -> Array:
    """Multinomial log-probability of each column."""
    terms = special.xlogy(tables, weights[:, None]) - special.gammaln(tables + 1.0)
    return np.asarray(terms.sum(axis=0) + special.gammaln(tables.sum(axis=0) + 1.0))


def equal_shares(counts: npt.ArrayLike, totals: npt.ArrayLike) -> float:
    """Test whether something happens equally often everywhere (Pearson 1900); 1 where it happens never or always.

    Parameters
    ----------
    counts, totals : array_like (V,)
        How often it happened, out of how many; counts <= totals, totals > 0.

    Returns
    -------
    float
        p-value of the chi-square test of homogeneity.

    Examples
    --------
    >>> round(equal_shares([10, 30], [100, 100]), 4)
    0.0004
    """
    seen, out_of = np.asarray(counts, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    share = seen.sum() / out_of.sum()
    if share in (0.0, 1.0):
        return 1.0
    statistic = ((seen - out_of * share) ** 2 / (out_of * share * (1 - share))).sum()
    return float(special.chdtrc(seen.size - 1, statistic))
