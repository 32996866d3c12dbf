"""From an estimate, its standard error and degrees of freedom to the interval and p-value that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy import special

from abkit.stats.estimate import Estimate, Reason

_NO_DETAILS: Mapping[str, Any] = {}


def t_estimate(
    value: float,
    se: float,
    df: float,
    level: float,
    method: str,
    estimand: str = "difference",
    details: Mapping[str, Any] = _NO_DETAILS,
) -> Estimate:
    """Two-sided t interval and test of 0.

    Parameters
    ----------
    value, se : float
        In the unit of the estimand.
    df : float
        Infinite for the normal distribution.
    level : float
    method, estimand : str
    details : mapping

    Returns
    -------
    Estimate
        ZERO_VARIANCE where the standard error is 0, or no more than the rounding of the value.

    Examples
    --------
    >>> round(t_estimate(2.0, 1.0, float("inf"), 0.95, "z").p_value, 4)
    0.0455
    """
    if not se > 1e-14 * abs(value):
        return Estimate(
            value, level=level, method=method, estimand=estimand, reason=Reason.ZERO_VARIANCE, details=details
        )
    half, t = float(special.stdtrit(df, (1 + level) / 2)) * se, value / se
    return Estimate(
        value,
        se,
        value - half,
        value + half,
        p_value=float(2 * special.stdtr(df, -abs(t))),
        statistic=t,
        df=df,
        level=level,
        method=method,
        estimand=estimand,
        details=details,
    )
