"""Exact tests of two rates for small counts: Fisher, Boschloo, Barnard.

The unconditional tests maximize a rejection probability over the common rate. That probability is a polynomial with one
coefficient per total number of successes, so the maximum is found on a fine grid and then refined. Ties between tables
are decided in integers: `scipy.stats.barnard_exact` loses them to rounding (scipy issue 18798).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from abkit.errors import ParameterError
from abkit.stats.estimate import Alternative
from abkit.stats.moments import Array
from abkit.stats.score import check_counts

Counts = npt.NDArray[np.int64]
_GRID = 2000
_LARGEST = 1000


def exact_p_value(
    successes_t: int,
    n_t: int,
    successes_c: int,
    n_c: int,
    *,
    method: Literal["fisher", "boschloo", "barnard"] = "boschloo",
    alternative: Alternative = "two-sided",
) -> float:
    """Exact p-value of two equal rates.

    Parameters
    ----------
    successes_t, n_t, successes_c, n_c : int
        Units with a 1 and all units, in treatment and control; n > 0.
    method : {"fisher", "boschloo", "barnard"}
        Fisher (1935) conditions on the total; Boschloo (1970) is uniformly more powerful than it; Barnard (1945) orders
        tables by the pooled z statistic, two-sided by its square.
    alternative : {"two-sided", "greater", "less"}
        Two-sided: Fisher sums the tables no more probable; Boschloo doubles the smaller side.

    Returns
    -------
    float
        1 where all units of both variants have the same value.

    Raises
    ------
    ParameterError
        Counts that are no whole numbers or do not fit, or more than 1,000 units per variant in an unconditional test.

    Examples
    --------
    >>> round(exact_p_value(8, 11, 7, 19, method="barnard"), 6)
    0.067514
    >>> round(exact_p_value(9, 10, 3, 10), 6)
    0.007956
    """
    for successes, n in ((successes_t, n_t), (successes_c, n_c)):
        check_counts(successes, n)
        if successes != round(successes) or n != round(n):
            raise ParameterError(f"exact tests count units, got {successes:g} of {n:g}")
    counts = (int(successes_t), int(n_t), int(successes_c), int(n_c))
    if method == "fisher":
        return _fisher(*counts, alternative)
    if max(n_t, n_c) > _LARGEST:
        raise ParameterError(f"{method} is for small counts, up to {_LARGEST} units per variant; use a score test")
    if method == "barnard":
        return _barnard(*counts, alternative)
    if method != "boschloo":
        raise ParameterError(f"method is 'fisher', 'boschloo' or 'barnard', got {method!r}")
    if alternative != "two-sided":
        return _boschloo(*counts, alternative)
    return min(1.0, 2 * min(_boschloo(*counts, "greater"), _boschloo(*counts, "less")))


def _fisher(x_t: int, n_t: int, x_c: int, n_c: int, alternative: Alternative) -> float:
    total, successes = n_t + n_c, x_t + x_c
    x = np.arange(max(0, successes - n_c), min(successes, n_t) + 1, dtype=np.int64)
    log = (
        _log_choose(n_t, x) + _log_choose(n_c, successes - x) - _log_choose(total, np.array(successes, dtype=np.int64))
    )
    probability = np.exp(log)
    if alternative == "two-sided":
        kept = log <= log[x == x_t][0] + 1e-9
    else:
        kept = x >= x_t if alternative == "greater" else x <= x_t
    return float(min(probability[kept].sum(), 1.0))


def _barnard(x_t: int, n_t: int, x_c: int, n_c: int, alternative: Alternative) -> float:
    total = n_t + n_c
    if x_t + x_c in (0, total):
        return 1.0
    treatment, control = _tables(n_t, n_c)
    gap = treatment * n_c - control * n_t
    successes = treatment + control
    room = successes * (total - successes)
    seen, seen_room = x_t * n_c - x_c * n_t, (x_t + x_c) * (total - x_t - x_c)
    # z^2 is gap^2 / room up to a constant: compared crosswise in whole numbers (below 2^63 up to 1,000 units), so that
    # equal ones are equal.
    left, right = gap**2 * seen_room, seen**2 * room
    extreme = (left >= right) & ((room > 0) | (seen == 0))
    if alternative != "two-sided":
        side = 1 if alternative == "greater" else -1
        ahead = side * gap >= 0
        extreme = ahead & extreme if side * seen >= 0 else ahead | (left <= right)
    return _largest_probability(extreme, n_t, n_c)


def _boschloo(x_t: int, n_t: int, x_c: int, n_c: int, alternative: Alternative) -> float:
    treatment, control = _tables(n_t, n_c)
    successes = treatment + control
    if alternative == "greater":
        ordered = _upper_tail(treatment, successes, n_t, n_c)
    else:
        ordered = _upper_tail(n_t - treatment, n_t + n_c - successes, n_t, n_c)
    return _largest_probability(ordered <= ordered[x_t, x_c] * (1 + 1e-9), n_t, n_c)


def _upper_tail(treatment: Counts, successes: Counts, n_t: int, n_c: int) -> Array:
    """Fisher's one-sided p-value of every table: cumulative hypergeometric, total by total."""
    log = _log_choose(n_t, treatment) + _log_choose(n_c, successes - treatment)
    flipped = treatment[0, 0] > 0
    p = np.empty(treatment.shape)
    for total in range(n_t + n_c + 1):
        x = np.arange(min(total, n_t), max(0, total - n_c) - 1, -1)
        place = (n_t - x, n_c - total + x) if flipped else (x, total - x)
        weights = np.exp(log[place] - log[place].max())
        p[place] = np.cumsum(weights) / weights.sum()
    return p


def _tables(n_t: int, n_c: int) -> tuple[Counts, Counts]:
    treatment, control = np.meshgrid(
        np.arange(n_t + 1, dtype=np.int64), np.arange(n_c + 1, dtype=np.int64), indexing="ij"
    )
    return treatment, control


def _log_choose(n: int, k: Counts) -> Array:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def _largest_probability(extreme: npt.NDArray[np.bool_], n_t: int, n_c: int) -> float:
    """Maximize the probability of the extreme tables over the common rate."""
    if extreme.all():
        return 1.0
    treatment, control = _tables(n_t, n_c)
    log = _log_choose(n_t, treatment) + _log_choose(n_c, control)
    total = n_t + n_c
    successes = np.arange(total + 1)
    inside = np.bincount((treatment + control)[extreme], np.exp(log[extreme] - log.max()), total + 1)
    kept = inside > 0
    weight, power = np.log(inside[kept]) + log.max(), successes[kept]

    def probability(rate: Array) -> Array:
        p = np.asarray(rate)[..., None]
        return np.asarray(np.exp(weight + special.xlogy(power, p) + special.xlog1py(total - power, -p)).sum(axis=-1))

    grid = np.sin(np.linspace(0, np.pi / 2, _GRID + 1)) ** 2
    values = np.concatenate([probability(part) for part in np.array_split(grid, 8)])
    best = float(values.max())
    peaks = np.nonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:]))[0] + 1
    for peak in peaks[np.argsort(-values[peaks])][:4]:
        bounds = (grid[peak - 1], grid[peak + 1])
        found = optimize.minimize_scalar(
            lambda rate: -float(probability(np.asarray(rate))),
            bounds=bounds,
            method="bounded",
            options={"xatol": 1e-12},
        )
        best = max(best, -float(found.fun))
    return min(best, 1.0)
