"""Rank tests: is a value of the treatment larger than one of the control?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.samples import finite_sample

_EXACT_UNITS = 50
_COUNTABLE = 200_000
_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class RankSum(Displayed):
    """Mann-Whitney test with the shift it estimates.

    Parameters
    ----------
    u : float
        Pairs in which the treatment is larger, ties counting half.
    p_value, p_value_greater, p_value_less : float
        Two-sided, and for a treatment that is larger or smaller.
    shift, low, high : float or None
        Hodges-Lehmann estimate, the median of all pairwise differences, and the interval that inverts the test; None
        where a limit does not exist at this size.
    is_exact : bool
    """

    u: float
    p_value: float
    p_value_greater: float
    p_value_less: float
    shift: float
    low: float | None
    high: float | None
    is_exact: bool


def mann_whitney(control: npt.ArrayLike, treatment: npt.ArrayLike, level: float = 0.95) -> RankSum:
    """Mann-Whitney (1947) test of equal distributions, Hodges-Lehmann (1963) shift with its interval.

    It is no test of medians where spreads differ: see `brunner_munzel`.

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
        At least one value each.
    level : float

    Returns
    -------
    RankSum
        Exact up to 50 units per variant without ties; else normal with the variance corrected for ties and continuity
        (Hollander & Wolfe 1999, sec. 4.1-4.3).

    Raises
    ------
    ParameterError
        An empty variant.

    Examples
    --------
    >>> control = [1.15, 0.88, 0.90, 0.74, 1.21]
    >>> answer = mann_whitney(control, [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
    >>> answer.u, round(answer.p_value, 6), round(answer.shift, 3), round(answer.low, 2), round(answer.high, 2)
    (35.0, 0.254412, 0.305, -0.15, 0.76)
    """
    c, t = finite_sample(control), finite_sample(treatment)
    if min(len(c), len(t)) == 0:
        raise ParameterError("a rank test needs a value in both variants")
    gaps = np.sort((t[:, None] - c).ravel())
    u = float((gaps > 0).sum() + (gaps == 0).sum() / 2)
    ties = np.unique(np.concatenate([c, t]), return_counts=True)[1]
    exact = max(len(c), len(t)) <= _EXACT_UNITS and ties.max() == 1
    greater, less, rank = (
        _exact_tails(u, len(c), len(t), level) if exact else _normal_tails(u, len(gaps), ties.astype(float), level)
    )
    low, high = (float(gaps[rank - 1]), float(gaps[-rank])) if rank >= 1 else (None, None)
    both = min(1.0, 2 * min(greater, less))
    return RankSum(u, both, min(greater, 1.0), min(less, 1.0), float(np.median(gaps)), low, high, exact)


def _exact_tails(u: float, n_c: int, n_t: int, level: float) -> tuple[float, float, int]:
    """Upper and lower p-value, and the rank of the pairwise difference that is the lower limit; 0 for none."""
    mass = rank_sum_distribution(n_c, n_t)
    rank = int(np.searchsorted(np.cumsum(mass), (1 - level) / 2 * (1 + 1e-12)))
    return float(mass[int(u) :].sum()), float(mass[: int(u) + 1].sum()), rank


def _normal_tails(u: float, pairs: int, ties: Array, level: float) -> tuple[float, float, int]:
    n = float(ties.sum())
    sd = float(np.sqrt(pairs / 12 * (n + 1 - (ties**3 - ties).sum() / (n * (n - 1))))) if n > 1 else 0.0
    if not sd > 0:
        return 1.0, 1.0, 0
    off = u - pairs / 2
    greater, less = (float(special.ndtr((0.5 - side * off) / sd)) for side in (1, -1))
    return greater, less, max(int(pairs / 2 - special.ndtri((1 + level) / 2) * sd), 0)


def rank_sum_distribution(n_c: int, n_t: int) -> Array:
    """Null probabilities of 0, 1, ..., n_c n_t pairs in which the treatment is larger (Mann & Whitney 1947, sec. 3).

    Examples
    --------
    >>> rank_sum_distribution(2, 2).round(4).tolist()
    [0.1667, 0.1667, 0.3333, 0.1667, 0.1667]
    """
    row = [np.ones(1)] + [np.ones(1) for _ in range(n_t)]
    for i in range(1, n_c + 1):
        for j in range(1, n_t + 1):
            # The largest value is a treatment (it beats all i controls) or a control (it beats nobody).
            merged = np.zeros(i * j + 1)
            merged[i:] += row[j - 1] * (j / (i + j))
            merged[: len(row[j])] += row[j] * (i / (i + j))
            row[j] = merged
    return row[n_t]


def brunner_munzel(control: npt.ArrayLike, treatment: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """P(control < treatment) + P(tie) / 2, free of any assumption on shape or spread (Brunner & Munzel 2000).

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
    level : float

    Returns
    -------
    Estimate
        t with Satterthwaite degrees of freedom, interval cut to [0, 1]; the test is of 0.5. SEPARATED where the
        variants do not overlap: then the p-value is that of the permutation test, 2 / C(n, n_c). NO_VARIATION where all
        values are equal. With fewer than ten units in a variant prefer `brunner_munzel_permutation`.

    Examples
    --------
    >>> answer = brunner_munzel([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1], [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4])
    >>> round(answer.value, 6), round(answer.p_value, 6), round(answer.df, 4)
    (0.788961, 0.005786, 17.6828)
    """
    counts_c, counts_t = _level_counts(control, treatment)
    n_c, n_t = counts_c.sum(), counts_t.sum()
    method, estimand = "brunner-munzel", "probability"
    if min(n_c, n_t) < 2:
        return Estimate(None, level=level, method=method, estimand=estimand, reason=Reason.TOO_FEW_UNITS)
    value, parts = (np.asarray(part, dtype=np.float64) for part in _superiority(counts_c, counts_t))
    probability, variance = float(value), float(parts.sum())
    if not variance > 0:
        if probability in (0.0, 1.0):
            return Estimate(
                probability,
                p_value=float(np.exp(np.log(2) - _log_choose(n_c + n_t, n_c))),
                level=level,
                method="permutation of separated variants",
                estimand=estimand,
                reason=Reason.SEPARATED,
            )
        return Estimate(
            probability, p_value=1.0, level=level, method=method, estimand=estimand, reason=Reason.NO_VARIATION
        )
    se = float(np.sqrt(variance))
    df = float(variance**2 / (parts**2 / (np.array([n_c, n_t]) - 1)).sum())
    half, t = float(special.stdtrit(df, (1 + level) / 2)) * se, (probability - 0.5) / se
    p_value = float(2 * special.stdtr(df, -abs(t)))
    low, high = max(probability - half, 0.0), min(probability + half, 1.0)
    return Estimate(probability, se, low, high, p_value, t, df, level, method=method, estimand=estimand)


def brunner_munzel_permutation(
    control: npt.ArrayLike, treatment: npt.ArrayLike, rng: np.random.Generator | None = None, draws: int = 9999
) -> float:
    """p-value of the Brunner-Munzel statistic by permutation, for small variants (Neubert & Brunner 2007).

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
        At least two values each.
    rng : numpy Generator, optional
        Needed where there are more than 200,000 different splits of the values; else all are counted. Ties make many
        splits alike.
    draws : int

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        Fewer than two values in a variant, or too many splits to count and no `rng`.

    Examples
    --------
    >>> round(brunner_munzel_permutation([1, 2, 3, 4], [5, 6, 7, 8]), 4)
    0.0286
    """
    c, t = finite_sample(control), finite_sample(treatment)
    if min(len(c), len(t)) < 2:
        raise ParameterError("two values per variant are needed")
    levels = np.unique(np.concatenate([c, t]), return_inverse=True)[1]
    counts = np.bincount(levels).astype(float)
    observed = abs(float(_studentized(*_level_counts(c, t)))) * (1 - 1e-10)
    splits = _all_splits(counts, len(t))
    if splits is not None:
        log_ways = -(special.gammaln(splits + 1) + special.gammaln(counts - splits + 1)).sum(axis=1)
        ways = np.exp(log_ways - log_ways.max())
        return float(ways[np.abs(_studentized(counts - splits, splits)) >= observed].sum() / ways.sum())
    if rng is None:
        raise ParameterError("there are too many splits to count: give an rng")
    extreme = 0
    for start in range(0, draws, _BLOCK):
        drawn = rng.multivariate_hypergeometric(counts.astype(int), len(t), min(_BLOCK, draws - start)).astype(float)
        extreme += int((np.abs(_studentized(counts - drawn, drawn)) >= observed).sum())
    return (extreme + 1) / (draws + 1)


def _all_splits(counts: Array, size: int) -> Array | None:
    """Every way to give `size` of the values to the treatment, as counts per distinct value; None for too many."""
    splits, left = np.zeros((1, 0)), float(counts.sum())
    for count in counts:
        left -= count
        taken = np.arange(count + 1)
        grown = np.hstack([np.repeat(splits, len(taken), axis=0), np.tile(taken, len(splits))[:, None]])
        used = grown.sum(axis=1)
        splits = grown[(used <= size) & (used + left >= size)]
        if len(splits) > _COUNTABLE:
            return None
    return splits


def _studentized(counts_c: Array, counts_t: Array) -> Array:
    value, parts = _superiority(counts_c, counts_t)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentized = (value - 0.5) / np.sqrt(np.maximum(parts.sum(axis=-1), 0.0))
    return np.asarray(np.nan_to_num(studentized, nan=0.0, posinf=np.inf, neginf=-np.inf))


def _level_counts(control: npt.ArrayLike, treatment: npt.ArrayLike) -> tuple[Array, Array]:
    """How many of each variant have each distinct value."""
    c, t = finite_sample(control), finite_sample(treatment)
    values, labels = np.unique(np.concatenate([c, t]), return_inverse=True)
    return (
        np.bincount(labels[: len(c)], minlength=len(values)).astype(float),
        np.bincount(labels[len(c) :], minlength=len(values)).astype(float),
    )


def _superiority(counts_c: Array, counts_t: Array) -> tuple[Array, Array]:
    """Probability that the treatment is larger, and what each variant adds to its variance (..., 2)."""
    parts = []
    n = [counts.sum(axis=-1, keepdims=True) for counts in (counts_c, counts_t)]
    for own, other, size, other_size in ((counts_c, counts_t, n[0], n[1]), (counts_t, counts_c, n[1], n[0])):
        placement = (np.cumsum(other, axis=-1) - other / 2) / other_size
        mean = (own * placement).sum(axis=-1, keepdims=True) / size
        spread = (own * (placement - mean) ** 2).sum(axis=-1) / (size[..., 0] - 1)
        parts.append(spread / size[..., 0])
    return mean[..., 0], np.stack(parts, axis=-1)


def _log_choose(n: float, k: float) -> float:
    return float(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
