"""Many reports, a bounded number at a time, each with an outcome of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from abkit.errors import AbkitError, ReportError
from abkit.models import Experiment
from abkit.report.notebook import Scalar
from abkit.report.render import Report, render_report

Outcome = tuple[str, Report | AbkitError]


def render_all(
    targets: Sequence[str],
    out: Path,
    *,
    as_of: str = "",
    parameters: Mapping[str, Scalar] | None = None,
    jobs: int = 1,
    timeout: float = 600.0,
    experiments: Mapping[str, Experiment] | None = None,
) -> Iterator[Outcome]:
    """Render each target and yield (target, report or error) as they are done.

    Parameters
    ----------
    targets : sequence of str
        Experiment files, or keys that the notebook finds in a store.
    out : Path
        Folder of all reports.
    as_of, parameters, timeout
        As in `render_report`.
    experiments : mapping, optional
        Target → experiment, for targets that are no files.
    jobs : int
        Reports at once; each has a process of its own for its notebook besides.

    Yields
    ------
    (str, Report or AbkitError)
    """
    known = experiments or {}
    arguments = (out, as_of, dict(parameters or {}), timeout)
    if jobs == 1 or len(targets) == 1:
        for target in targets:
            yield target, _attempt(target, known.get(target), *arguments)
        return
    with ProcessPoolExecutor(min(jobs, len(targets)), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_attempt, target, known.get(target), *arguments): target for target in targets}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _attempt(
    target: str,
    experiment: Experiment | None,
    out: Path,
    as_of: str,
    parameters: Mapping[str, Scalar],
    timeout: float,
) -> Report | AbkitError:
    try:
        return render_report(target, out, experiment=experiment, as_of=as_of, parameters=parameters, timeout=timeout)
    except AbkitError as error:
        return error
    except OSError as error:
        return ReportError(f"the report of {target} could not be written: {error}; the previous one is untouched")
