"""What a reached standard error can see: power, smallest detectable effect, units needed."""

from __future__ import annotations

import numpy as np
from scipy import special


def power_at(effect: float, se: float, multiplier: float) -> float:
    """Chance that an interval of `multiplier` standard errors excludes 0 when the true effect is `effect`.

    Parameters
    ----------
    effect, se : float
        In the metric's unit; se > 0.
    multiplier : float
        Half-width of the interval in standard errors.

    Returns
    -------
    float
        Both sides, by the normal distribution of the estimate (Julious 2004, eq. 2.4).

    Examples
    --------
    >>> round(power_at(2.8, 1.0, 1.959964), 2)
    0.8
    """
    return float(special.ndtr(effect / se - multiplier) + special.ndtr(-effect / se - multiplier))


def detectable_effect(se: float, multiplier: float, target_power: float) -> float:
    """Smallest true effect that is detected with the target power (Bloom 1995, eq. 1).

    Examples
    --------
    >>> round(detectable_effect(1.0, 1.959964, 0.8), 3)
    2.802
    """
    return float((multiplier + special.ndtri(target_power)) * se)


def units_needed(effect: float, se: float, units: float, multiplier: float, target_power: float) -> int:
    """Units at which `effect` is detected with the target power, the variance per unit staying as it is.

    Parameters
    ----------
    effect, se : float
        Effect to detect (not 0), and the standard error reached with `units` units.
    units : float
        Units over all variants behind `se`.

    Returns
    -------
    int
        Rounded up, at least 1.

    Examples
    --------
    >>> units_needed(effect=0.1, se=0.1, units=100, multiplier=1.959964, target_power=0.8)
    785
    """
    return max(int(np.ceil(units * (detectable_effect(se, multiplier, target_power) / effect) ** 2 - 1e-9)), 1)
