"""Two means: their difference and their ratio, from samples or summaries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.estimand import Effect
from abkit.stats.estimate import Alternative, Estimate, Reason
from abkit.stats.moments import Array
from abkit.stats.summary import Summary, trimmed

Sample = npt.ArrayLike | Summary


@dataclass(frozen=True, slots=True)
class FixedTest:
    """The t test with degrees of freedom given from outside; infinite is the normal distribution.

    Examples
    --------
    >>> effect = Effect(*(np.array(x) for x in (2.0, 1.0, 5.0, 20.0, 10.0)))
    >>> round(float(FixedTest(np.inf, "z").p_value(effect)), 4)
    0.0455
    """

    df: float
    name: str = "t"

    def multiplier(self, effect: Effect, alpha: npt.ArrayLike) -> Array:
        """Quantile of the t distribution at the given degrees of freedom."""
        quantile = np.asarray(-special.stdtrit(self.df, np.asarray(alpha) / 2))
        return np.broadcast_to(quantile, np.broadcast_shapes(quantile.shape, np.shape(effect.se)))

    def p_value(self, effect: Effect) -> Array:
        """Both tails."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2 * special.stdtr(self.df, -np.abs(effect.value / effect.se)))


def check_level(level: float) -> float:
    """Return alpha of a confidence level in [0.5, 1), else raise.

    Examples
    --------
    >>> round(check_level(0.95), 10)
    0.05
    """
    if not 0.5 <= level < 1:
        raise ParameterError(f"the confidence level must be in [0.5, 1), got {level:g}")
    return 1 - level


def tail_p_value(statistic: float, df: float, alternative: Alternative) -> float:
    """P-value of a t statistic; df may be infinite.

    Examples
    --------
    >>> round(tail_p_value(1.959964, np.inf, "greater"), 6)
    0.025
    """
    if alternative == "two-sided":
        return float(2 * special.stdtr(df, -abs(statistic)))
    return float(special.stdtr(df, -statistic if alternative == "greater" else statistic))


def keep_side(low: float, high: float, alternative: Alternative) -> tuple[float | None, float | None]:
    """Drop the bound that a one-sided alternative does not have.

    Examples
    --------
    >>> keep_side(1.0, 2.0, "greater"), keep_side(1.0, 2.0, "less")
    ((1.0, None), (None, 2.0))
    """
    if alternative not in ("two-sided", "greater", "less"):
        raise ParameterError(f"alternative is 'two-sided', 'greater' or 'less', got {alternative!r}")
    return None if alternative == "less" else low, None if alternative == "greater" else high


def mean_difference(
    treatment: Sample,
    control: Sample,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    method: Literal["welch", "student", "z"] = "welch",
    null: float = 0.0,
) -> Estimate:
    """Difference of two means, treatment minus control.

    Parameters
    ----------
    treatment, control : array_like (n,) or Summary
        Independent units, finite values in the metric's unit.
    level : float
        Confidence level in [0.5, 1); one-sided where the alternative is.
    alternative : {"two-sided", "greater", "less"}
    method : {"welch", "student", "z"}
        Welch (1947) with degrees of freedom by Satterthwaite (1946, eq. 17), Student's with pooled variance (Student
        1908), or the normal distribution with separate variances.
    null : float
        The difference under the null hypothesis.

    Returns
    -------
    Estimate
        Without interval where a variant has fewer than two units or neither variant varies.

    Raises
    ------
    ParameterError
        A level or alternative that does not exist, or values that are not finite.

    Examples
    --------
    >>> mean_difference([3.1, 2.4], [1.2, 1.9])
    difference, welch t, 95% two-sided
      value      1.2
      se         0.494975
      low        -0.929704
      high       3.3297
      p_value    0.136221
      statistic  2.42437
      df         2
    """
    return _difference(*_pair(treatment, control), level, alternative, method, null)


