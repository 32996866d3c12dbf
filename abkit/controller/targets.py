"""What a report or an analysis is asked for: an experiment file, or a key in the store that the environment names."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from abkit.analyzer import Analysis
from abkit.analyzer.robustness import Robustness
from abkit.bundled import bundled
from abkit.controller.analysis import analyze, parse_time
from abkit.controller.connection import connect
from abkit.controller.robustness import robustness
from abkit.controller.transitions import utc_now
from abkit.errors import NotFoundError
from abkit.models import Experiment
from abkit.report.credentials import refuse_credentials

STORE, ORGANIZATION = "ABKIT_STORE", "ABKIT_ORGANIZATION"
EXAMPLE = "agents/warming.yml"


def find_experiment(target: str) -> Experiment:
    """Return the experiment that a target means; an empty one means the example that comes with abkit.

    The address of the store is read from the environment and is never a parameter, so that it enters no notebook, no
    report and no log.

    Raises
    ------
    NotFoundError
        Neither a file nor a key in the store.
    ParameterError
        An address with a password.
    """
    refuse_credentials({"target": target})
    if not target or _is_file(target):
        return Experiment.from_yaml(target or bundled("examples", EXAMPLE))
    url = os.environ.get(STORE)
    if url is None:
        raise NotFoundError(f"no experiment file {target!r}; for a key in a store, name the store in {STORE}")
    with connect(url, os.environ.get(ORGANIZATION, "default")) as lab:
        return lab.get(target).experiment


def analyze_target(target: str, *, as_of: str = "", now: str = "") -> tuple[Experiment, Analysis]:
    """Return the experiment that a target means, and its analysis.

    Raises
    ------
    AbkitError
        As `find_experiment` and `analyze` do.
    """
    experiment = find_experiment(target)
    if not target or _is_file(target):
        return experiment, analyze(experiment, as_of=as_of or None, now=now or None, details=True)
    limit: datetime | None = parse_time(as_of) if as_of else None
    clock = utc_now if not now else lambda: parse_time(now)
    with connect(os.environ[STORE], os.environ.get(ORGANIZATION, "default"), clock=clock) as lab:
        return experiment, lab.analyze(target, as_of=limit)


def robustness_target(target: str, *, as_of: str = "", now: str = "") -> Robustness:
    """Return how easily the verdict on a target would have been another one.

    Raises
    ------
    AbkitError
        As `find_experiment` and `robustness` do.
    """
    if not target or _is_file(target):
        return robustness(find_experiment(target), as_of=as_of or None, now=now or None)
    with connect(os.environ[STORE], os.environ.get(ORGANIZATION, "default")) as lab:
        return lab.robustness(target, as_of=as_of or None)


def _is_file(target: str) -> bool:
    return Path(target).is_file() or Path(target).suffix in {".yml", ".yaml"}
