"""Ratios of sums per unit: cost per run, successes per attempt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.estimand import RatioLevel, contrast, delta_method
from abkit.stats.estimate import Estimate, Reason
from abkit.stats.inference import Comparison, StudentTest
from abkit.stats.moments import Array, Moments
from abkit.stats.samples import finite_sample
from abkit.stats.t_interval import t_estimate


def ratio_linearised(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Array:
    """Turn each unit's two sums into one value whose mean has the ratio's variance.

    Parameters
    ----------
    numerator, denominator : array_like (n,)
        Sums per unit. A unit with denominator 0 stays.

    Returns
    -------
    array (n,)
        R + (y - R x) / mean(x), R = sum(y) / sum(x) (Cochran 1977, eq. 2.39; Deng, Knoblich & Lu 2018, sec. 3).

    Raises
    ------
    ParameterError
        The denominator adds up to 0.

    Examples
    --------
    >>> ratio_linearised([2.0, 4.0], [1.0, 3.0]).tolist()
    [1.75, 1.25]
    """
    y, x = finite_sample(numerator), finite_sample(denominator)
    if x.sum() == 0:
        raise ParameterError("the denominator adds up to 0")
    ratio = y.sum() / x.sum()
    return np.asarray(ratio + (y - ratio * x) / x.mean())


def ratio_difference(
    control_numerator: npt.ArrayLike,
    control_denominator: npt.ArrayLike,
    treatment_numerator: npt.ArrayLike,
    treatment_denominator: npt.ArrayLike,
    level: float = 0.95,
    quantile: str = "t",
) -> Estimate:
    """Difference of two ratios of sums, by the delta method over units.

    Parameters
    ----------
    control_numerator, control_denominator, treatment_numerator, treatment_denominator : array_like (n_c,), (n_t,)
        Sums per unit. This is the volume-weighted ratio; the mean of per-unit ratios is another estimand.
    level : float
    quantile : {"t", "z"}
        t with Welch-Satterthwaite degrees of freedom, or normal.

    Returns
    -------
    Estimate
        `details`: control and treatment ratio and their standard errors, and lift with its Fieller interval. ZERO_TOTAL
        where a denominator adds up to 0, TOO_FEW_UNITS below two units in a variant.

    Examples
    --------
    >>> answer = ratio_difference([2, 3, 7], [1, 2, 3], [5, 4, 9], [2, 1, 3])
    >>> answer.value, round(answer.se, 4)
    (1.0, 0.4082)
    """
    columns = [
        np.column_stack([finite_sample(y), finite_sample(x)])
        for y, x in ((control_numerator, control_denominator), (treatment_numerator, treatment_denominator))
    ]
    method = f"ratio of sums, delta {quantile}"
    if any(rows[:, 1].sum() == 0 for rows in columns):
        return Estimate(None, level=level, method=method, reason=Reason.ZERO_TOTAL)
    levels = delta_method(RatioLevel(), [Moments.from_rows(rows) for rows in columns], width=2)
    effect = contrast(levels, 1, 0)
    details: dict[str, float | None] = dict(zip(("control", "treatment"), levels.value.tolist(), strict=True))
    if min(len(rows) for rows in columns) < 2:
        return Estimate(float(effect.value), level=level, method=method, reason=Reason.TOO_FEW_UNITS, details=details)
    df = float(effect.df) if quantile == "t" else np.inf
    low, high = (float(bound) for bound in Comparison(levels, 1, 0, StudentTest()).lift_interval(1 - level))
    control, treatment = levels.value.tolist()
    details |= {
        "control_se": float(levels.se[0]),
        "treatment_se": float(levels.se[1]),
        "lift": treatment / control - 1 if control > 0 else None,
        "lift_low": low if np.isfinite(low) else None,
        "lift_high": high if np.isfinite(high) else None,
    }
    return t_estimate(float(effect.value), float(effect.se), df, level, method, details=details)
