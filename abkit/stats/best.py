"""Which variants may be the best, and which pairs differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from abkit.display import Card, Displayed, Table, cell
from abkit.errors import ParameterError
from abkit.stats.dunnett import dunnett_critical_value
from abkit.stats.estimate import Estimate
from abkit.stats.means import Sample, check_level, mean_difference, not_inferable
from abkit.stats.moments import Array
from abkit.stats.noninferiority import Goal
from abkit.stats.summary import Summary


@dataclass(frozen=True, slots=True, repr=False)
class BestSet(Displayed):
    """Each variant against the best of the others.

    Parameters
    ----------
    low, high : array (k,)
        Simultaneous interval of the level minus the best other level, signed so that larger is better. It is one-sided
        by nature: `low` is at most 0 and `high` at least 0.
    may_be_best : array (k,) of bool
        The tied set: with probability `level` it contains the best variant.
    level : float
    """

    low: Array
    high: Array
    may_be_best: npt.NDArray[np.bool_]
    level: float

    def _card(self) -> Card:
        rows = [
            (place, f"[{cell(low)}, {cell(high)}]{' may be best' if tied else ''}")
            for place, (low, high, tied) in enumerate(zip(self.low, self.high, self.may_be_best, strict=True))
        ]
        title = f"level minus the best of the others, {100 * self.level:.10g}%"
        return Card(title, tables=[Table((), rows)])

    def _records(self) -> list[dict[str, Any]]:
        columns = zip(self.low.tolist(), self.high.tolist(), self.may_be_best.tolist(), strict=True)
        return [{"low": low, "high": high, "may_be_best": tied} for low, high, tied in columns]


def best_set(
    value: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    df: float = math.inf,
    goal: Goal = "maximize",
    level: float = 0.95,
) -> BestSet:
    """Compare every variant with the best of the others (Hsu 1984; unequal errors: Edwards & Hsu 1983, sec. 2).

    Parameters
    ----------
    value, se : array_like (k,)
        Levels of k independent variants and their standard errors (> 0), in the metric's unit.
    df : float
        Degrees of freedom of the standard errors, infinite for large samples.
    goal : {"maximize", "minimize"}
    level : float
        That all intervals hold together.

    Returns
    -------
    BestSet

    Raises
    ------
    ParameterError
        Fewer than two variants, or standard errors that are not positive.

    Examples
    --------
    >>> best_set([10.0, 10.4, 8.0], [0.2, 0.2, 0.2]).may_be_best.tolist()
    [True, True, False]
    """
    alpha = check_level(level)
    sign = 1.0 if goal == "maximize" else -1.0
    levels, errors = sign * np.asarray(value, dtype=np.float64), np.asarray(se, dtype=np.float64)
    if levels.ndim != 1 or levels.size < 2 or errors.shape != levels.shape:
        raise ParameterError("the best of the others needs at least two variants, with one standard error each")
    if not (np.isfinite(levels).all() and np.isfinite(errors).all() and (errors > 0).all()):
        raise ParameterError("levels and standard errors must be finite, and standard errors positive")
    spread = np.sqrt(errors[:, None] ** 2 + errors**2)
    others = ~np.eye(levels.size, dtype=bool)
    critical = np.array(
        [
            dunnett_critical_value(errors[i] / spread[i, others[i]], df=df, alpha=alpha, alternative="greater")
            for i in range(levels.size)
        ]
    )
    gap = levels[:, None] - levels
    upper = np.where(others, gap + critical[:, None] * spread, np.inf).min(axis=1)
    tied = upper > 0
    lower = np.where(others & tied, gap - critical * spread, np.inf).min(axis=1)
    return BestSet(np.where(np.isinf(lower), 0.0, np.minimum(lower, 0.0)), np.maximum(upper, 0.0), tied, level)


def all_pairs(
    samples: Sequence[Sample],
    *,
    level: float = 0.95,
    method: Literal["games-howell", "tukey-kramer"] = "games-howell",
) -> dict[tuple[int, int], Estimate]:
    """Difference of every pair of means, all intervals covering together.

    Parameters
    ----------
    samples : sequence of samples
        Arrays (n,) or summaries, at least two.
    level : float
        Of all intervals together.
    method : {"games-howell", "tukey-kramer"}
        Separate variances (Games & Howell 1976) or a pooled one (Tukey 1953; Kramer 1956), both by the studentized
        range.

    Returns
    -------
    dict of (i, j) to Estimate
        Of mean j minus mean i, for i < j.

    Examples
    --------
    >>> pairs = all_pairs([Summary(10, 0.0, 1.0), Summary(10, 1.0, 1.0), Summary(10, 3.0, 4.0)])
    >>> [round(answer.p_value, 3) for answer in pairs.values()]
    [0.092, 0.002, 0.035]
    """
    from scipy import stats  # the studentized range is in no lighter place

    alpha = check_level(level)
    if method not in ("games-howell", "tukey-kramer"):
        raise ParameterError(f"method is 'games-howell' or 'tukey-kramer', got {method!r}")
    all_samples = [Summary.of(sample) for sample in samples]
    k = len(all_samples)
    degrees = sum(max(s.n - 1, 0.0) for s in all_samples)
    pooled = sum(max(s.n - 1, 0.0) * s.variance for s in all_samples) / degrees if degrees > 0 else 0.0
    answers = {}
    for i, j in combinations(range(k), 2):
        old, new = all_samples[i], all_samples[j]
        if method == "tukey-kramer":
            old, new = Summary(old.n, old.mean, pooled), Summary(new.n, new.mean, pooled)
        pair = mean_difference(new, old, level=level)
        if not_inferable(new, old) is not None or pair.se is None or pair.df is None or pair.value is None:
            answers[i, j] = pair
            continue
        df = pair.df if method == "games-howell" else degrees
        statistic = pair.value / pair.se
        half = float(stats.studentized_range.ppf(1 - alpha, k, df)) / math.sqrt(2) * pair.se
        p_value = float(stats.studentized_range.sf(abs(statistic) * math.sqrt(2), k, df))
        bounds = (pair.value - half, pair.value + half)
        answers[i, j] = Estimate(pair.value, pair.se, *bounds, p_value, statistic, df, level, method=method)
    return answers
