"""Variance reduction with what was known before exposure: CUPED, regression adjustment.

A mean, a ratio and a quantile are all means of one value per unit (`ratio_linearised`, `quantile_linearised`), so one
adjustment serves all of them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.least_squares import RowCorrection, regression
from abkit.stats.moments import Array
from abkit.stats.quantile import outer_probabilities
from abkit.stats.quantile_interval import quantile_se, sample_quantile
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate

Pooling = Literal["within", "total"]
_SMALL = 10


def quantile_linearised(values: npt.ArrayLike, q: float, unit: npt.ArrayLike | None = None) -> Array:
    """One value per unit whose mean is the quantile and whose spread carries the quantile's variance.

    Parameters
    ----------
    values : array_like (rows,)
    q : float
    unit : array_like (rows,), optional
        Label of each row's unit; by default every row is one.

    Returns
    -------
    array (units,)
        Q + sum of (q - 1{y <= Q}) / f over the unit's rows, over mean rows per unit (Bahadur 1966), f from the outer
        order statistics; in the order of the sorted labels.

    Raises
    ------
    ParameterError
        Too few rows for the quantile, or a density that is infinite because so many rows are equal.

    Examples
    --------
    >>> values = quantile_linearised(np.arange(1.0, 101.0), 0.5)
    >>> round(float(values.mean()), 6), round(float(values.std(ddof=1)) / 10, 2)
    (50.0, 5.13)
    """
    y = finite_sample(values)
    answer, outer = quantile_se(y, q), outer_probabilities(q, len(y))
    if answer is None or outer is None or not answer[1] > 0:
        raise ParameterError(f"{len(y)} rows are too few, or too many of them equal, for the {q}-quantile")
    quantile, slope = sample_quantile(y, q), answer[1] * np.sqrt(len(y) / (q * (1 - q)))
    influence = (q - (y <= quantile)) * slope
    influence -= influence.mean()
    if unit is None:
        return np.asarray(quantile + influence)
    labels = np.unique(np.asarray(unit), return_inverse=True)[1]
    sums = np.bincount(labels, influence)
    return np.asarray(quantile + sums * len(sums) / len(y))


def impute_missing(covariates: npt.ArrayLike) -> Array:
    """Replace missing covariates by their mean and add a column that says where: rows are never dropped.

    Parameters
    ----------
    covariates : array_like (n, p) or (n,)
        NaN where missing; of all variants together.

    Returns
    -------
    array (n, p + columns with missing values)

    Examples
    --------
    >>> impute_missing([1.0, np.nan, 3.0]).tolist()
    [[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]
    """
    x = _columns(covariates)
    missing = np.isnan(x)
    present = np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, np.where(missing, 0.0, x).sum(axis=0) / present, x)
    return np.hstack([filled, missing[:, missing.any(axis=0)].astype(float)])


def cuped_difference(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    control_covariates: npt.ArrayLike,
    treatment_covariates: npt.ArrayLike,
    level: float = 0.95,
    pooling: Pooling = "within",
) -> Estimate:
    """Difference of means less what covariates from before exposure explain (Deng, Xu, Kohavi & Walker 2013).

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
        One value per unit; of a ratio or a quantile the linearised values.
    control_covariates, treatment_covariates : array_like (n, p) or (n,)
        From before exposure, without missing values (see `impute_missing`).
    level : float
    pooling : {"within", "total"}
        Slopes from the covariances within variants (the estimate is that of ANCOVA), or from all units together.

    Returns
    -------
    Estimate
        Welch's test of the adjusted values; with ten units or fewer in a variant, one degree of freedom is paid per
        covariate. `details`: theta, variance_removed (0 where none was), value_unadjusted, se_unadjusted, and the
        adjusted means. ZERO_VARIANCE where the covariates explain everything.

    Raises
    ------
    ParameterError
        Missing values, or rows that do not match.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(10, 2, 4000)
    >>> y = x + rng.normal(0, 1, 4000) + 0.2 * (np.arange(4000) >= 2000)
    >>> answer = cuped_difference(y[:2000], y[2000:], x[:2000], x[2000:])
    >>> round(answer.value, 2), round(answer.details["variance_removed"], 2)
    (0.18, 0.8)
    """
    arms = _arms(control, treatment, control_covariates, treatment_covariates)
    (y_c, x_c), (y_t, x_t) = arms
    sizes, p = (len(y_c), len(y_t)), x_c.shape[1]
    raw = _welch(y_c, y_t, level, "welch t")
    if min(sizes) < 2 or sum(sizes) - 2 - p < 1:
        return Estimate(raw.value, level=level, method="cuped", reason=Reason.TOO_FEW_UNITS)
    theta = _slopes(arms, pooling)
    overall = np.vstack([x_c, x_t]).mean(axis=0)
    adjusted_c, adjusted_t = (y - (x - overall) @ theta for y, x in arms)
    before, after = (_pooled_variance(c, t) for c, t in ((y_c, y_t), (adjusted_c, adjusted_t)))
    removed = max(0.0, 1 - after / before) if before > 0 else 0.0
    details = {
        "theta": theta.tolist() if p > 1 else float(theta[0]),
        "variance_removed": removed if theta.any() else 0.0,
        "value_unadjusted": raw.value,
        "se_unadjusted": raw.se,
        "control": float(adjusted_c.mean()),
        "treatment": float(adjusted_t.mean()),
    }
    if after <= 1e-24 * max(before, 1e-300):
        value = float(adjusted_t.mean() - adjusted_c.mean())
        return Estimate(value, level=level, method="cuped", reason=Reason.ZERO_VARIANCE, details=details)
    return _welch(adjusted_c, adjusted_t, level, "cuped", p if min(sizes) <= _SMALL else 0, details)


def regression_difference(
    control: npt.ArrayLike,
    treatment: npt.ArrayLike,
    control_covariates: npt.ArrayLike,
    treatment_covariates: npt.ArrayLike,
    level: float = 0.95,
    interacted: bool = True,
    correction: RowCorrection = "HC2",
) -> Estimate:
    """Difference of means adjusted by regression on covariates.

    Parameters
    ----------
    control, treatment, control_covariates, treatment_covariates, level
        See `cuped_difference`.
    interacted : bool
        True: slopes of their own for each variant, with centred covariates (Lin 2013), never worse than the unadjusted
        difference in large samples. False: common slopes (ANCOVA).
    correction : {"classical", "HC0", "HC1", "HC2", "HC3"}
        See `regression`; "classical" with common slopes is the textbook ANCOVA.

    Returns
    -------
    Estimate
        t with n - columns degrees of freedom. `details`: variance_removed, value_unadjusted, se_unadjusted.

    Raises
    ------
    ParameterError
        Missing values, rows that do not match, or no more rows than columns.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> x = rng.normal(0, 1, 200)
    >>> y = 2 * x + rng.normal(0, 1, 200)
    >>> answer = regression_difference(y[:50], y[50:], x[:50], x[50:])
    >>> answer.df, round(answer.se / answer.details["se_unadjusted"], 2)
    (196.0, 0.48)
    """
    (y_c, x_c), (y_t, x_t) = _arms(control, treatment, control_covariates, treatment_covariates)
    y, x = np.concatenate([y_c, y_t]), np.vstack([x_c, x_t])
    x = x[:, (x != x[0]).any(axis=0)]  # asked of the values: a mean that is rounded makes a constant vary
    x = x - x.mean(axis=0)
    treated = np.repeat([0.0, 1.0], [len(y_c), len(y_t)])
    parts = [np.ones(len(y)), treated, x, treated[:, None] * x] if interacted else [np.ones(len(y)), treated, x]
    fit = regression(y, np.column_stack(parts), correction)
    raw = _welch(y_c, y_t, level, "welch t")
    value, se, df = float(fit.coefficients[1]), float(fit.se[1]), float(fit.df[1])
    method = f"{'Lin' if interacted else 'ANCOVA'}, {correction}"
    removed = max(0.0, 1 - (se / raw.se) ** 2) if raw.se else 0.0
    details = {
        "variance_removed": removed if x.shape[1] else 0.0,
        "value_unadjusted": raw.value,
        "se_unadjusted": raw.se,
    }
    se = se if se > 1e-12 * np.abs(y).max() else 0.0
    return t_estimate(value, se, df, level, method, details=details)


def _columns(covariates: npt.ArrayLike) -> Array:
    x = np.asarray(covariates, dtype=np.float64)
    return x[:, None] if x.ndim == 1 else x


def _arms(
    control: npt.ArrayLike, treatment: npt.ArrayLike, control_x: npt.ArrayLike, treatment_x: npt.ArrayLike
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    y_c, y_t = finite_sample(control), finite_sample(treatment)
    x_c, x_t = _columns(control_x), _columns(treatment_x)
    if len(y_c) != len(x_c) or len(y_t) != len(x_t) or x_c.shape[1] != x_t.shape[1]:
        raise ParameterError("every unit needs a value and the same covariates")
    if not all(np.isfinite(part).all() for part in (y_c, y_t, x_c, x_t)):
        raise ParameterError("values and covariates are finite numbers; impute missing covariates first")
    return (y_c, x_c), (y_t, x_t)


def _slopes(arms: tuple[tuple[Array, Array], tuple[Array, Array]], pooling: Pooling) -> Array:
    if pooling == "within":
        y = np.concatenate([values - values.mean() for values, _ in arms])
        x = np.vstack([covariates - covariates.mean(axis=0) for _, covariates in arms])
    else:
        y, x = np.concatenate([values for values, _ in arms]), np.vstack([covariates for _, covariates in arms])
        y, x = y - y.mean(), x - x.mean(axis=0)
    scale = np.sqrt((x**2).sum(axis=0))
    scale = np.where(
        scale > 1e-12 * np.sqrt(len(x)) * np.abs(np.vstack([a[1] for a in arms])).max(axis=0), scale, np.inf
    )
    return np.asarray(np.linalg.lstsq(x / scale, y, rcond=1e-12)[0] / scale)


def _pooled_variance(control: Array, treatment: Array) -> float:
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in (control, treatment))
    return squares / (len(control) + len(treatment) - 2)


def _welch(
    control: Array, treatment: Array, level: float, method: str, paid: int = 0, details: dict[str, object] | None = None
) -> Estimate:
    sizes = np.array([len(control), len(treatment)], dtype=float)
    if sizes.min() < 2:
        return Estimate(None, level=level, method=method, reason=Reason.TOO_FEW_UNITS)
    value = float(treatment.mean() - control.mean())
    parts = np.array([control.var(ddof=1), treatment.var(ddof=1)]) / sizes
    with np.errstate(invalid="ignore"):
        df = float(parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum())
    freedom = sizes.sum() - 2
    se = float(np.sqrt(parts.sum() * freedom / (freedom - paid)))
    return t_estimate(value, se, max(df - paid, 1.0), level, method, details=details or {})
