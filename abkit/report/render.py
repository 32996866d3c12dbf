"""One report: run the notebook, render it, publish it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from abkit.analyzer.result import Verdict
from abkit.analyzer.wording import SYMBOLS, VERDICTS
from abkit.bundled import bundled
from abkit.errors import NotebookError, ParameterError, ReportError
from abkit.models import Experiment
from abkit.plain import iso
from abkit.report.credentials import find_secrets, known_secrets, refuse_credentials, without_secrets
from abkit.report.html import render_html
from abkit.report.kernels import KernelServer
from abkit.report.manifest import describe_run
from abkit.report.notebook import Scalar, execute, read_sentinel
from abkit.report.publish import locked, new_run_id, publish


@dataclass(frozen=True, slots=True)
class Published:
    """A published page and the files beside it.

    Parameters
    ----------
    key : str
        The experiment's key.
    folder : Path
        Where report.html, report.ipynb, manifest.json and the numbers are.
    """

    key: str
    folder: Path

    @property
    def html(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


@dataclass(frozen=True, slots=True)
class Report(Published):
    """A published report.

    Parameters
    ----------
    analysis : dict
        The analysis JSON, as in analysis.json.
    """

    analysis: dict[str, Any]

    @property
    def headline(self) -> str:
        """Key, verdict and recommendation in one line."""
        told = self.analysis["decision"]["recommendation"]
        return f"{self.key}: {SYMBOLS[self.verdict]} {VERDICTS[self.verdict]}. {told}"

    @property
    def verdict(self) -> Verdict:
        """The verdict's name."""
        verdict: Verdict = self.analysis["decision"]["verdict"]
        return verdict


def render_report(
    target: str,
    out: Path,
    *,
    experiment: Experiment | None = None,
    environment: Mapping[str, str] | None = None,
    as_of: str = "",
    parameters: Mapping[str, Scalar] | None = None,
    timeout: float = 600.0,
    notebook: Path | None = None,
    now: datetime | None = None,
    server: KernelServer | None = None,
) -> Report:
    """Render the report of an experiment file into `out/<key>/<run id>/` and point `latest` at it.

    Parameters
    ----------
    target : str
        Path of an experiment file with a `data:` section, or what else the notebook finds an experiment by.
    out : Path
        Folder of all reports.
    experiment : Experiment, optional
        The experiment that `target` means; default: the one in that file.
    environment : mapping, optional
        Variables of the notebook's process; unlike parameters they are written down nowhere.
    as_of : str
        ISO date or time up to which rows count.
    parameters : mapping, optional
        Further parameters of the notebook.
    timeout : float
        Seconds for the notebook.
    notebook : Path, optional
        Another notebook with the same parameters and a sentinel.
    now : datetime, optional
        Names the run, and stands as the time of data that has none; default: the clock.
    server : KernelServer, optional
        What the notebook's process is forked from.

    Returns
    -------
    Report

    Raises
    ------
    AbkitError
        Nothing was published and the previous report is untouched. The notebook as far as it ran is in
        `out/<key>/failed/`.
    """
    started = now or datetime.now(UTC)
    refuse_credentials({"target": target, "as_of": as_of, **(parameters or {})})
    experiment = experiment or Experiment.from_yaml(target)
    source = notebook or bundled("notebooks", "experiment_report.ipynb")
    run_id = new_run_id(started)
    own: dict[str, Scalar] = {"experiment": target, "as_of": as_of, "run_id": run_id, "now": iso(started)}
    given = with_own(own, parameters)
    document = Document(
        "analysis",
        lambda found: f"{experiment.name}: {found['decision']['verdict'].replace('_', ' ')}",
        lambda found: found["data"]["fingerprint"],
    )
    run = Run(run_id, started, source, given, timeout, environment, server)
    return Report(experiment.key, *publish_run(run, out / experiment.key, experiment, document))


def with_own(own: Mapping[str, Scalar], parameters: Mapping[str, Scalar] | None) -> dict[str, Scalar]:
    """Put the parameters of a call and those that it sets itself together.

    Raises
    ------
    ParameterError
        One is in both.
    """
    taken = sorted(own.keys() & (parameters or {}).keys())
    if taken:
        raise ParameterError(f"the parameter {taken[0]!r} is set by the call itself; leave it out of the parameters")
    return {**own, **(parameters or {})}


@dataclass(frozen=True, slots=True)
class Document:
    """What a notebook leaves with its sentinel.

    Parameters
    ----------
    name : str
        Its name there, and that of its JSON file.
    title : callable
        The document → the title of the page.
    fingerprint : callable
        The document → the fingerprint of the data behind it.
    """

    name: str
    title: Callable[[dict[str, Any]], str]
    fingerprint: Callable[[dict[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a notebook: its name, when it began, what is run with what, for how long, and how it starts."""

    run_id: str
    started: datetime
    notebook: Path
    parameters: Mapping[str, Scalar]
    timeout: float
    environment: Mapping[str, str] | None = None
    server: KernelServer | None = None


def publish_run(run: Run, folder: Path, experiment: Experiment, document: Document) -> tuple[Path, dict[str, Any]]:
    """Run a notebook and publish its page, itself, its document and a manifest; return where, and the document.

    Raises
    ------
    AbkitError
        Nothing was published. The notebook as far as it ran is in the folder's `failed/`.
    """
    refuse_credentials(run.parameters)
    secrets = known_secrets({**os.environ, **(run.environment or {})})
    with locked(folder), TemporaryDirectory(prefix="abkit-report-") as work:
        executed = Path(work) / "report.ipynb"
        try:
            node = execute(
                run.notebook,
                executed,
                run.parameters,
                timeout=run.timeout,
                environment=run.environment,
                server=run.server,
            )
        except BaseException:
            _keep_failed(executed, folder / "failed" / f"{run.run_id}.ipynb", secrets)
            raise
        left = read_sentinel(node) or {}
        found = left[document.name]
        if (left["run_id"], found["experiment"]["key"]) != (run.run_id, experiment.key):
            raise NotebookError(
                f"{run.notebook.name} analyzed another experiment than {experiment.key!r}; nothing was published"
            )
        fingerprint = document.fingerprint(found)
        manifest = describe_run(run.run_id, run.started, run.parameters, run.notebook, experiment, fingerprint)
        files = {
            "report.html": render_html(node, document.title(found)),
            "report.ipynb": _clean_notebook(node),
            f"{document.name}.json": json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            "manifest.json": json.dumps(manifest, indent=1) + "\n",
        }
        _refuse_secrets(files, secrets)
        return publish(folder, run.run_id, files), found


def _keep_failed(executed: Path, place: Path, secrets: frozenset[str]) -> None:
    if executed.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(without_secrets(executed.read_text(encoding="utf-8"), secrets), encoding="utf-8")


def _refuse_secrets(files: Mapping[str, str], secrets: frozenset[str]) -> None:
    for name, text in files.items():
        for what in find_secrets(text, secrets):
            raise ReportError(
                f"{name} would hold {what}, so nothing was published; find out which cell or text it is from"
            )


def _clean_notebook(node: Any) -> str:
    """Drop paths and times that papermill records, and fix the id of the injected cell: equal runs, equal files."""
    import nbformat

    node.metadata.pop("papermill", None)
    for cell in node.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
    return str(nbformat.writes(node)) + "\n"
