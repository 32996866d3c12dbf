"""One rate, the difference and the ratio of two: intervals and tests by name, from counts of independent units."""

from __future__ import annotations

import math
from typing import Literal

from abkit.errors import ParameterError
from abkit.stats.estimate import Alternative, Estimate, Reason
from abkit.stats.means import check_level, keep_side
from abkit.stats.rate_methods import DIFFERENCES, RATE_INTERVALS, RATIOS
from abkit.stats.score import check_counts

RateMethod = Literal["wilson", "clopper-pearson", "jeffreys", "agresti-coull", "wald"]
DifferenceMethod = Literal["newcombe", "miettinen-nurminen", "agresti-caffo", "pooled z", "wald", "boschloo", "fisher"]
RatioMethod = Literal["koopman", "miettinen-nurminen", "katz", "donner-zou"]


def rate(
    successes: float,
    n: float,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    method: RateMethod = "wilson",
) -> Estimate:
    """One rate with its interval.

    Parameters
    ----------
    successes, n : float
        Units with a 1 and all units; n > 0.
    level : float
        Confidence level in [0.5, 1); one-sided where the alternative is ("greater" has the lower bound).
    alternative : {"two-sided", "greater", "less"}
    method : {"wilson", "clopper-pearson", "jeffreys", "agresti-coull", "wald"}
        Wilson (1927, eq. 3); Clopper & Pearson (1934), never below its level; Jeffreys' equal tails with a bound at 0
        or 1 there (Brown, Cai & DasGupta 2001, sec. 3.1.2); Agresti & Coull (1998); Wald only for comparison: at 10
        units and a rate of 0.98 its 95 % interval covers 18 %.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> answer = rate(100, 100)
    >>> answer.value, round(answer.low, 4), answer.high
    (1.0, 0.963, 1.0)
    """
    check_counts(successes, n)
    alpha = check_level(level) * (1 if alternative == "two-sided" else 2)
    if method not in RATE_INTERVALS:
        raise ParameterError(f"method is one of {', '.join(RATE_INTERVALS)}, got {method!r}")
    value = successes / n
    low, high = RATE_INTERVALS[method](successes, n, alpha)
    se = math.sqrt(value * (1 - value) / n)
    return Estimate(
        value,
        se,
        *keep_side(low, high, alternative),
        level=level,
        alternative=alternative,
        method=method,
        estimand="rate",
    )


def rate_difference(
    successes_t: float,
    n_t: float,
    successes_c: float,
    n_c: float,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    method: DifferenceMethod = "newcombe",
) -> Estimate:
    """Difference of two rates, treatment minus control.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units, in treatment and control; n > 0.
    level : float
        Confidence level in [0.5, 1); one-sided where the alternative is.
    alternative : {"two-sided", "greater", "less"}
    method : str
        "newcombe" (1998, method 10; p-value by inverting the interval); "miettinen-nurminen" (1985),
        score test and interval; "pooled z", the same without N/(N - 1), its interval by Mee (1984); "agresti-caffo"
        (2000), clipped to [-1, 1]; "wald" for comparison; "boschloo" and "fisher", exact tests without interval.

    Returns
    -------
    Estimate
        Value and interval, the p-value of equal rates, and its statistic where there is one.

    Raises
    ------
    ParameterError
        Counts that do not fit, or a level, alternative or method that does not exist.

    Examples
    --------
    >>> answer = rate_difference(30, 30, 30, 30)
    >>> round(answer.low, 4), round(answer.high, 4), answer.p_value
    (-0.1135, 0.1135, 1.0)
    """
    check_counts(successes_t, n_t)
    check_counts(successes_c, n_c)
    level_alpha = check_level(level)
    keep_side(0.0, 0.0, alternative)
    if method not in DIFFERENCES:
        raise ParameterError(f"method is one of {', '.join(DIFFERENCES)}, got {method!r}")
    counts = (float(successes_t), float(n_t), float(successes_c), float(n_c))
    value = counts[0] / counts[1] - counts[2] / counts[3]
    se = math.sqrt(sum(x / n * (1 - x / n) / n for x, n in (counts[:2], counts[2:])))
    alpha = level_alpha if alternative == "two-sided" else 2 * level_alpha
    bounds, statistic, p_value = DIFFERENCES[method](counts, alpha, alternative)
    low, high = (None, None) if bounds is None else keep_side(*bounds, alternative)
    reason = Reason.NO_VARIATION if p_value is None else None
    return Estimate(value, se, low, high, p_value, statistic, None, level, alternative, method, reason=reason)


def rate_ratio(
    successes_t: float,
    n_t: float,
    successes_c: float,
    n_c: float,
    *,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    method: RatioMethod = "koopman",
) -> Estimate:
    """Ratio of two rates, treatment over control; the lift is the ratio minus 1.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c, level, alternative
        As in `rate_difference`.
    method : {"koopman", "miettinen-nurminen", "katz", "donner-zou"}
        Koopman's score interval (1984); Miettinen & Nurminen's (1985) with N/(N - 1); Katz, Baptista, Azen & Pike's
        (1978) on the log scale; the hybrid score interval of Donner & Zou (2012).

    Returns
    -------
    Estimate
        Without value where no control unit succeeded; the lower score limit still holds then. `details` has the lift.

    Examples
    --------
    >>> answer = rate_ratio(3, 50, 0, 50)
    >>> answer.value, round(answer.low, 3), answer.high, answer.reason
    (None, 0.808, None, <Reason.CONTROL_NOT_POSITIVE: 'control_not_positive'>)
    """
    check_counts(successes_t, n_t)
    check_counts(successes_c, n_c)
    alpha = check_level(level) * (1 if alternative == "two-sided" else 2)
    if method not in RATIOS:
        raise ParameterError(f"method is one of {', '.join(RATIOS)}, got {method!r}")
    counts = (float(successes_t), float(n_t), float(successes_c), float(n_c))
    low, high, statistic, p_value = RATIOS[method](counts, alpha, alternative)
    control = counts[2] / counts[3]
    value = counts[0] / counts[1] / control if control > 0 else None
    reason = None if control > 0 else Reason.CONTROL_NOT_POSITIVE
    return Estimate(
        *(value, None, *keep_side(low, high, alternative), p_value, statistic, None, level, alternative, method),
        estimand="ratio",
        reason=reason or (Reason.UNBOUNDED if math.isnan(low + high) else None),
        details={} if value is None else {"lift": value - 1},
    )
