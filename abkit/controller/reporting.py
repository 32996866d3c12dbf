"""Reports of experiments in a store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import StoreError
from abkit.report.overview import write_index
from abkit.report.render import Report, render_report

if TYPE_CHECKING:
    from abkit.controller.experiments import ExperimentController


def report_stored(
    lab: ExperimentController, key: str, out: Path, *, as_of: str, timeout: float, now: datetime
) -> Report:
    """Render the report of a stored experiment; its process reads the store by an address that is written nowhere."""
    url = lab.engine.url
    if url.get_backend_name() == "sqlite" and not url.database:
        raise StoreError("a store in memory cannot be read by the report's process; use a file: sqlite:///abkit.db")
    lab.flush()
    experiment = lab.get(key).experiment
    environment = {"ABKIT_STORE": url.render_as_string(hide_password=False), "ABKIT_ORGANIZATION": lab.organization_id}
    report = render_report(
        experiment.key, out, experiment=experiment, environment=environment, as_of=as_of, timeout=timeout, now=now
    )
    write_index(out)
    return report
