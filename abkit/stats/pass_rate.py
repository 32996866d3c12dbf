"""Several trials per task: the chance that one of k solves it, and that all of k do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate
from abkit.stats.moments import Array
from abkit.stats.paired import mean_estimate, paired_difference


def pass_at_k(n: npt.ArrayLike, successes: npt.ArrayLike, k: int) -> Array:
    """Unbiased estimate, per task, of the chance that at least one of k trials succeeds.

    Parameters
    ----------
    n : array_like (...)
        Trials of the task; at least k.
    successes : array_like (...)
    k : int

    Returns
    -------
    array (...)
        1 - C(n - c, k) / C(n, k) (Chen et al. 2021, eq. 1).

    Raises
    ------
    ParameterError
        Fewer than k trials of a task, or more successes than trials.

    Examples
    --------
    >>> pass_at_k(5, [0, 2, 5], 3).round(4).tolist()
    [0.0, 0.9, 1.0]
    """
    trials, passed = _checked(n, successes, k)
    return 1 - _all_from(trials - passed, trials, k)


def pass_hat_k(n: npt.ArrayLike, successes: npt.ArrayLike, k: int) -> Array:
    """Unbiased estimate, per task, of the chance that all of k trials succeed.

    Parameters
    ----------
    n, successes, k
        See `pass_at_k`.

    Returns
    -------
    array (...)
        C(c, k) / C(n, k) (Yao, Shinn, Razavi & Narasimhan 2024, sec. 4).

    Examples
    --------
    >>> pass_hat_k(5, [2, 4, 5], 3).round(4).tolist()
    [0.0, 0.4, 1.0]
    """
    trials, passed = _checked(n, successes, k)
    return _all_from(passed, trials, k)


def pass_rate(n: npt.ArrayLike, successes: npt.ArrayLike, k: int, every: bool = False, level: float = 0.95) -> Estimate:
    """pass@k or pass^k over tasks, with an interval from the spread between tasks.

    Parameters
    ----------
    n, successes : array_like (T,)
        Per task.
    k : int
    every : bool
        True: pass^k, all of k trials succeed; False: pass@k, one of them does.
    level : float

    Returns
    -------
    Estimate
        Mean over tasks, t with T - 1 degrees of freedom; within [0, 1].

    Examples
    --------
    >>> answer = pass_rate([5, 5, 5, 5], [0, 2, 5, 3], k=1)
    >>> round(answer.value, 4), round(answer.se, 4)
    (0.5, 0.2082)
    """
    per_task = np.atleast_1d((pass_hat_k if every else pass_at_k)(n, successes, k))
    answer = mean_estimate(per_task, level, f"pass{'^' if every else '@'}{k}", {"tasks": len(per_task)})
    low, high = (None if bound is None else min(max(bound, 0.0), 1.0) for bound in (answer.low, answer.high))
    return Estimate(
        answer.value,
        answer.se,
        low,
        high,
        df=answer.df,
        level=level,
        method=answer.method,
        estimand="rate",
        reason=answer.reason,
        details=answer.details,
    )


def pass_rate_difference(
    control_n: npt.ArrayLike,
    control_successes: npt.ArrayLike,
    treatment_n: npt.ArrayLike,
    treatment_successes: npt.ArrayLike,
    k: int,
    every: bool = False,
    level: float = 0.95,
) -> Estimate:
    """Difference of pass@k or pass^k on the same tasks, paired by task (never by plugging in the two overall rates).

    Parameters
    ----------
    control_n, control_successes, treatment_n, treatment_successes : array_like (T,)
        Per task, in the same order.
    k, every, level
        See `pass_rate`.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> pass_rate_difference([5] * 4, [0, 2, 5, 3], [5] * 4, [1, 3, 5, 5], k=2).value
    0.175
    """
    measure = pass_hat_k if every else pass_at_k
    return paired_difference(
        measure(control_n, control_successes, k), measure(treatment_n, treatment_successes, k), level
    )


def _checked(n: npt.ArrayLike, successes: npt.ArrayLike, k: int) -> tuple[Array, Array]:
    trials, passed = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(successes, dtype=np.float64))
    if k < 1 or (trials < k).any() or (passed < 0).any() or (passed > trials).any():
        raise ParameterError(f"every task needs at least k = {k} >= 1 trials, and no more successes than trials")
    return trials, passed


def _all_from(chosen: Array, total: Array, k: int) -> Array:
    """C(chosen, k) / C(total, k) as a product, which cannot overflow."""
    steps = np.arange(k)
    return np.asarray(np.prod(np.clip((chosen[..., None] - steps) / (total[..., None] - steps), 0.0, None), axis=-1))
