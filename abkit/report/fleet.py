"""Many reports, a bounded number at a time, each with an outcome of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from abkit.errors import AbkitError, ReportError
from abkit.report.notebook import end_running
from abkit.report.render import Report


@dataclass(frozen=True, slots=True)
class Rendered:
    """A report that was published."""

    target: str
    report: Report

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON holds it."""
        done = self.report
        facts = {"target": self.target, "outcome": "rendered", "key": done.key, "verdict": done.verdict}
        return {**facts, "report": str(done.html), "decision": done.analysis["decision"]}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A report that there was no need or no way to render, which is no error."""

    target: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON holds it."""
        return {"target": self.target, "outcome": "skipped", "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Failed:
    """A report that was not published; the previous one is untouched."""

    target: str
    error: AbkitError

    @property
    def exit_code(self) -> int:
        """What the command line would end with."""
        return self.error.exit_code

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON holds it."""
        facts = {"target": self.target, "outcome": "failed", "exit_code": self.exit_code}
        return {**facts, "error": type(self.error).__name__, "message": str(self.error)}


Outcome = Rendered | Skipped | Failed


def render_all(targets: Sequence[str], render: Callable[[str], Report | Skipped], *, jobs: int) -> Iterator[Outcome]:
    """Render each target and yield its outcome as they are done.

    Parameters
    ----------
    targets : sequence of str
        Experiment files or keys.
    render : callable
        Renders one target or says why not. It is called in threads: the work is done by the notebooks' own processes.
    jobs : int
        Reports at once.

    Yields
    ------
    Rendered, Skipped or Failed
        When the caller stops early, or is interrupted, the notebooks that still run are ended.
    """

    def attempt(target: str) -> Outcome:
        try:
            done = render(target)
        except AbkitError as error:
            return Failed(target, error)
        except OSError as error:
            what = f"the report of {target} could not be written: {error}; the previous one is untouched"
            return Failed(target, ReportError(what))
        finally:
            _close_event_loop()
        return done if isinstance(done, Skipped) else Rendered(target, done)

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="report")
    try:
        for future in as_completed([pool.submit(attempt, target) for target in targets]):
            yield future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        end_running()
        raise
    finally:
        pool.shutdown(wait=True)


def _close_event_loop() -> None:
    """The notebook's client leaves one in each thread that it worked in."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_event_loop().close()
