"""Many reports: as many at once as asked for, one outcome each, nothing left running."""

import threading
import time
from pathlib import Path

import pytest

from abkit.errors import KernelDiedError, ReportError
from abkit.report.fleet import Failed, Rendered, Skipped, render_all
from abkit.report.render import Report

ANALYSIS = {"decision": {"verdict": "ship", "recommendation": "ship it"}}


def report(key: str) -> Report:
    return Report(key, Path("reports") / key / "run", ANALYSIS)


def test_every_target_has_an_outcome_of_its_own() -> None:
    def render(target: str) -> Report | Skipped:
        if target == "dies":
            raise KernelDiedError("gone")
        if target == "full":
            raise OSError(28, "No space left on device")
        return Skipped(target, "nothing new") if target == "old" else report(target)

    found = {one.target: one for one in render_all(["good", "dies", "old", "full"], render, jobs=2)}
    assert found["good"] == Rendered("good", report("good"))
    assert found["old"].to_dict() == {"target": "old", "outcome": "skipped", "reason": "nothing new"}
    died, full = found["dies"], found["full"]
    assert isinstance(died, Failed)
    assert isinstance(full, Failed)
    assert died.to_dict() | {"outcome": "failed", "error": "KernelDiedError", "exit_code": 7} == died.to_dict()
    assert isinstance(full.error, ReportError)
    assert "previous one is untouched" in str(full.error)


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_than_the_jobs_run_at_once(jobs: int) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def render(target: str) -> Report:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return report(target)

    assert len(list(render_all([str(number) for number in range(9)], render, jobs=jobs))) == 9
    assert most == jobs


def test_stopping_early_starts_nothing_more() -> None:
    started: list[str] = []

    def render(target: str) -> Report:
        started.append(target)
        time.sleep(0.05)
        return report(target)

    outcomes = render_all([str(number) for number in range(20)], render, jobs=1)
    next(outcomes)
    outcomes.close()
    assert len(started) < 5
