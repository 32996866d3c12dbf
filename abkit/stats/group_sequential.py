"""Experiments with planned looks: bounds, power and size of group-sequential designs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.boundary import efficacy_bounds, exit_probabilities, increasing
from abkit.stats.moments import Array
from abkit.stats.spending import Spending

_EARLY_STOPPING = Spending()


@dataclass(frozen=True, slots=True)
class Bounds(Displayed):
    """Bounds of the z-statistic at each look.

    Parameters
    ----------
    information : array (K,)
        Shares of the planned information.
    efficacy : array (K,)
        Reject beyond; infinite where nothing is spent yet.
    spent : array (K,)
        Error used by each look, over both sides where there are two.
    sides : {1, 2}
    """

    information: Array
    efficacy: Array
    spent: Array
    sides: int

    @property
    def p_values(self) -> Array:
        """The fixed-size p-value below which each look rejects, (K,)."""
        return np.asarray(self.sides * special.ndtr(-self.efficacy))


def spending_bounds(
    information: npt.ArrayLike,
    alpha: float = 0.05,
    sides: int = 2,
    spending: Spending = _EARLY_STOPPING,
    final: bool = False,
) -> Bounds:
    """Bounds at the looks that were taken, whatever was planned (Lan & DeMets 1983).

    Parameters
    ----------
    information : array_like (K,)
        Shares of the planned information at the looks so far; increasing. For a mean, a ratio or a quantile the share
        is planned SE squared over SE squared. Above 1 the experiment has over-run, and everything is spent.
    alpha : float
        Of all looks together, in (0, 1); each of two sides gets half.
    sides : {1, 2}
    spending : Spending
    final : bool
        Whether the last look is the last ever, so that it spends what is left even below the planned information.

    Returns
    -------
    Bounds

    Raises
    ------
    ParameterError
        Information that does not increase, alpha outside (0, 1), or sides other than 1 and 2.

    Examples
    --------
    >>> spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0]).efficacy.round(3).tolist()
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    _check(alpha, sides)
    times = increasing(information)
    spent = sides * spending(times, alpha / sides)
    if final:
        spent[-1] = alpha
    return Bounds(times, efficacy_bounds(times, spent, sides), spent, sides)


def wang_tsiatis_bounds(information: npt.ArrayLike, alpha: float = 0.05, sides: int = 2, shape: float = 0.0) -> Bounds:
    """Classical bounds c t^(shape - 1/2) for looks at planned shares, the last of which is 1.

    Parameters
    ----------
    information : array_like (K,)
        Increasing.
    alpha, sides
        As in `spending_bounds`.
    shape : float
        0 gives O'Brien & Fleming (1979), 0.5 gives Pocock (1977), between them Wang & Tsiatis (1987).

    Returns
    -------
    Bounds
        c is solved for the exact error; with equal looks it is the constant of Jennison & Turnbull (2000), tables 2.1,
        2.3 and 2.9, times the last share to the power 1/2 - shape.

    Examples
    --------
    >>> wang_tsiatis_bounds([0.2, 0.4, 0.6, 0.8, 1.0], shape=0.5).efficacy.round(3).tolist()
    [2.413, 2.413, 2.413, 2.413, 2.413]
    """
    _check(alpha, sides)
    times = increasing(information)
    shares = times ** (shape - 0.5)

    def excess(constant: float) -> float:
        return float(_rejection(times, constant * shares, 0.0, sides).sum()) - alpha

    constant = optimize.brentq(excess, 0.0, 40.0 / shares.min(), xtol=1e-12)
    bounds = constant * shares
    return Bounds(times, bounds, np.cumsum(_rejection(times, bounds, 0.0, sides)), sides)


def rejection_probability(bounds: Bounds, drift: float) -> Array:
    """Probability of having rejected by each look.

    Parameters
    ----------
    bounds : Bounds
    drift : float
        Mean of the z-statistic at information 1: true effect / standard error at the planned size.

    Returns
    -------
    array (K,)
        The last is the power; with drift 0 it is the false-positive rate. Two-sided: either side counts.

    Examples
    --------
    >>> bounds = spending_bounds([0.5, 1.0])
    >>> rejection_probability(bounds, 0.0).round(4).tolist(), rejection_probability(bounds, 2.8).round(3).tolist()
    ([0.0031, 0.05], [0.163, 0.798])
    """
    return np.cumsum(_rejection(bounds.information, bounds.efficacy, drift, bounds.sides))


def drift_for_power(bounds: Bounds, power: float) -> float:
    """Drift at which the design rejects with probability `power`.

    Raises
    ------
    ParameterError
        Power not between the error and 1.

    Examples
    --------
    >>> round(drift_for_power(spending_bounds([1.0]), 0.8), 4)
    2.8016
    """
    if not bounds.spent[-1] < power < 1:
        raise ParameterError(f"the power lies between the error {bounds.spent[-1]:.6g} and 1, not at {power}")
    scale = 1 / np.sqrt(bounds.information[-1])
    return float(
        optimize.brentq(
            lambda drift: float(rejection_probability(bounds, drift)[-1]) - power, 0.0, 60.0 * scale, xtol=1e-10
        )
    )


def inflation(bounds: Bounds, power: float) -> float:
    """Largest information of the design over that of a single look with the same error and power.

    Multiply the units of a fixed-size experiment with it (Jennison & Turnbull 2000, sec. 2.3).

    Examples
    --------
    >>> round(inflation(spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0]), 0.8), 3)
    1.025
    """
    fixed = special.ndtri(1 - bounds.spent[-1] / bounds.sides) + special.ndtri(power)
    return float(drift_for_power(bounds, power) ** 2 * bounds.information[-1] / fixed**2)


def expected_information(bounds: Bounds, drift: float) -> float:
    """Mean information at stopping, in the unit of `bounds.information`.

    Examples
    --------
    >>> bounds = spending_bounds([0.5, 1.0])
    >>> round(expected_information(bounds, 0.0), 3), round(expected_information(bounds, 3.0), 3)
    (0.998, 0.9)
    """
    stopped = rejection_probability(bounds, drift)
    gained = np.diff(bounds.information, prepend=0.0)
    going_on = np.concatenate([[1.0], 1 - stopped[:-1]])
    return float((gained * going_on).sum())


def peeking_error(looks: int, alpha: float = 0.05) -> float:
    """False-positive rate of testing at the fixed-size `alpha` at each of equally spaced looks (Armitage et al. 1969).

    Examples
    --------
    >>> round(peeking_error(5), 3), round(peeking_error(14), 2)
    (0.142, 0.22)
    """
    bound = float(special.ndtri(1 - alpha / 2))
    return float(_rejection(np.arange(1, looks + 1) / looks, np.full(looks, bound), 0.0, 2).sum())


def _rejection(times: Array, bounds: Array, drift: float, sides: int) -> Array:
    below, above = exit_probabilities(times, -bounds if sides == 2 else -np.inf, bounds, drift)
    return below + above


def _check(alpha: float, sides: int) -> None:
    if not 0 < alpha < 1 or sides not in (1, 2):
        raise ParameterError(f"alpha in (0, 1) and one or two sides are needed, not {alpha} and {sides}")
