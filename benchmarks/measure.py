"""What benchmarks share: CPU seconds, wall seconds and the peak of memory, in this process."""

import gc
import time
from collections.abc import Callable
from pathlib import Path


def best(operation: Callable[[], object], rounds: int, clock: Callable[[], float] = time.process_time) -> float:
    """The fewest seconds of several rounds."""
    seconds = []
    for _ in range(rounds):
        gc.collect()
        start = clock()
        operation()
        seconds.append(clock() - start)
    return min(seconds)


def extra_mebibytes(operation: Callable[[], object]) -> float:
    """How far memory rose above where it was; Linux only."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _kibibytes("VmRSS")
    operation()
    return (_kibibytes("VmHWM") - before) / 1024


def _kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
