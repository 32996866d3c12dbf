"""A run over many experiments: which ones, which of them have nothing new to say, and what became of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from abkit.controller.connection import connect
from abkit.controller.targets import ORGANIZATION, STORE, analyze_target, find_experiment
from abkit.errors import NotFoundError, ParameterError
from abkit.models import Experiment
from abkit.report.fleet import Outcome, Skipped, render_all
from abkit.report.kernels import KernelServer
from abkit.report.manifest import plan_hash, read_run
from abkit.report.notebook import Scalar
from abkit.report.render import Report, render_report
from abkit.store.records import StoredExperiment

_IMPORTED = (
    *(f"abkit.controller.{name}" for name in ("targets", "robustness")),
    *(f"abkit.report.{name}_blocks" for name in ("daily", "distribution", "effect", "method", "plan_reached")),
    *(f"abkit.report.{name}" for name in ("blocks", "doubts", "parameters", "segment_blocks", "tenure_blocks")),
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "pandas",
    "pyarrow.compute",
)
"""What the notebook of a report loads, that each of many would load again."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Order:
    """How the reports of a run are to be rendered.

    Parameters
    ----------
    out : Path
        Folder of all reports.
    as_of, parameters, timeout
        As in `render_report`.
    jobs : int
        Reports at once.
    due : bool
        Skip experiments that have nothing new.
    every : timedelta, optional
        With `due`: a report that is as old as this is rendered again, whatever the data.
    lenient : bool
        A target that is not found, or cannot be used, is a failed outcome; otherwise it is raised before anything is
        rendered.
    """

    out: Path
    as_of: str = ""
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    timeout: float = 600.0
    jobs: int = 1
    due: bool = False
    every: timedelta | None = None
    lenient: bool = False


def carry_out(order: Order, targets: Sequence[str], *, stored: bool = False) -> Iterator[Outcome]:
    """Render the targets of an order and yield their outcomes as they are done.

    Parameters
    ----------
    order : Order
    targets : sequence of str
        Experiment files, or keys or ids in the store that the environment names.
    stored : bool
        The targets are all of a store: one in which nothing was recorded yet is skipped, not failed.

    Raises
    ------
    AbkitError
        A target is not found or not usable, and the order is not lenient.
    """
    known = {} if order.lenient else {target: find_experiment(target) for target in targets}

    server = KernelServer(_IMPORTED) if len(targets) > 1 and KernelServer.is_possible() else None

    def render(target: str) -> Report | Skipped:
        experiment = known.get(target) or find_experiment(target)
        try:
            reason = _nothing_new(order, target, experiment) if order.due else None
            return Skipped(target, reason) if reason else _render(order, target, experiment, server)
        except NotFoundError as error:
            if stored:
                return Skipped(target, str(error))
            raise

    return _closing(render_all(targets, render, jobs=order.jobs), server)


def _closing(outcomes: Iterator[Outcome], server: KernelServer | None) -> Iterator[Outcome]:
    with server or nullcontext():
        yield from outcomes


def _render(order: Order, target: str, experiment: Experiment, server: KernelServer | None) -> Report:
    return render_report(
        target,
        order.out,
        experiment=experiment,
        as_of=order.as_of,
        parameters=order.parameters,
        timeout=order.timeout,
        server=server,
    )


def _nothing_new(order: Order, target: str, experiment: Experiment) -> str | None:
    """Why an experiment needs no new report, or None where it does."""
    try:
        manifest, _ = read_run(order.out / experiment.key / "latest")
        rendered = datetime.fromisoformat(manifest["started_at"])
    except (NotFoundError, LookupError, ValueError, TypeError):
        return None
    if order.every is not None and datetime.now(UTC) - rendered >= order.every:
        return None
    if manifest.get("plan_hash") != plan_hash(experiment):
        return None
    _, analysis = analyze_target(target, as_of=order.as_of)
    if analysis.data.fingerprint != manifest["data_fingerprint"]:
        return None
    return f"no new data since the report of {manifest['started_at']}"


def stored_targets(*, running: bool = False) -> list[str]:
    """Return the keys of every experiment of the store that the environment names, or only of those that run.

    Drafts are left out: nobody was given a variant. The newest come first.

    Raises
    ------
    NotFoundError
        The environment names no store.
    """
    url = os.environ.get(STORE)
    if not url:
        raise NotFoundError(f"no store to look for experiments in: name one in {STORE}, or name experiment files")
    found = _pages(url)
    return [one.key for one in found if (one.status == "running" if running else one.status != "draft")]


def _pages(url: str) -> Iterator[StoredExperiment]:
    with connect(url, os.environ.get(ORGANIZATION, "default")) as lab:
        cursor = None
        while True:
            page = lab.list(limit=500, cursor=cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return


def parse_interval(text: str) -> timedelta:
    """Read an interval: a number with m, h or d behind it.

    Raises
    ------
    ParameterError
        It is none.

    Examples
    --------
    >>> parse_interval("24h")
    datetime.timedelta(days=1)
    """
    found = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if found is None:
        raise ParameterError(f"{text!r} is no interval such as 90m, 24h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
