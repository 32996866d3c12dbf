"""What may be asked of a plan, checked before anything is computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.scenario import Scenario, ScenarioOptions, check_range

FEWEST = 2.0
_WORDS = ("paired", "alternative", "treatments", "correction", "goal")


def true_effect(scenario: Scenario, effect: npt.ArrayLike | None, lift: npt.ArrayLike | None) -> Array:
    """Return the absolute effect that was meant; raise ParameterError for one that cannot be.

    Examples
    --------
    >>> round(float(true_effect(Scenario(rate=0.2), None, 0.25)), 6)
    0.05
    """
    if effect is not None and lift is not None:
        raise ParameterError("give effect= or lift=, not both")
    if lift is not None:
        if scenario.level is None or (scenario.level <= 0).any():
            raise ParameterError("a lift is relative to a positive control level: give mean= (or rate=)")
        true = np.asarray(lift, dtype=np.float64) * scenario.level
    elif effect is not None:
        true = np.asarray(effect, dtype=np.float64)
    elif scenario.margin is not None:
        true = np.asarray(0.0)
    else:
        raise ParameterError("give effect= or lift=: the effect that must not be missed")
    if not np.isfinite(true).all():
        raise ParameterError("effects must be finite numbers")
    if scenario.rate is not None:
        moved = np.asarray(scenario.rate) + true
        if ((moved <= 0) | (moved >= 1)).any():
            wrong = np.broadcast_to(moved, moved.shape)[(moved <= 0) | (moved >= 1)].flat[0]
            raise ParameterError(f"the treatment rate must stay in (0, 1), got {wrong:g}")
    if scenario.discordant is not None and (np.abs(true) >= np.asarray(scenario.discordant)).any():
        raise ParameterError("two rates cannot differ by more than the share of discordant units")
    return true


def check_direction(scenario: Scenario, true: Array) -> None:
    """Raise ParameterError for an effect that no number of units detects: none, or one on the side that is not tested.

    Examples
    --------
    >>> check_direction(Scenario(sd=1.0), np.array(0.5))
    """
    if scenario.margin is not None:
        distance = true * (1 if scenario.goal == "maximize" else -1) + np.asarray(scenario.margin)
        if (distance <= 0).any():
            raise ParameterError("the true effect is at or beyond the margin: no size shows non-inferiority")
        return
    if (true == 0).any():
        raise ParameterError("an effect of 0 needs infinitely many units: give the smallest effect that matters")
    wrong = {"two-sided": np.zeros_like(true, dtype=bool), "greater": true < 0, "less": true > 0}
    if wrong[scenario.alternative].any():
        raise ParameterError(f"the effect lies on the side that alternative={scenario.alternative!r} does not test")


def checked_power(scenario: Scenario, power: npt.ArrayLike) -> Array:
    """Return the wanted power; raise ParameterError unless it lies in (alpha, 1).

    Examples
    --------
    >>> float(checked_power(Scenario(sd=1.0), 0.8))
    0.8
    """
    check_range("power", power, 0, 1)
    target = np.asarray(power, dtype=np.float64)
    if (target <= np.asarray(scenario.alpha)).any():
        raise ParameterError("power must be above alpha: a test that ignores the data has power alpha")
    return target


def checked_size(n: npt.ArrayLike) -> Array:
    """Return the units; raise ParameterError for fewer than two.

    Examples
    --------
    >>> float(checked_size(100))
    100.0
    """
    size = np.asarray(n, dtype=np.float64)
    if not (np.isfinite(size) & (size >= FEWEST)).all():
        raise ParameterError("a test needs at least two units per variant")
    return size


def scenario_shape(scenario: Scenario) -> tuple[int, ...]:
    """Shape to which the numbers of a scenario broadcast.

    Examples
    --------
    >>> scenario_shape(Scenario(sd=[1.0, 2.0], alpha=[[0.05], [0.01]]))
    (2, 2)
    """
    return np.broadcast_shapes(
        *(np.shape(getattr(scenario, name)) for name in ScenarioOptions.__annotations__ if name not in _WORDS)
    )
