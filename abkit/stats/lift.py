"""The relative difference of two means, by four constructions with a name each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.estimate import Alternative, Estimate, Reason
from abkit.stats.inference import Comparison, StudentTest
from abkit.stats.means import FixedTest, Sample, check_level, keep_side, mean_difference, not_inferable, tail_p_value
from abkit.stats.summary import Summary, levels_of

_ROUNDS = 8
LiftMethod = Literal["fieller", "fieller plug-in", "delta", "log"]


def mean_lift(
    treatment: Sample,
    control: Sample,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    method: LiftMethod = "fieller",
) -> Estimate:
    """Lift of two means, treatment/control - 1.

    Parameters
    ----------
    treatment, control : array_like (n,) or Summary
        Independent units, finite values in the metric's unit.
    level : float
        Confidence level in [0.5, 1); one-sided where the alternative is.
    alternative : {"two-sided", "greater", "less"}
    method : {"fieller", "fieller plug-in", "delta", "log"}
        "fieller" (the default) keeps every ratio that Welch's test does not reject, with degrees of freedom that follow
        the ratio (Fieller 1954; Tamhane & Logan 2004): it excludes 0 exactly when the test of the difference
        rejects. "fieller plug-in" fixes the degrees of freedom at the estimated ratio (Hasler, Vonk & Hothorn 2008,
        eq. 8). "delta" is symmetric about the estimate, "log" is so on the log scale; both may contradict the test
        of the difference, and their p-values are their own.

    Returns
    -------
    Estimate
        `details` has the ratio and the difference. Reasons: control level not positive; interval unbounded, where the
        control level cannot be told from 0; a level without logarithm; too few units; no variance.

    Raises
    ------
    ParameterError
        A level, alternative or method that does not exist, or values that are not finite.

    Examples
    --------
    >>> answer = mean_lift(Summary(100, 12.0, 9.0), Summary(100, 10.0, 9.0))
    >>> round(answer.value, 3), round(answer.low, 4), round(answer.high, 4)
    (0.2, 0.1115, 0.2969)
    >>> mean_lift([1, 2, 3], [-1, 0, 1]).reason
    <Reason.CONTROL_NOT_POSITIVE: 'control_not_positive'>
    """
    alpha = check_level(level)
    new, old = Summary.of(treatment), Summary.of(control)
    keep_side(0.0, 0.0, alternative)
    if method not in ("fieller", "fieller plug-in", "delta", "log"):
        raise ParameterError(f"method is 'fieller', 'fieller plug-in', 'delta' or 'log', got {method!r}")
    reason = _no_lift(new, old) or not_inferable(new, old)
    if method == "log" and reason is None and new.mean <= 0:
        reason = Reason.NOT_POSITIVE
    difference = mean_difference(treatment, control, level=level, alternative=alternative)
    details = {} if difference.value is None else {"difference": difference.value}
    if reason is not None:
        value = None if _no_lift(new, old) else new.mean / old.mean - 1
        return Estimate(
            value, level=level, alternative=alternative, method=method, estimand="lift", reason=reason, details=details
        )
    details["ratio"] = new.mean / old.mean
    two_sided = alpha if alternative == "two-sided" else 2 * alpha
    if method == "log":
        return _log(new, old, two_sided, level, alternative, details)
    se = math.sqrt(new.squared_error + details["ratio"] ** 2 * old.squared_error) / old.mean
    if method == "delta":
        return _delta(new, old, se, two_sided, level, alternative, details)
    return _fieller(new, old, method, se, two_sided, difference, details)


def geometric_lift(
    treatment: npt.ArrayLike,
    control: npt.ArrayLike,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Estimate:
    """Lift of the geometric means: Welch's test on the logarithms, for skewed positive metrics.

    A different estimand from `mean_lift`: it weighs a doubling alike wherever it happens, and totals do not follow it.

    Parameters
    ----------
    treatment, control : array_like (n,)
        Positive values.

    Returns
    -------
    Estimate

    Raises
    ------
    ParameterError
        A value that is not positive.

    Examples
    --------
    >>> round(geometric_lift([2, 4, 8], [1, 2, 4]).value, 6)
    1.0
    """
    values = [np.asarray(sample, dtype=np.float64) for sample in (treatment, control)]
    if any((sample <= 0).any() for sample in values):
        raise ParameterError("geometric means need positive values")
    log = mean_difference(np.log(values[0]), np.log(values[1]), level=level, alternative=alternative)
    moved = [None if bound is None else _grown(bound) for bound in (log.value, log.low, log.high)]
    return Estimate(
        *(moved[0], None, moved[1], moved[2], log.p_value, log.statistic, log.df, level, alternative),
        method="welch t of logarithms",
        estimand="lift of geometric means",
        reason=log.reason,
    )


def _grown(log: float) -> float:
    """The lift of a log-ratio; infinite where no float holds it."""
    with np.errstate(over="ignore"):
        return float(np.expm1(log))


def _no_lift(treatment: Summary, control: Summary) -> Reason | None:
    if min(treatment.n, control.n) == 0:
        return Reason.TOO_FEW_UNITS
    return Reason.CONTROL_NOT_POSITIVE if control.mean <= 0 else None


def _fieller(
    treatment: Summary,
    control: Summary,
    method: str,
    se: float,
    alpha: float,
    difference: Estimate,
    details: dict[str, float],
) -> Estimate:
    bounds = _plain_bounds(treatment, control, alpha, difference) if method == "fieller" else None
    if bounds is None:
        levels = levels_of([control, treatment])
        inverted = Comparison(levels, 1, 0, StudentTest())
        if method == "fieller plug-in":
            at_ratio = float(inverted.effect(details["ratio"]).df)
            inverted = Comparison(levels, 1, 0, FixedTest(at_ratio))
            details["interval_df"] = at_ratio
        low, high = inverted.lift_interval(alpha)
        bounds = float(low), float(high)
    wanted = keep_side(*bounds, difference.alternative)
    reason = Reason.UNBOUNDED if any(bound is not None and math.isnan(bound) for bound in wanted) else None
    return replace(
        difference,
        value=details["ratio"] - 1,
        se=se,
        low=wanted[0],
        high=wanted[1],
        method=method,
        estimand="lift",
        reason=reason,
        details=details,
    )


def _plain_bounds(
    treatment: Summary, control: Summary, alpha: float, difference: Estimate
) -> tuple[float, float] | None:
    """`Comparison.lift_interval` for one pair, without arrays; None where that is not plain sailing."""
    tt, cc, above, below = treatment.squared_error, control.squared_error, treatment.mean, control.mean
    spread = tt * below * below + cc * above * above
    found = []
    for side in (-1.0, 1.0):
        ratio, before = above / below, 0.0
        for _ in range(_ROUNDS):
            share = tt / (tt + ratio * ratio * cc)
            df = 1 / (share**2 / (treatment.n - 1) + (1 - share) ** 2 / (control.n - 1))
            quantile = float(special.stdtrit(df, alpha / 2))
            squared = quantile * quantile
            curve, inside = below * below - squared * cc, squared * (spread - squared * cc * tt)
            if not (curve > 0 and inside >= 0):
                return None
            moved = (above * below + side * math.sqrt(inside)) / curve
            step, ratio = abs(moved - ratio), moved
            if (step * min(1.0, 10 * step / before) if before else step) <= 1e-13 * abs(ratio):
                break
            before = step
        else:
            return None
        found.append(ratio - 1)
    rejected = abs(difference.statistic or 0.0) > -float(special.stdtrit(difference.df, alpha / 2))
    return (found[0], found[1]) if rejected != (found[0] <= 0 <= found[1]) else None


def _delta(
    treatment: Summary,
    control: Summary,
    se: float,
    alpha: float,
    level: float,
    alternative: Alternative,
    details: dict[str, float],
) -> Estimate:
    effect = Comparison(levels_of([control, treatment]), 1, 0, StudentTest()).effect()
    df, value = float(effect.df), details["ratio"] - 1
    half = float(StudentTest().multiplier(effect, alpha)) * se
    bounds = keep_side(value - half, value + half, alternative)
    p_value = tail_p_value(value / se, df, alternative)
    return Estimate(
        *(value, se, *bounds, p_value, value / se, df, level, alternative, "delta", "lift"), details=details
    )


def _log(
    treatment: Summary,
    control: Summary,
    alpha: float,
    level: float,
    alternative: Alternative,
    details: dict[str, float],
) -> Estimate:
    comparison = Comparison(levels_of([control.log(), treatment.log()]), 1, 0, StudentTest())
    effect = comparison.effect()
    low, high = (_grown(float(bound)) for bound in comparison.interval(alpha))
    statistic, df = float(effect.value / effect.se), float(effect.df)
    value = details["ratio"] - 1
    p_value = tail_p_value(statistic, df, alternative)
    details["log_se"] = float(effect.se)
    bounds = keep_side(low, high, alternative)
    return Estimate(
        *(value, details["ratio"] * float(effect.se), *bounds, p_value, statistic, df, level, alternative),
        method="log",
        estimand="lift",
        details=details,
    )