def trimmed_difference(
    treatment: npt.ArrayLike,
    control: npt.ArrayLike,
    *,
    share: float = 0.2,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    method: Literal["welch", "student"] = "welch",
) -> Estimate:
    """Difference of two trimmed means (Yuen 1974): for heavy tails, where the trimmed mean is what is wanted.

    Parameters
    ----------
    treatment, control : array_like (n,)
    share : float
        Cut off at either end of each variant, in [0, 0.5).
    level, alternative, method
        As in `mean_difference`; "student" pools the winsorized variances.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> answer = trimmed_difference([1, 2, 3, 4, 900], [0, 1, 2, 3, 4])
    >>> answer.value, round(answer.p_value, 4), answer.method
    (1.0, 0.4353, 'yuen welch t')
    """
    pair = (trimmed(treatment, share), trimmed(control, share))
    return _difference(*pair, level, alternative, method, 0.0, name=f"yuen {method} t")


def _pair(treatment: Sample, control: Sample) -> tuple[Summary, Summary]:
    """Summaries of values less one of them: a mean of 1e8 has no digits left for a difference of 1e-9."""
    if isinstance(treatment, Summary) or isinstance(control, Summary):
        return Summary.of(treatment), Summary.of(control)
    new, old = (np.asarray(sample, dtype=np.float64).ravel() for sample in (treatment, control))
    origin = old[0] if old.size and np.isfinite(old[0]) else 0.0
    return Summary.of(new - origin), Summary.of(old - origin)


def _difference(
    treatment: Summary,
    control: Summary,
    level: float,
    alternative: Alternative,
    method: str,
    null: float,
    name: str = "",
) -> Estimate:
    alpha = check_level(level)
    label = name or ("z" if method == "z" else f"{method} t")
    pair, df = _with_degrees(treatment, control, method)
    reason = not_inferable(*pair)
    if reason is not None:
        value = None if 0 in (treatment.n, control.n) else treatment.mean - control.mean
        return Estimate(value, level=level, alternative=alternative, method=label, reason=reason)
    square_t, square_c = pair[0].variance / pair[0].n, pair[1].variance / pair[1].n
    value, square = pair[0].mean - pair[1].mean, square_t + square_c
    se = math.sqrt(square)
    if df is None:  # Welch-Satterthwaite as in `contrast`; arrays of one number would take ten times as long
        df = 1 / ((square_t / square) ** 2 / (pair[0].n - 1) + (square_c / square) ** 2 / (pair[1].n - 1))
    half = -float(special.stdtrit(df, alpha / 2 if alternative == "two-sided" else alpha)) * se
    statistic = (value - null) / se
    p_value = tail_p_value(statistic, df, alternative)
    bounds = keep_side(value - half, value + half, alternative)
    return Estimate(value, se, *bounds, p_value, statistic, df, level, alternative, label)


def _with_degrees(treatment: Summary, control: Summary, method: str) -> tuple[tuple[Summary, Summary], float | None]:
    """Put the choice of variance into the summaries; the degrees of freedom are None where the summaries say them."""
    if method == "welch":
        return (treatment, control), None
    if method == "z":
        return (treatment, control), math.inf
    if method != "student":
        raise ParameterError(f"method is 'welch', 'student' or 'z', got {method!r}")
    df = treatment.n + control.n - 2
    degrees = (max(treatment.n - 1, 0.0), max(control.n - 1, 0.0))
    pooled = (degrees[0] * treatment.variance + degrees[1] * control.variance) / df if df > 0 else 0.0
    return (Summary(treatment.n, treatment.mean, pooled), Summary(control.n, control.mean, pooled)), df


def not_inferable(treatment: Summary, control: Summary) -> Reason | None:
    """Say why two summaries have no test; None where they have one.

    Examples
    --------
    >>> not_inferable(Summary(1, 2.0, 0.0), Summary(9, 2.0, 1.0))
    <Reason.TOO_FEW_UNITS: 'too_few_units'>
    """
    if min(treatment.n, control.n) < 2:
        return Reason.TOO_FEW_UNITS
    return Reason.ZERO_VARIANCE if treatment.variance == 0 and control.variance == 0 else None
