"""Least squares with standard errors that hold when variances differ or rows come in clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.samples import finite_sample

RowCorrection = Literal["classical", "HC0", "HC1", "HC2", "HC3"]
ClusterCorrection = Literal["CR0", "CR1", "CR2"]


@dataclass(frozen=True, slots=True)
class Regression:
    """A least-squares fit.

    Parameters
    ----------
    coefficients : array (p,)
    covariance : array (p, p)
    df : array (p,)
        Degrees of freedom of each coefficient's t statistic.
    residual_variance : float
        Residual sum of squares over n - p.
    """

    coefficients: Array
    covariance: Array
    df: Array
    residual_variance: float

    @property
    def se(self) -> Array:
        """Standard errors, (p,)."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))


def regression(outcome: npt.ArrayLike, design: npt.ArrayLike, correction: RowCorrection = "HC2") -> Regression:
    """Least squares of independent rows.

    Parameters
    ----------
    outcome : array_like (n,)
    design : array_like (n, p)
        With its constant column; columns that are combinations of others get the minimum-norm coefficients.
    correction : {"classical", "HC0", "HC1", "HC2", "HC3"}
        Classical: equal variances. HC0: White (1980); HC1: times n / (n - p); HC2 and HC3: residuals over the first and
        second power of 1 - leverage (MacKinnon & White 1985).

    Returns
    -------
    Regression
        With n - rank degrees of freedom.

    Raises
    ------
    ParameterError
        No more rows than columns.

    Examples
    --------
    >>> fit = regression([1.0, 2.0, 3.0, 5.0], np.column_stack([np.ones(4), [0, 0, 1, 1]]))
    >>> fit.coefficients.round(6).tolist(), fit.se.round(4).tolist()
    ([1.5, 2.5], [0.5, 1.118])
    """
    y, x, bread, rank = _fit(outcome, design)
    coefficients = bread @ x.T @ y
    residuals = y - x @ coefficients
    freedom = len(y) - rank
    residual_variance = float(residuals @ residuals / freedom)
    leverage = np.einsum("ij,jk,ik->i", x, bread, x)
    spread = np.maximum(1 - leverage, 1e-12)
    weights = {
        "classical": np.full(len(y), residual_variance),
        "HC0": residuals**2,
        "HC1": residuals**2 * len(y) / freedom,
        "HC2": residuals**2 / spread,
        "HC3": residuals**2 / spread**2,
    }[correction]
    covariance = bread @ (x.T * weights) @ x @ bread
    return Regression(coefficients, covariance, np.full(x.shape[1], float(freedom)), residual_variance)


def clustered_regression(
    outcome: npt.ArrayLike, design: npt.ArrayLike, cluster: npt.ArrayLike, correction: ClusterCorrection = "CR2"
) -> Regression:
    """Least squares of rows that come in clusters, which may be in several variants.

    Parameters
    ----------
    outcome : array_like (n,)
    design : array_like (n, p)
    cluster : array_like (n,)
        Label of each row's cluster.
    correction : {"CR0", "CR1", "CR2"}
        CR0: Liang & Zeger (1986). CR1: times k / (k - 1), k - 1 degrees of freedom. CR2: residuals times the inverse
        root of the cluster's block of I - H, Satterthwaite degrees of freedom for each coefficient, both under
        independent rows as the working model (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018).

    Returns
    -------
    Regression
        Degrees of freedom are infinite for CR0.

    Raises
    ------
    ParameterError
        Fewer than two clusters, or no more rows than columns.

    Examples
    --------
    >>> design = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> fit = clustered_regression([1.0, 2.0, 6.0, 3.0, 5.0, 7.0], design, [0, 0, 1, 2, 2, 3])
    >>> fit.coefficients.round(4).tolist(), fit.se.round(4).tolist(), fit.df.round(3).tolist()
    ([3.0, 2.0], [2.1213, 2.5495], [1.0, 2.0])
    """
    y, x, bread, rank = _fit(outcome, design)
    labels = np.unique(np.asarray(cluster), return_inverse=True)[1]
    k = int(labels.max()) + 1
    if len(labels) != len(y) or k < 2:
        raise ParameterError("one label per row and at least two clusters are needed")
    residuals = y - x @ (bread @ x.T @ y)
    scores, adjusted = [], []
    for g in range(k):
        rows = x[labels == g]
        block = rows @ bread
        weight = _inverse_root(np.eye(len(rows)) - block @ rows.T) if correction == "CR2" else np.eye(len(rows))
        adjusted.append(weight @ block)
        scores.append(residuals[labels == g] @ adjusted[-1])
    factor = k / (k - 1) if correction == "CR1" else 1.0
    covariance = factor * np.einsum("gi,gj->ij", scores, scores)
    df = {"CR0": np.full(x.shape[1], np.inf), "CR1": np.full(x.shape[1], k - 1.0)}.get(correction)
    if df is None:
        df = _satterthwaite(x, bread, labels, adjusted)
    return Regression(bread @ x.T @ y, covariance, df, float(residuals @ residuals / (len(y) - rank)))


def _fit(outcome: npt.ArrayLike, design: npt.ArrayLike) -> tuple[Array, Array, Array, int]:
    y, x = finite_sample(outcome), np.asarray(design, dtype=np.float64)
    rank = int(np.linalg.matrix_rank(x))
    if x.ndim != 2 or len(x) != len(y) or len(y) <= rank:
        raise ParameterError(f"more rows than columns are needed, not {x.shape} for {y.shape}")
    triangle = np.linalg.pinv(np.linalg.qr(x, mode="r"))
    return y, x, triangle @ triangle.T, rank


def _inverse_root(matrix: Array) -> Array:
    """Symmetric inverse square root; directions without variance are left out."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.where(values > 1e-10, values, np.inf) ** -0.5
    return np.asarray((vectors * roots) @ vectors.T)


def _satterthwaite(x: Array, bread: Array, labels: npt.NDArray[np.intp], adjusted: list[Array]) -> Array:
    """(trace)^2 / trace of the square of the quadratic form behind each variance, for independent rows."""
    k, p = len(adjusted), x.shape[1]
    crossed = np.array([x[labels == g].T @ adjusted[g] for g in range(k)])
    own = np.array([np.einsum("ri,ri->i", a, a) for a in adjusted])
    df = np.empty(p)
    for j in range(p):
        shared = crossed[:, :, j]
        form = np.diag(own[:, j]) - shared @ bread @ shared.T
        df[j] = np.trace(form) ** 2 / (form**2).sum()
    return df
