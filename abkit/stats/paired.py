"""The same tasks in both variants: the task is the independent unit, and its difficulty cancels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.cluster import clustered_mean
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate

_EXACT_PAIRS = 20
_BLOCK = 4096


def paired_difference(control: npt.ArrayLike, treatment: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Paired t test (Student 1908): the mean difference of pairs.

    Parameters
    ----------
    control, treatment : array_like (n,)
        One value per task, in the same order.
    level : float

    Returns
    -------
    Estimate
        df = n - 1. TOO_FEW_UNITS below two pairs, ZERO_VARIANCE where all differences are equal: scipy would say p = 0.

    Raises
    ------
    ParameterError
        Different lengths.

    Examples
    --------
    >>> answer = paired_difference([13.2, 8.2, 10.9], [14.0, 8.8, 11.2])
    >>> round(answer.value, 4), round(answer.p_value, 4)
    (0.5667, 0.0599)
    """
    return mean_estimate(_differences(control, treatment), level, "paired t")


def mean_estimate(
    values: Array, level: float, method: str, details: dict[str, float | int | None] | None = None
) -> Estimate:
    """Mean of independent values with its t interval.

    Parameters
    ----------
    values : array (n,)
    level : float
    method : str
        Name written into the result.
    details : dict, optional

    Returns
    -------
    Estimate
        TOO_FEW_UNITS below two values, ZERO_VARIANCE where all are equal.

    Examples
    --------
    >>> round(mean_estimate(np.array([1.0, 2.0, 3.0]), 0.95, "mean").se, 4)
    0.5774
    """
    n, extra = len(values), details or {}
    mean = float(values.mean()) if n else float("nan")
    if n < 2:
        return Estimate(mean, level=level, method=method, reason=Reason.TOO_FEW_UNITS, details=extra)
    return t_estimate(mean, float(values.std(ddof=1) / np.sqrt(n)), n - 1.0, level, method, details=extra)


def task_differences(
    control: npt.ArrayLike, control_task: npt.ArrayLike, treatment: npt.ArrayLike, treatment_task: npt.ArrayLike
) -> tuple[Array, npt.NDArray[np.generic]]:
    """Difference of the mean over trials, for every task that both variants ran.

    Parameters
    ----------
    control, treatment : array_like (rows_c,), (rows_t,)
        One value per trial; the number of trials may differ from task to task and between the variants.
    control_task, treatment_task : array_like (rows_c,), (rows_t,)

    Returns
    -------
    differences : array (T,)
    tasks : array (T,)
        Tasks that occur in one variant only are left out.

    Examples
    --------
    >>> task_differences([0, 1, 0], ["a", "a", "b"], [1, 1, 0, 1], ["a", "a", "b", "c"])[0].tolist()
    [0.5, 0.0]
    """
    means = []
    for values, tasks in ((control, control_task), (treatment, treatment_task)):
        names, labels = np.unique(np.asarray(tasks), return_inverse=True)
        means.append((names, np.bincount(labels, finite_sample(values)) / np.bincount(labels)))
    (names_c, mean_c), (names_t, mean_t) = means
    shared, at_c, at_t = np.intersect1d(names_c, names_t, return_indices=True)
    return mean_t[at_t] - mean_c[at_c], shared


def paired_clustered_difference(
    control: npt.ArrayLike,
    control_task: npt.ArrayLike,
    treatment: npt.ArrayLike,
    treatment_task: npt.ArrayLike,
    level: float = 0.95,
) -> Estimate:
    """Tasks x trials: the mean over tasks of the difference of their trial means, each task with equal weight.

    Parameters
    ----------
    control, control_task, treatment, treatment_task
        See `task_differences`.
    level : float

    Returns
    -------
    Estimate
        t with T - 1 degrees of freedom; with two trials per task and variant or more, `details` splits the variance of
        a difference into that between tasks and that of trials (Miller 2024, sec. 4): more trials help until the first
        dominates.

    Examples
    --------
    >>> control, treatment = [0, 0, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1]
    >>> tasks = ["a", "a", "b", "b", "c", "c"]
    >>> answer = paired_clustered_difference(control, tasks, treatment, tasks)
    >>> round(answer.value, 4), answer.df, answer.details["tasks"]
    (0.3333, 2.0, 3)
    """
    differences, shared = task_differences(control, control_task, treatment, treatment_task)
    noise = [
        _trial_variance(values, tasks, shared)
        for values, tasks in ((control, control_task), (treatment, treatment_task))
    ]
    details: dict[str, float | int | None] = {"tasks": len(shared)}
    if len(shared) > 1 and noise[0] is not None and noise[1] is not None:
        trials = noise[0] + noise[1]
        details |= {"variance_of_trials": trials, "variance_between_tasks": float(differences.var(ddof=1)) - trials}
    return mean_estimate(differences, level, "paired clustered t", details)


