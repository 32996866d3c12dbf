"""Does an effect drift while the experiment runs?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.estimand import RatioLevel, delta_method
from abkit.stats.estimate import Estimate
from abkit.stats.inference import Comparison, StudentTest
from abkit.stats.moments import Array, Moments

_Z = 1.959963984540054


def effect_trend(times: npt.ArrayLike, values: npt.ArrayLike, ses: npt.ArrayLike) -> tuple[Estimate, Estimate]:
    """Novelty or primacy: does the effect drift over days or over the units' tenure?

    Parameters
    ----------
    times, values, ses : array_like (m,)
        Day (or days since first exposure), effect of it, and its standard error; m >= 3, independent.

    Returns
    -------
    slope : Estimate
        Inverse-variance weighted slope with its z test.
    heterogeneity : Estimate
        Cochran's Q (1954) with its chi-square test: do the effects vary more than their errors?

    Examples
    --------
    >>> slope, _ = effect_trend([0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0], [0.5, 0.5, 0.5, 0.5])
    >>> round(slope.value, 6), round(slope.p_value, 6)
    (-1.0, 8e-06)
    """
    t, y, s = (np.asarray(x, dtype=np.float64) for x in (times, values, ses))
    if t.size < 3 or not t.shape == y.shape == s.shape or not (s > 0).all() or np.ptp(t) == 0:
        raise ParameterError(
            "a trend needs three or more times, not all equal, with an effect and a positive error each"
        )
    weight = 1 / s**2
    center = (weight * t).sum() / weight.sum()
    room = float((weight * (t - center) ** 2).sum())
    slope, se = float((weight * (t - center) * y).sum()) / room, 1 / math.sqrt(room)
    half = _Z * se
    p_value = 2 * float(special.ndtr(-abs(slope / se)))
    pooled = float((weight * y).sum() / weight.sum())
    q = float((weight * (y - pooled) ** 2).sum())
    q_p_value = float(special.chdtrc(t.size - 1, q))
    return (
        Estimate(slope, se, slope - half, slope + half, p_value, slope / se, method="weighted z", estimand="slope"),
        Estimate(None, None, None, None, q_p_value, q, t.size - 1.0, method="cochran q", estimand="heterogeneity"),
    )


def tenure_trend(
    times: npt.ArrayLike, blocks: Sequence[Moments], treatment: int, control: int, alpha: float = 0.05
) -> Estimate:
    """Does the effect drift with the units' tenure, where the same units are seen on many days?

    The slope of `effect_trend`, with the variance that the days' totals of each unit have together: a unit that is
    always slow is slow on every day, and errors of different days are not independent.

    Parameters
    ----------
    times : array_like (m,)
        Days since a unit's first; m >= 3.
    blocks : sequence of Moments
        One per variant, over units; columns are total and count of the first time, then of the second, and so on.
    treatment, control : int
        Places of the variants.
    alpha : float
        One less the level of the interval.

    Returns
    -------
    Estimate
        Change of the difference per day: weighted least squares on the daily differences, its variance by the delta
        method (Casella & Berger 2002, thm 5.5.24), Welch's degrees of freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> days, units = np.arange(4), 500
    >>> def rows(slope):
    ...     totals = rng.normal(0, 1, (units, 1)) + slope * days + rng.normal(0, 1, (units, 4))
    ...     return np.stack([totals, np.ones((units, 4))], axis=-1).reshape(units, 8)
    >>> slope = tenure_trend(days, [Moments.from_rows(rows(0.0)), Moments.from_rows(rows(-0.3))], 1, 0)
    >>> round(slope.value, 2), slope.p_value < 0.001
    (-0.27, True)
    """
    t = np.asarray(times, dtype=np.float64)
    if t.size < 3 or np.ptp(t) == 0 or any(block.mean.shape[-1] != 2 * t.size for block in blocks):
        raise ParameterError("a trend needs three or more times, not all equal, with a total and a count each")
    ses = np.array([_daily_se(blocks, place, treatment, control) for place in range(t.size)])
    if not (ses > 0).all():
        raise ParameterError("a trend needs an effect with a positive error on every day")
    weight = 1 / ses**2
    centered = t - (weight * t).sum() / weight.sum()
    share = weight * centered / (weight * centered**2).sum()

    def slope(mean: Array) -> Array:
        return np.asarray((share * mean[..., 0::2] / mean[..., 1::2]).sum(axis=-1))

    comparison = Comparison(delta_method(slope, blocks, 2 * t.size), treatment, control, StudentTest())
    effect, (low, high) = comparison.effect(), comparison.interval(alpha)
    value, se = float(effect.value), float(effect.se)
    p_value = float(comparison.p_value())
    return Estimate(
        value, se, float(low), float(high), p_value, value / se, float(effect.df), method="delta t", estimand="slope"
    )


def _daily_se(blocks: Sequence[Moments], place: int, treatment: int, control: int) -> float:
    daily = [block.columns([2 * place, 2 * place + 1]) for block in blocks]
    return float(Comparison(delta_method(RatioLevel(), daily, 2), treatment, control, StudentTest()).effect().se)
