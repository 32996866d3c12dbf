"""Power by simulation, for every design without a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from abkit.display import Card, Displayed, Table
from abkit.errors import ParameterError

Draw = Callable[[np.random.Generator, int], Any]
Rejects = Callable[[Any], bool]


@dataclass(frozen=True, slots=True, repr=False)
class SimulatedPower(Displayed):
    """Power found by simulation.

    Parameters
    ----------
    n : int
        Size handed to the generator.
    power, se : float
        Share of simulated experiments that rejected, and its Monte Carlo standard error.
    runs, seed : int
    """

    n: int
    power: float
    se: float
    runs: int
    seed: int

    def _card(self) -> Card:
        rows = [("n", f"{self.n}"), ("power", f"{self.power:.4f} ± {self.se:.4f}"), ("seed", f"{self.seed}")]
        return Card(f"{self.runs} simulated experiments", tables=[Table((), rows)])


def simulate_power(draw: Draw, rejects: Rejects, n: int, *, runs: int = 1000, seed: int = 0) -> SimulatedPower:
    """Share of simulated experiments of size `n` in which the test rejects.

    Parameters
    ----------
    draw : callable
        `draw(rng, n)` makes the data of one experiment, or resamples it from history.
    rejects : callable
        `rejects(data)` says whether the test rejects.
    n : int
    runs : int
        Simulated experiments; each has its own stream, the same for every `n`.
    seed : int

    Returns
    -------
    SimulatedPower

    Examples
    --------
    >>> simulate_power(lambda rng, n: rng.normal(0.5, 1, n), lambda x: x.mean() > 1.645 / len(x) ** 0.5, 25, runs=400)
    400 simulated experiments
      n      25
      power  0.8225 ± 0.0191
      seed   0
    """
    if n < 1 or runs < 1:
        raise ParameterError("a simulation needs at least one unit and one run")
    streams = np.random.SeedSequence(seed).spawn(runs)
    hits = sum(bool(rejects(draw(np.random.default_rng(stream), n))) for stream in streams)
    power = hits / runs
    return SimulatedPower(n, power, math.sqrt(power * (1 - power) / runs), runs, seed)


def simulate_sample_size(
    draw: Draw,
    rejects: Rejects,
    *,
    power: float = 0.8,
    low: int = 2,
    high: int = 1_000_000,
    runs: int = 1000,
    seed: int = 0,
) -> SimulatedPower:
    """Smallest size whose simulated power reaches the target: bisection with common random numbers.

    Parameters
    ----------
    draw, rejects, runs, seed
        As in `simulate_power`.
    power : float
        In (0, 1).
    low, high : int
        Sizes to search between.

    Returns
    -------
    SimulatedPower
        At the size found; its standard error says how sure the size is.

    Raises
    ------
    ParameterError
        Not even `high` reaches the target.

    Examples
    --------
    >>> simulate_sample_size(
    ...     lambda rng, n: rng.normal(0.5, 1, n), lambda x: x.mean() > 1.645 / len(x) ** 0.5, high=100, runs=200
    ... ).n
    27
    """
    if not 0 < power < 1:
        raise ParameterError(f"power must be in (0, 1), got {power:g}")
    found = simulate_power(draw, rejects, low, runs=runs, seed=seed)
    if found.power >= power:
        return found
    # Doubling first: the largest size allowed may cost far more than the one needed.
    while found.power < power:
        if found.n >= high:
            raise ParameterError(f"{high} units reach a power of {found.power:.3f} only, not {power:g}")
        low = found.n
        found = simulate_power(draw, rejects, min(2 * low, high), runs=runs, seed=seed)
    while found.n - low > 1:
        middle = simulate_power(draw, rejects, (low + found.n) // 2, runs=runs, seed=seed)
        low, found = (low, middle) if middle.power >= power else (middle.n, found)
    return found