def paired_grouped_difference(
    control: npt.ArrayLike, treatment: npt.ArrayLike, group: npt.ArrayLike, level: float = 0.95
) -> Estimate:
    """Paired differences whose tasks share a topic or document: clusters of pairs, by CR2.

    Parameters
    ----------
    control, treatment : array_like (n,)
        One value per task.
    group : array_like (n,)
        Label of the task's group.
    level : float

    Returns
    -------
    Estimate
        See `clustered_mean`.

    Examples
    --------
    >>> answer = paired_grouped_difference([1, 2, 3, 4], [2, 3, 5, 7], [0, 0, 1, 1])
    >>> answer.value, round(answer.se, 4)
    (1.75, 0.75)
    """
    return clustered_mean(_differences(control, treatment), group, level)


def sign_flip_test(differences: npt.ArrayLike, rng: np.random.Generator | None = None, draws: int = 9999) -> Estimate:
    """Permutation test of paired differences by flipping their signs (Fisher 1935, sec. 21); exact for small n.

    Parameters
    ----------
    differences : array_like (n,)
    rng : numpy Generator, optional
        Needed where more than 20 differences are not 0; up to there all flips are counted.
    draws : int
        Random flips; the observed one is added (Phipson & Smyth 2010, eq. 2).

    Returns
    -------
    Estimate
        The mean, without interval; two-sided p-value. NO_VARIATION where every difference is 0: then p is 1.

    Raises
    ------
    ParameterError
        More differences than can be counted, and no `rng`.

    Examples
    --------
    >>> round(sign_flip_test([0.8, 0.6, 0.3, 1.1, 0.9]).p_value, 4)
    0.0625
    """
    d = finite_sample(differences)
    moved = d[d != 0]
    mean = float(d.mean()) if len(d) else float("nan")
    if len(moved) == 0:
        return Estimate(mean, p_value=1.0 if len(d) else None, method="sign flips", reason=Reason.NO_VARIATION)
    observed = abs(moved.sum()) * (1 - 1e-12)
    if len(moved) <= _EXACT_PAIRS:
        sums = np.zeros(1)
        for size in np.abs(moved):
            sums = np.concatenate([sums + size, sums - size])
        p_value = float((np.abs(sums) >= observed).mean())
        return Estimate(mean, p_value=p_value, method="sign flips, exact")
    if rng is None:
        raise ParameterError(f"{len(moved)} differences have too many flips to count: give an rng")
    extreme = 0
    for start in range(0, draws, _BLOCK):
        flips = rng.integers(0, 2, (min(_BLOCK, draws - start), len(moved))) * 2 - 1
        extreme += int((np.abs(flips @ moved) >= observed).sum())
    return Estimate(mean, p_value=(extreme + 1) / (draws + 1), method="sign flips, random")


def signed_rank_test(differences: npt.ArrayLike) -> Estimate:
    """Wilcoxon signed-rank test with the Hodges-Lehmann estimate (Hollander & Wolfe 1999, sec. 3.1-3.2).

    Parameters
    ----------
    differences : array_like (n,)

    Returns
    -------
    Estimate
        `value` is the median of all Walsh averages; the p-value is exact for up to 50 differences without zeros and
        ties, else normal with continuity correction, zeros left out. NO_VARIATION where every difference is 0.

    Examples
    --------
    >>> answer = signed_rank_test([0.8, 0.6, 0.3, -0.1, 1.1, 0.2, 0.3, 0.5, 0.55, 0.35])
    >>> round(answer.value, 3), answer.statistic
    (0.45, 54.0)
    """
    from scipy import stats  # costs a second to import

    d = finite_sample(differences)
    moved = d[d != 0]
    if len(moved) == 0:
        return Estimate(None, p_value=1.0 if len(d) else None, method="signed rank", reason=Reason.NO_VARIATION)
    tied = len(np.unique(np.abs(moved))) < len(moved)
    exact = not tied and len(moved) == len(d) <= 50
    result = stats.wilcoxon(moved, method="exact" if exact else "asymptotic", correction=not exact)
    ranks = stats.rankdata(np.abs(moved))
    first, second = np.triu_indices(len(d))
    return Estimate(
        float(np.median((d[first] + d[second]) / 2)),
        p_value=float(result.pvalue),
        statistic=float(ranks[moved > 0].sum()),
        method=f"signed rank, {'exact' if exact else 'normal'}",
    )


def _differences(control: npt.ArrayLike, treatment: npt.ArrayLike) -> Array:
    c, t = finite_sample(control), finite_sample(treatment)
    if c.shape != t.shape or c.ndim != 1:
        raise ParameterError(f"pairs need as many values in both variants, not {c.shape} and {t.shape}")
    return t - c


def _trial_variance(values: npt.ArrayLike, tasks: npt.ArrayLike, shared: npt.NDArray[np.generic]) -> float | None:
    """Mean over tasks of the variance of a task's mean that comes from its trials; None below two trials."""
    y, names = finite_sample(values), np.asarray(tasks)
    kept = np.isin(names, shared)
    labels = np.unique(names[kept], return_inverse=True)[1]
    n = np.bincount(labels)
    if len(n) == 0 or n.min() < 2:
        return None
    mean = np.bincount(labels, y[kept]) / n
    spread = np.bincount(labels, (y[kept] - mean[labels]) ** 2) / (n - 1)
    return float((spread / n).mean())
