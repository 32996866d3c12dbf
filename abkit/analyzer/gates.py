"""The rule that turns gates into a verdict, for one experiment or for ten thousand simulated ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abkit.analyzer.result import Verdict

ORDER: tuple[Verdict, ...] = ("ship", "below_threshold", "keep_running", "inconclusive", "do_not_ship")
"""Verdicts on one treatment, the one nearest to shipping first."""

Flags = npt.NDArray[np.bool_] | bool


@dataclass(frozen=True, slots=True)
class Gates:
    """What was found about each treatment; every field has the shape (..., T) or broadcasts to it.

    Parameters
    ----------
    better, harmed : bool
        The primary metric is significantly better, or significantly worse.
    violated, undecided : bool
        A guardrail is shown to be beyond its margin, or is neither that nor shown to be within it.
    worse : bool
        A secondary metric is significantly worse.
    reached, unclear : bool
        The estimate reaches the practical threshold; there is no relative change to hold against it.
    enough : bool
        The planned size is reached.
    may_stop_early : bool
        The test of the primary metric is valid before it.
    ran_long_enough : bool
        The data span the minimum runtime, or have no time.
    """

    better: Flags
    harmed: Flags
    violated: Flags
    undecided: Flags
    worse: Flags
    reached: Flags
    unclear: Flags
    enough: Flags
    may_stop_early: Flags
    ran_long_enough: Flags = True


def judge_gates(gates: Gates) -> npt.NDArray[np.intp]:
    """Return the verdict on each treatment, as its place in `ORDER`.

    Harm blocks at any size and time; before the minimum runtime nothing else ends the experiment, before the planned
    size only a success that a test valid there has found; at the planned size every gate must be passed.

    Examples
    --------
    >>> gates = Gates(True, False, False, False, False, np.array([True, False]), False, True, False)
    >>> [ORDER[place] for place in judge_gates(gates)]
    ['ship', 'below_threshold']
    """
    (better, harmed, violated, undecided, worse, reached, unclear, enough, early, long) = np.broadcast_arrays(
        *(np.asarray(getattr(gates, name), dtype=bool) for name in Gates.__slots__)
    )
    is_open = ~better | undecided | worse | unclear
    passed = ~is_open & reached
    conditions = [harmed | violated, ~long | (~enough & ~(early & passed)), is_open, reached]
    verdicts: list[Verdict] = ["do_not_ship", "keep_running", "inconclusive", "ship"]
    places = [ORDER.index(verdict) for verdict in verdicts]
    return np.asarray(np.select(conditions, places, ORDER.index("below_threshold")), dtype=np.intp)
