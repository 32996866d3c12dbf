"""Rows that come in clusters: several rows per user, several runs per task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate

Correction = Literal["CR0", "CR1", "CR2"]


@dataclass(frozen=True, slots=True)
class IntraclassCorrelation:
    """How alike the rows of a cluster are.

    Parameters
    ----------
    icc : float or None
        Share of the variance between clusters; may be negative. None where it is not defined.
    size : float
        The cluster size that counts in the analysis of variance, n0.
    clusters, rows : int
    between, within : float or None
        Mean squares.
    reason : Reason, optional
    """

    icc: float | None
    size: float
    clusters: int
    rows: int
    between: float | None
    within: float | None
    reason: Reason | None = None


def intraclass_correlation(values: npt.ArrayLike, cluster: npt.ArrayLike) -> IntraclassCorrelation:
    """Intraclass correlation by one-way analysis of variance (Donner & Koval 1980).

    Parameters
    ----------
    values : array_like (n,)
    cluster : array_like (n,)
        Label of each row's cluster.

    Returns
    -------
    IntraclassCorrelation
        (MSB - MSW) / (MSB + (n0 - 1) MSW), n0 = (N - sum n_i^2 / N) / (k - 1). Not cut at 0: truncate it for planning,
        not for reporting.

    Examples
    --------
    >>> round(intraclass_correlation([1.0, 1.2, 5.0, 5.4, 9.0, 8.8], [0, 0, 1, 1, 2, 2]).icc, 4)
    0.9974
    """
    y, labels, sizes = _grouped(values, cluster)
    k, n = len(sizes), len(y)
    size = (n - (sizes**2).sum() / n) / (k - 1) if k > 1 else float(n)
    if k < 2 or n <= k:
        return IntraclassCorrelation(None, float(size), k, n, None, None, Reason.TOO_FEW_UNITS)
    means = np.bincount(labels, y) / sizes
    between = float((sizes * (means - y.mean()) ** 2).sum() / (k - 1))
    within = float(((y - means[labels]) ** 2).sum() / (n - k))
    total = between + (size - 1) * within
    if total <= 0:
        return IntraclassCorrelation(None, float(size), k, n, between, within, Reason.NO_VARIATION)
    return IntraclassCorrelation(float((between - within) / total), float(size), k, n, between, within)


def design_effect(mean_size: npt.ArrayLike, icc: npt.ArrayLike, size_cv: npt.ArrayLike = 0.0) -> Array:
    """Variance of a clustered mean over that of as many independent rows.

    Parameters
    ----------
    mean_size : array_like (...)
        Mean rows per cluster.
    icc : array_like (...)
        Intraclass correlation.
    size_cv : array_like (...)
        Standard deviation of the cluster sizes over their mean.

    Returns
    -------
    array (...)
        1 + ((cv^2 + 1) m - 1) icc (Kish 1965; Eldridge, Ashby & Kerry 2006). Rows over it are the
        effective rows.

    Examples
    --------
    >>> float(design_effect(20, 0.05))
    1.9500000000000002
    """
    cv, m = np.asarray(size_cv, dtype=np.float64), np.asarray(mean_size, dtype=np.float64)
    return np.asarray(1 + ((cv**2 + 1) * m - 1) * np.asarray(icc, dtype=np.float64))


def clustered_mean(
    values: npt.ArrayLike, cluster: npt.ArrayLike, level: float = 0.95, correction: Correction = "CR2"
) -> Estimate:
    """Mean over all rows, with the uncertainty of the clusters.

    Parameters
    ----------
    values : array_like (n,)
    cluster : array_like (n,)
        Label of each row's outermost cluster (the randomized unit). What is nested within it - tasks of a user, runs of
        a task - needs nothing more: sums over the outermost cluster carry all of it.
    level : float
    correction : {"CR0", "CR1", "CR2"}
        CR0: sum over clusters of (sum of residuals)^2 over n^2 (Liang & Zeger 1986; for evaluations of models Miller
        2024, sec. 2.2), z interval. CR1: times k / (k - 1), t with k - 1. CR2: unbiased where rows are independent,
        with Satterthwaite degrees of freedom (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018).

    Returns
    -------
    Estimate
        `details`: se_iid, design_effect, effective_n, icc, clusters, rows.

    Examples
    --------
    >>> answer = clustered_mean([1.0, 2.0, 5.0, 6.0, 9.0, 8.0], [0, 0, 1, 1, 2, 2])
    >>> round(answer.value, 4), round(answer.se, 4), round(answer.df, 4)
    (5.1667, 2.0276, 2.0)
    """
    arm = _Arm.of(values, cluster)
    if arm.clusters < 2:
        return Estimate(arm.mean, level=level, estimand="mean", reason=Reason.TOO_FEW_UNITS, details=arm.details())
    variance, trace = arm.variance(correction)
    df = {"CR0": np.inf, "CR1": arm.clusters - 1.0, "CR2": arm.n**-2 / trace}[correction]
    return t_estimate(
        arm.mean, float(np.sqrt(variance)), float(df), level, f"clustered mean, {correction}", "mean", arm.details()
    )


def clustered_difference(
    control: npt.ArrayLike,
    control_cluster: npt.ArrayLike,
    treatment: npt.ArrayLike,
    treatment_cluster: npt.ArrayLike,
    level: float = 0.95,
    correction: Correction = "CR2",
) -> Estimate:
    """Difference of the means over all rows, where every cluster belongs to one variant.

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
    control_cluster, treatment_cluster : array_like (n_c,), (n_t,)
        Labels; the same label in both variants is two clusters. Where clusters (tasks) occur in both variants, the
        design is paired: see `paired_clustered_difference` and `clustered_regression`.
    level : float
    correction : {"CR0", "CR1", "CR2"}
        See `clustered_mean`. CR1 has k_c + k_t - 2 degrees of freedom.

    Returns
    -------
    Estimate
        `details` holds those of `clustered_mean` for both variants, prefixed. None with TOO_FEW_UNITS for fewer than
        two clusters in a variant.

    Examples
    --------
    >>> answer = clustered_difference([1, 2, 5, 6], [0, 0, 1, 1], [5, 9, 9, 8], [2, 2, 3, 3])
    >>> answer.value, round(answer.se, 4), round(answer.df, 4)
    (4.25, 2.136, 2.0)
    """
    arms = _Arm.of(control, control_cluster), _Arm.of(treatment, treatment_cluster)
    difference = arms[1].mean - arms[0].mean
    details = {
        f"{name}_{key}": v
        for name, arm in zip(("control", "treatment"), arms, strict=True)
        for key, v in arm.details().items()
    }
    if min(arm.clusters for arm in arms) < 2:
        return Estimate(difference, level=level, reason=Reason.TOO_FEW_UNITS, details=details)
    (var_c, trace_c), (var_t, trace_t) = (arm.variance(correction) for arm in arms)
    satterthwaite = (1 / arms[0].n + 1 / arms[1].n) ** 2 / (trace_c + trace_t)
    df = {"CR0": np.inf, "CR1": arms[0].clusters + arms[1].clusters - 2.0, "CR2": satterthwaite}[correction]
    return t_estimate(
        difference,
        float(np.sqrt(var_c + var_t)),
        float(df),
        level,
        f"clustered difference, {correction}",
        details=details,
    )


@dataclass(frozen=True, slots=True)
class _Arm:
    """Sizes and sums of residuals of the clusters of one variant."""

    mean: float
    n: float
    sizes: Array
    sums: Array
    squares: float
    icc: IntraclassCorrelation

    @classmethod
    def of(cls, values: npt.ArrayLike, cluster: npt.ArrayLike) -> _Arm:
        y, labels, sizes = _grouped(values, cluster)
        mean = float(y.mean()) if len(y) else float("nan")
        residuals = y - mean
        sums = np.bincount(labels, residuals, minlength=len(sizes)).astype(np.float64)
        icc = intraclass_correlation(y, labels)
        return cls(mean, float(len(y)), sizes, sums, float((residuals**2).sum()), icc)

    @property
    def clusters(self) -> int:
        return len(self.sizes)

    def variance(self, correction: Correction) -> tuple[float, float]:
        """Variance of the mean, and trace of the square of the CR2 matrix under independence."""
        share = 1 - self.sizes / self.n
        scale = np.ones(self.clusters)
        if correction == "CR1":
            scale = scale * self.clusters / (self.clusters - 1)
        if correction == "CR2":
            scale = 1 / share
        q = self.sizes**2 / (self.n**2 * share)
        trace = ((self.sizes / self.n**2) ** 2).sum() + (q.sum() ** 2 - (q**2).sum()) / self.n**2
        return float((scale * self.sums**2).sum() / self.n**2), float(trace)

    def details(self) -> dict[str, float | int | None]:
        naive = self.squares / self.n**2 if self.n else 0.0
        deff = float((self.sums**2).sum() / self.n**2 / naive) if naive > 0 else None
        return {
            "se_iid": float(np.sqrt(naive)),
            "design_effect": deff,
            "effective_n": self.n / deff if deff else None,
            "icc": self.icc.icc,
            "clusters": self.clusters,
            "rows": int(self.n),
        }


def _grouped(values: npt.ArrayLike, cluster: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.intp], Array]:
    y, raw = finite_sample(values), np.asarray(cluster)
    if y.ndim != 1 or raw.shape != y.shape:
        raise ParameterError(f"one cluster label per value is needed, not {raw.shape} for {y.shape}")
    _, labels, sizes = np.unique(raw, return_inverse=True, return_counts=True)
    return y, labels, sizes.astype(np.float64)
