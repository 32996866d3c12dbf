"""Three levels - users, their tasks, the runs of a task: where the variance comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.cluster import clustered_mean
from abkit.stats.samples import finite_sample


@dataclass(frozen=True, slots=True)
class VarianceComponents(Displayed):
    """Variance of a row, split by level; what it means for the mean of all rows.

    Parameters
    ----------
    between_users, between_tasks, between_runs : float
        Components of the variance of one run; may be negative, as unbiased estimators are.
    user_icc, task_icc : float or None
        Correlation of two runs of different tasks of a user, and of two runs of one task; None without variance.
    users, tasks, runs : int
    design_effect : float or None
        Variance of the overall mean over that of as many independent runs.
    effective_runs : float or None
        Runs over the design effect: how many independent runs the data are worth.
    """

    between_users: float
    between_tasks: float
    between_runs: float
    user_icc: float | None
    task_icc: float | None
    users: int
    tasks: int
    runs: int
    design_effect: float | None
    effective_runs: float | None


def variance_components(values: npt.ArrayLike, user: npt.ArrayLike, task: npt.ArrayLike) -> VarianceComponents:
    """Split the variance of runs nested in tasks nested in users (Searle, Casella & McCulloch 1992, ch. 5).

    Parameters
    ----------
    values, user, task : array_like (n,)
        A task label belongs to its user: task 1 of two users is two tasks.

    Returns
    -------
    VarianceComponents
        By analysis of variance with unequal sizes; the design effect is that of the means of whole users.

    Raises
    ------
    ParameterError
        Fewer than two users, no user with two tasks, or no task with two runs.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> user, task = np.repeat(np.arange(200), 12), np.tile(np.repeat(np.arange(4), 3), 200)
    >>> y = rng.normal(0, 1, 200)[user] + np.repeat(rng.normal(0, 1, 800), 3) + rng.normal(0, 1, 2400)
    >>> parts = variance_components(y, user, task)
    >>> round(parts.user_icc, 1), round(parts.task_icc, 1), round(parts.design_effect)
    (0.3, 0.6, 5)
    """
    y = finite_sample(values)
    users = np.unique(np.asarray(user), return_inverse=True)[1]
    tasks = np.unique(
        np.stack([users, np.unique(np.asarray(task), return_inverse=True)[1]]), axis=1, return_inverse=True
    )
    owner, labels = tasks[0][0], np.ravel(tasks[1])
    n, a, b = len(y), int(users.max()) + 1, len(owner)
    if a < 2 or b <= a or n <= b:
        raise ParameterError("two users, a user with two tasks and a task with two runs are needed")
    n_user, n_task = np.bincount(users).astype(float), np.bincount(labels).astype(float)
    mean_user, mean_task = np.bincount(users, y) / n_user, np.bincount(labels, y) / n_task
    ms_user = (n_user * (mean_user - y.mean()) ** 2).sum() / (a - 1)
    ms_task = (n_task * (mean_task - mean_user[owner]) ** 2).sum() / (b - a)
    ms_run = ((y - mean_task[labels]) ** 2).sum() / (n - b)
    within = (n_task**2 / n_user[owner]).sum()
    k_task = (n - within) / (b - a)
    k_mixed = (within - (n_task**2).sum() / n) / (a - 1)
    k_user = (n - (n_user**2).sum() / n) / (a - 1)
    var_task = (ms_task - ms_run) / k_task
    var_user = (ms_user - ms_run - k_mixed * var_task) / k_user
    total = var_user + var_task + ms_run
    deff = clustered_mean(y, users).details["design_effect"]
    return VarianceComponents(
        float(var_user),
        float(var_task),
        float(ms_run),
        float(var_user / total) if total > 0 else None,
        float((var_user + var_task) / total) if total > 0 else None,
        a,
        b,
        n,
        deff,
        n / deff if deff else None,
    )
