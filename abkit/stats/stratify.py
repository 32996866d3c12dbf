"""Post-stratification: compare like with like, and weight the strata by their size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.stats.estimate import Estimate, Reason
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate


def post_stratified_difference(
    control: npt.ArrayLike,
    control_stratum: npt.ArrayLike,
    treatment: npt.ArrayLike,
    treatment_stratum: npt.ArrayLike,
    level: float = 0.95,
) -> Estimate:
    """Mean over strata of the difference within each, weighted by the stratum's share of all units.

    Parameters
    ----------
    control, treatment : array_like (n_c,), (n_t,)
        One value per unit.
    control_stratum, treatment_stratum : array_like (n_c,), (n_t,)
        Known before exposure.
    level : float

    Returns
    -------
    Estimate
        Variance sum of w^2 (s_c^2 / n_c + s_t^2 / n_t) over strata (Miratrix, Sekhon & Yu 2013, eq. 9), t with
        Satterthwaite degrees of freedom over all cells. `details`: strata, variance_removed (0 where none was),
        value_unadjusted, se_unadjusted. TOO_FEW_UNITS where a stratum has fewer than two units in a variant: merge
        strata.

    Examples
    --------
    >>> values, strata = [1.0, 2.0, 11.0, 12.0], ["new", "new", "old", "old"]
    >>> answer = post_stratified_difference(values, strata, np.add(values, 1), strata)
    >>> answer.value, answer.se, round(answer.details["variance_removed"], 2)
    (1.0, 0.5, 0.99)
    """
    y = [finite_sample(values) for values in (control, treatment)]
    names = np.concatenate([np.asarray(control_stratum), np.asarray(treatment_stratum)])
    strata, labels = np.unique(names, return_inverse=True)
    groups = [labels[: len(y[0])], labels[len(y[0]) :]]
    n = np.array([np.bincount(g, minlength=len(strata)) for g in groups], dtype=float)
    method = "post-stratified t"
    if len(strata) == 0 or n.min() < 2:
        return Estimate(None, level=level, method=method, reason=Reason.TOO_FEW_UNITS, details={"strata": len(strata)})
    means = np.array([np.bincount(g, v, minlength=len(strata)) for g, v in zip(groups, y, strict=True)]) / n
    squares = [np.bincount(g, (v - means[a][g]) ** 2) for a, (g, v) in enumerate(zip(groups, y, strict=True))]
    weights = n.sum(axis=0) / n.sum()
    value = float(weights @ (means[1] - means[0]))
    parts = weights**2 * np.array(squares) / (n - 1) / n
    raw = sum(float(v.var(ddof=1)) / len(v) for v in y)
    removed = 1 - float(parts.sum()) / raw if raw > 0 else 0.0
    details = {
        "strata": len(strata),
        "variance_removed": removed if removed > 1e-12 else 0.0,
        "value_unadjusted": float(y[1].mean() - y[0].mean()),
        "se_unadjusted": float(np.sqrt(raw)),
    }
    with np.errstate(invalid="ignore"):
        df = float(parts.sum() ** 2 / (parts**2 / (n - 1)).sum())
    return t_estimate(value, float(np.sqrt(parts.sum())), df, level, method, details=details)
