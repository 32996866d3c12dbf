"""Is the treatment at most a margin worse than control? Not the same as "not significantly worse"."""

from __future__ import annotations

import math
from typing import Literal

from scipy import special

from abkit.errors import ParameterError
from abkit.stats.estimate import Alternative, Estimate, Reason
from abkit.stats.inference import Comparison, StudentTest
from abkit.stats.means import Sample, check_level, keep_side, mean_difference, not_inferable, tail_p_value
from abkit.stats.score import check_counts, difference_interval, difference_score
from abkit.stats.summary import Summary, levels_of

Goal = Literal["maximize", "minimize"]


def mean_noninferiority(
    treatment: Sample,
    control: Sample,
    margin: float,
    *,
    relative: bool = False,
    goal: Goal = "maximize",
    level: float = 0.975,
) -> Estimate:
    """Test that a mean is at most `margin` worse than control's.

    Parameters
    ----------
    treatment, control : array_like (n,) or Summary
    margin : float
        At least 0; in the metric's unit, or a share of the control level where `relative`.
    relative : bool
        Test treatment - (1 -+ margin) control with the variance of that contrast (the Fieller form), so that the
        noise of the control level counts too.
    goal : {"maximize", "minimize"}
        Which direction is good.
    level : float
        One-sided confidence level.

    Returns
    -------
    Estimate
        Of the distance to the margin, positive where the estimate is on the good side of it; non-inferior where
        `is_significant`.

    Raises
    ------
    ParameterError
        A negative margin.

    Examples
    --------
    >>> answer = mean_noninferiority(Summary(400, 10.0, 4.0), Summary(400, 10.1, 4.0), margin=0.5)
    >>> round(answer.value, 2), round(answer.p_value, 4), answer.is_significant
    (0.4, 0.0024, True)
    """
    side, _ = _goal_side(goal, margin)
    new, old = Summary.of(treatment), Summary.of(control)
    if relative and old.n > 0 and old.mean <= 0:
        return _missing(level, Reason.CONTROL_NOT_POSITIVE)
    reason = not_inferable(new, old)
    if reason is not None:
        return _missing(level, reason)
    ratio = 1 - side * margin if relative else 1.0
    shift = 0.0 if relative else margin
    effect = Comparison(levels_of([new, old]), 0, 1, StudentTest()).effect(ratio)
    value, se, df = side * float(effect.value) + shift, float(effect.se), float(effect.df)
    low = value - float(StudentTest().multiplier(effect, 2 * check_level(level))) * se
    p_value = tail_p_value(value / se, df, "greater")
    difference = mean_difference(new, old).value
    return Estimate(
        *(value, se, low, None, p_value, value / se, df, level, "greater", "welch t against the margin"),
        estimand="distance to the margin",
        details={"difference": difference, "margin": margin},
    )


def rate_noninferiority(
    successes_t: float,
    n_t: float,
    successes_c: float,
    n_c: float,
    margin: float,
    *,
    goal: Goal = "maximize",
    level: float = 0.975,
) -> Estimate:
    """Test that a rate is at most `margin` worse than control's (Farrington & Manning 1990, eq. 2).

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : float
        Units with a 1 and all units; n > 0.
    margin : float
        Difference of rates, in [0, 1).
    goal, level
        As in `mean_noninferiority`.

    Returns
    -------
    Estimate
        Of the difference, with the score bound on the bad side; non-inferior where `is_significant`.

    Examples
    --------
    >>> answer = rate_noninferiority(170, 200, 172, 200, margin=0.1)
    >>> round(answer.statistic, 3), answer.is_significant
    (2.498, True)
    """
    side, alternative = _goal_side(goal, margin)
    if margin >= 1:
        raise ParameterError(f"a margin of rates is below 1, got {margin:g}")
    check_counts(successes_t, n_t)
    check_counts(successes_c, n_c)
    counts = (successes_t, n_t, successes_c, n_c)
    statistic = float(difference_score(*counts, -side * margin, corrected=False))
    z = -float(special.ndtri(check_level(level)))
    low, high = difference_interval(*counts, z, corrected=False)
    worst, best = keep_side(float(low), float(high), alternative)
    p_value = tail_p_value(statistic, math.inf, alternative)
    value = successes_t / n_t - successes_c / n_c
    return Estimate(
        *(value, None, worst, best, p_value, statistic, None, level, alternative, "farrington-manning score"),
        details={"margin": margin},
    )


def _goal_side(goal: Goal, margin: float) -> tuple[int, Alternative]:
    if not (math.isfinite(margin) and margin >= 0):
        raise ParameterError(f"a margin is a number of at least 0: how much worse is still acceptable; got {margin:g}")
    if goal not in ("maximize", "minimize"):
        raise ParameterError(f"goal is 'maximize' or 'minimize', got {goal!r}")
    return (1, "greater") if goal == "maximize" else (-1, "less")


def _missing(level: float, reason: Reason) -> Estimate:
    """Not available is not passed."""
    name = "distance to the margin"
    return Estimate(None, level=level, alternative="greater", method="welch t", estimand=name, reason=reason)
