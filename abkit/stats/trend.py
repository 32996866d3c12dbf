"""Does an effect drift while the experiment runs?"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.estimate import Estimate

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
