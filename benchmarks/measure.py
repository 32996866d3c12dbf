"""What benchmarks share: a case against its bound, in CPU seconds of the whole process, and the peak of memory.

Both sides of a case run in turn, so that a busy machine disturbs them alike, and the medians are compared; beside them
stands the ratio of the least times, which what else runs on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "duckdb", "sqlalchemy")
Operation = Callable[[], object]


class Spent(NamedTuple):
    cpu: float
    wall: float
    extra_mib: float | None = None


def cpu() -> float:
    """CPU seconds of this process and of the children it has waited for, all threads."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def timed(operation: Operation, calls: int = 1) -> Spent:
    """One call, or the mean of several, and how far memory rose above where it was (Linux only)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    resident, start, before = _kibibytes("VmRSS"), time.perf_counter(), cpu()
    for _ in range(calls):
        operation()
    spent, passed = cpu() - before, time.perf_counter() - start
    return Spent(spent / calls, passed / calls, (_kibibytes("VmHWM") - resident) / 1024)


def extra_mebibytes(operation: Operation) -> float:
    """How far memory rose above where it was."""
    return float(timed(operation).extra_mib or 0.0)


def _kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def compare(
    name: str, own: Operation, bound: Operation | None = None, *, rounds: int = 5, calls: int = 1, **limits: Any
) -> dict[str, Any]:
    """Run both sides in turn after a first round that does not count; medians and their ratio.

    Parameters
    ----------
    own, bound : callable
        What a person calls, and the least that anything which gives the same numbers must do.
    calls : int
        Calls in a row, where one is too short for the clock.
    **limits
        As in `case`.
    """
    mine, theirs = [], []
    for counts in (False, *[True] * rounds):
        low = timed(bound, calls) if bound is not None else None
        high = timed(own, calls)
        if counts:
            mine.append(high)
            theirs += [low] if low is not None else []
    return from_rounds(name, mine, theirs, **limits)


def from_rounds(
    name: str,
    mine: list[Spent],
    theirs: list[Spent],
    *,
    clock: str = "cpu",
    extra_mib: float | None = None,
    **limits: Any,
) -> dict[str, Any]:
    """Medians of rounds that were run in turn, their ratio, and that of the least times.

    Parameters
    ----------
    extra_mib : float, optional
        Where memory was measured otherwise than round by round.
    """
    least = min(getattr(one, clock) for one in mine) / min(getattr(one, clock) for one in theirs) if theirs else None
    bound = median(theirs) if theirs else None
    own = median(mine) if extra_mib is None else median(mine)._replace(extra_mib=extra_mib)
    return case(name, own, bound, clock=clock, rounds=len(mine), least=least, **limits)


def median(found: list[Spent]) -> Spent:
    """Medians of the seconds, and the most memory."""
    extra = [one.extra_mib for one in found if one.extra_mib is not None]
    middle = (statistics.median(getattr(one, clock) for one in found) for clock in ("cpu", "wall"))
    return Spent(*middle, max(extra, default=None))


def case(
    name: str,
    own: Spent,
    bound: Spent | None = None,
    *,
    goal: float | None = None,
    clock: str = "cpu",
    goal_seconds: float | None = None,
    goal_mib: float | None = None,
    rounds: int = 1,
    least: float | None = None,
    **sizes: Any,
) -> dict[str, Any]:
    """One object of the JSON, from seconds however they were found.

    Parameters
    ----------
    goal : float, optional
        Most that the ratio may be, in seconds of `clock`: "cpu", or "wall" where a server does the work.
    goal_seconds, goal_mib : float, optional
        Most CPU seconds of one call, and most extra memory.
    least : float, optional
        Ratio of the least times of several rounds.
    """
    ratio = None if bound is None else getattr(own, clock) / getattr(bound, clock)
    limits = ((ratio, goal), (own.cpu, goal_seconds), (own.extra_mib, goal_mib))
    checked = [(value, limit) for value, limit in limits if limit is not None and value is not None]
    return {
        "name": name,
        "cpu_s": own.cpu,
        "wall_s": own.wall,
        "bound_cpu_s": None if bound is None else bound.cpu,
        "bound_wall_s": None if bound is None else bound.wall,
        "clock": clock,
        "ratio": ratio,
        "ratio_of_least": least,
        "goal": goal,
        "goal_s": goal_seconds,
        "extra_mib": own.extra_mib,
        "goal_mib": goal_mib,
        "met": all(value <= limit for value, limit in checked) if checked else None,
        "rounds": rounds,
        **sizes,
    }


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options of every script; one that has no use for an option passes it over."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--users", type=int, default=300_000, help="units of the table (10000000 for a release)")
    parser.add_argument("--events", type=int, default=2_000_000, help="rows of the events (100000000 for a release)")
    parser.add_argument("--runs", type=int, default=2_000, help="simulated experiments (10000 for a release)")
    parser.add_argument("--rows", type=int, default=100_000, help="rows to ingest (1000000 for a release)")
    parser.add_argument("--reports", type=int, default=2, help="reports to render (20 for a release)")
    parser.add_argument("--largest", type=int, default=6, help="growth goes up to 10 to this power (8 for a release)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", default="", help="parts of analysis.py that are named so: frames, Parquet, SQLite ..."
    )
    parser.add_argument("--postgresql", help="URL of an empty database to write to; default: a server is started")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON")
    return parser


def main(script: str, cases: Callable[[argparse.Namespace], Iterable[dict[str, Any]]], description: str | None) -> None:
    """Run a script's cases, print each as a line of JSON, and leave them all in the folder of results."""
    options = arguments(description).parse_args()
    found = []
    for one in cases(options):
        found.append({key: _short(value) for key, value in one.items()} | {"versions": _versions()})
        print(json.dumps(found[-1]), flush=True)
    if not options.only:
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / f"{Path(script).stem}.json").write_text(json.dumps(found, indent=1) + "\n")


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "cores": str(os.cpu_count()), "abkit": metadata.version("abkit")} | {
        name: metadata.version(name) for name in _PACKAGES
    }
