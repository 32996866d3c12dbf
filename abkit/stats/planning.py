"""How many units, how much power, how small an effect: one scenario or a thousand in one call."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from scipy import special

from abkit.errors import ParameterError
from abkit.stats.moments import Array
from abkit.stats.plan_inputs import FEWEST, check_direction, checked_power, checked_size, scenario_shape, true_effect
from abkit.stats.power_analysis import PowerAnalysis
from abkit.stats.roots import find_roots
from abkit.stats.scenario import Scenario, ScenarioOptions, check_range

_MOST = 1e15
_TINY = 1e-15
_LOGITS = 36.0


def sample_size(
    effect: npt.ArrayLike | None = None,
    *,
    lift: npt.ArrayLike | None = None,
    power: npt.ArrayLike = 0.8,
    **options: Unpack[ScenarioOptions],
) -> PowerAnalysis:
    """Units needed to detect an effect.

    Parameters
    ----------
    effect, lift : array_like
        True effect, absolute or relative to the control level: one of them. For a non-inferiority plan (`margin`) the
        true effect may be 0, the default there.
    power : array_like
        In (alpha, 1).
    **options
        The scenario: `rate` or `sd`, and everything else that `Scenario` lists.

    Returns
    -------
    PowerAnalysis
        Whole units, at least two per variant, and the power that they have.

    Raises
    ------
    ParameterError
        An effect of 0 or in the wrong direction for a one-sided test, rates outside (0, 1), power not above alpha, or a
        size beyond 1e15 units.

    Examples
    --------
    >>> sample_size(0.05, rate=0.2)
    solved for n
    n_control  n_treatment  n_total  effect  lift     power  alpha
         1094         1094     2188    0.05  0.25  0.800095   0.05
    >>> sample_size(0.5, sd=1.0).n_control
    64
    """
    scenario = Scenario(**options)
    true = true_effect(scenario, effect, lift)
    target = checked_power(scenario, power)
    check_direction(scenario, true)
    shape = np.broadcast_shapes(true.shape, target.shape, scenario_shape(scenario))
    n = _solve_size(scenario, np.broadcast_to(true, shape), np.broadcast_to(target, shape))
    whole = np.ceil(n - 1e-9 * np.maximum(n, 1.0))
    other = whole if scenario.is_paired else np.ceil(n * np.asarray(scenario.allocation) - 1e-9 * n)
    other = np.maximum(other, FEWEST)
    note = "two units per variant are the fewest a test can have" if (n <= FEWEST * (1 + 1e-9)).any() else ""
    return _answer("n", scenario, true, whole, other, scenario.power(true, whole), n, note)


def power(
    n_control: npt.ArrayLike,
    effect: npt.ArrayLike | None = None,
    *,
    lift: npt.ArrayLike | None = None,
    **options: Unpack[ScenarioOptions],
) -> PowerAnalysis:
    """Chance that a planned test rejects when the effect is as given; never for an effect that was observed.

    Power "at the observed effect" is the p-value in other units (Hoenig & Heisey 2001): ask `mde` for what the
    experiment could have seen instead.

    Parameters
    ----------
    n_control : array_like
        Units in control, above 1; the treatments have `allocation` times as many. Paired: units.
    effect, lift, **options
        As in `sample_size`.

    Returns
    -------
    PowerAnalysis

    Examples
    --------
    >>> round(power(20, 1.0, sd=1.0).power, 6)
    0.868953
    """
    scenario = Scenario(**options)
    true = true_effect(scenario, effect, lift)
    size = checked_size(n_control)
    other = size if scenario.is_paired else size * np.asarray(scenario.allocation)
    return _answer("power", scenario, true, size, other, scenario.power(true, size), size)


def mde(n_control: npt.ArrayLike, *, power: npt.ArrayLike = 0.8, **options: Unpack[ScenarioOptions]) -> PowerAnalysis:
    """Smallest effect that is detected with the given power: the minimum detectable effect.

    Parameters
    ----------
    n_control, **options
        As in `power`. The effect is an increase, or a decrease where the alternative is "less".
    power : array_like

    Returns
    -------
    PowerAnalysis

    Raises
    ------
    ParameterError
        Power not above alpha, or rates that cannot move far enough.

    Examples
    --------
    >>> mde(1094, rate=0.2)
    solved for effect
    n_control  n_treatment  n_total     effect      lift  power  alpha
         1094         1094     2188  0.0499937  0.249969    0.8   0.05
    """
    scenario = Scenario(**options)
    size, target = checked_size(n_control), checked_power(scenario, power)
    shape = np.broadcast_shapes(size.shape, target.shape, scenario_shape(scenario))
    n, wanted = np.broadcast_to(size, shape), np.broadcast_to(target, shape)
    sign = -1.0 if scenario.alternative == "less" else 1.0
    if scenario.margin is not None:
        raise ParameterError("a non-inferiority plan has a margin instead of an effect: solve for n or power")
    low, high = _effect_bracket(scenario, n, wanted, sign)
    true = sign * find_roots(lambda size: _probit_gap(scenario.power(sign * size, n), wanted), low, high)
    other = size if scenario.is_paired else size * np.asarray(scenario.allocation)
    return _answer("effect", scenario, true, size, other, wanted, size)


def required_alpha(
    n_control: npt.ArrayLike,
    effect: npt.ArrayLike | None = None,
    *,
    lift: npt.ArrayLike | None = None,
    power: npt.ArrayLike = 0.8,
    **options: Unpack[ScenarioOptions],
) -> PowerAnalysis:
    """Alpha at which a given size has the given power: what a fixed budget costs in false positives.

    Examples
    --------
    >>> round(required_alpha(64, 0.5, sd=1.0, power=0.8015).alpha, 3)
    0.05
    """
    scenario = Scenario(**options)
    true, size = true_effect(scenario, effect, lift), checked_size(n_control)
    check_range("power", power, 0, 1)
    target = np.asarray(power, dtype=np.float64)
    shape = np.broadcast_shapes(true.shape, size.shape, target.shape, scenario_shape(scenario))
    check_direction(scenario, true)

    def excess(logit: Array) -> Array:
        return _probit_gap(scenario.power(true, size, special.expit(logit)), target)

    alpha = special.expit(find_roots(excess, np.full(shape, -_LOGITS), np.full(shape, _LOGITS)))
    if np.isnan(alpha).any():
        raise ParameterError("no alpha between 1e-15 and 1 gives this power at this size")
    other = size if scenario.is_paired else size * np.asarray(scenario.allocation)
    return _answer("alpha", scenario, true, size, other, target, size, alpha=alpha)


def _probit_gap(power: Array, target: Array) -> Array:
    """Distance to the wanted power on the scale on which power is nearly linear in effect and sqrt(n)."""
    return np.asarray(special.ndtri(np.clip(power, _TINY, 1 - _TINY)) - special.ndtri(target))


def _solve_size(scenario: Scenario, true: Array, target: Array) -> Array:
    """Control units, not rounded; searched as square roots."""
    fewest = np.maximum(FEWEST, 0.0 if scenario.is_paired else FEWEST / np.asarray(scenario.allocation))
    low = np.broadcast_to(np.sqrt(fewest * np.asarray(scenario.inflation)), true.shape)

    def gap(root: Array) -> Array:
        return _probit_gap(scenario.power(true, root**2), target)

    enough = gap(low) >= 0
    high = 4.0 * low
    while (short := gap(high) < 0).any():
        if high.max() ** 2 > _MOST:
            raise ParameterError(f"more than {_MOST:g} units are needed: the effect is too small beside the noise")
        low, high = np.where(short, high, low), np.where(short, 4.0 * high, high)
    return np.where(enough, low, find_roots(gap, low, high)) ** 2


def _effect_bracket(scenario: Scenario, n: Array, target: Array, sign: float) -> tuple[Array, Array]:
    """Two sizes of effect, one too small to be detected with the wanted power and one large enough."""

    def short(size: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(scenario.power(sign * size, n) < target)

    if scenario.sd is None:
        room = 1 - np.asarray(scenario.rate) if sign > 0 else np.asarray(scenario.rate)
        room = room if scenario.discordant is None else np.asarray(scenario.discordant)
        high = np.broadcast_to(room * (1 - 1e-9), n.shape)
        if short(high).any():
            raise ParameterError("no rate is far enough away to be detected with this power: more units are needed")
        return high * 1e-9, high
    high = np.broadcast_to(np.asarray(scenario.sd, dtype=np.float64) / np.sqrt(n), n.shape)
    low = high * 0.0
    while (grow := short(high)).any():
        if not np.isfinite(high).all():
            raise ParameterError("no effect is large enough to be detected with this power: more units are needed")
        low, high = np.where(grow, high, low), np.where(grow, 2.0 * high, high)
    return low, high


def _answer(
    solved: str,
    scenario: Scenario,
    true: Array,
    n: Array,
    other: Array,
    reached: Array,
    n_exact: Array,
    note: str = "",
    alpha: Array | None = None,
) -> PowerAnalysis:
    total = n if scenario.is_paired else n + other * scenario.treatments
    return PowerAnalysis(
        solved=solved,
        n_control=_units(n),
        n_treatment=_units(other),
        n_total=_units(total),
        effect=_plain(true),
        lift=None if scenario.level is None else _plain(true / scenario.level),
        power=_plain(reached),
        alpha=_plain(scenario.alpha if alpha is None else alpha),
        n_exact=_plain(n_exact),
        note=note,
    )


def _plain(number: npt.ArrayLike) -> Any:
    array = np.asarray(number, dtype=np.float64)
    return array if array.ndim else float(array)


def _units(number: npt.ArrayLike) -> Any:
    """Whole counts as int, of one scenario or of all."""
    array = np.asarray(number, dtype=np.float64)
    whole = bool((array == np.floor(array)).all())
    if array.ndim:
        return array.astype(np.int64) if whole else array
    return int(array) if whole else float(array)
