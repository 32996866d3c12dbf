"""A pre-launch report: the notebook of the traffic simulation, run, rendered and published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from abkit.bundled import bundled
from abkit.models import Experiment
from abkit.report.notebook import Scalar
from abkit.report.publish import new_run_id
from abkit.report.render import Document, Published, Run, publish_run, with_own

FOLDER = "simulation"


@dataclass(frozen=True, slots=True)
class PrelaunchReport(Published):
    """A published pre-launch report.

    Parameters
    ----------
    simulation : dict
        The simulation JSON, as in simulation.json.
    """

    simulation: dict[str, Any]


def render_prelaunch(
    target: str,
    out: Path,
    *,
    experiment: Experiment,
    parameters: Mapping[str, Scalar] | None = None,
    timeout: float = 600.0,
    notebook: Path | None = None,
    now: datetime | None = None,
) -> PrelaunchReport:
    """Render a pre-launch report into `out/<key>/simulation/<run id>/` and point `latest` there at it.

    Parameters
    ----------
    target : str
        Path of an experiment file, or what else the notebook finds an experiment by.
    out : Path
        Folder of all reports.
    experiment : Experiment
        The experiment that `target` means.
    parameters : mapping, optional
        Further parameters of the notebook.
    timeout : float
        Seconds for the notebook.
    notebook : Path, optional
        Another notebook with the same parameters and a sentinel.
    now : datetime, optional
        Names the run; default: the clock.

    Raises
    ------
    AbkitError
        Nothing was published and the previous report is untouched.
    """
    started = now or datetime.now(UTC)
    run_id = new_run_id(started)
    given = with_own({"experiment": target, "run_id": run_id}, parameters)
    source = notebook or bundled("notebooks", "traffic_simulation.ipynb")
    run = Run(run_id, started, source, given, timeout)
    document = Document("simulation", lambda _: f"{experiment.name}: before launch", lambda found: found["fingerprint"])
    return PrelaunchReport(experiment.key, *publish_run(run, out / experiment.key / FOLDER, experiment, document))
