"""What went into a report: enough to run it again and to say what differs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from abkit import __version__
from abkit.errors import NotFoundError
from abkit.models import Experiment
from abkit.models.design import design_hash
from abkit.plain import iso

SCHEMA = "abkit.manifest/1"
_LIBRARIES = ("duckdb", "matplotlib", "nbconvert", "numpy", "papermill", "scipy", "sqlalchemy")


def describe_run(
    run_id: str,
    started: datetime,
    parameters: Mapping[str, str | int | float | bool],
    notebook: Path,
    experiment: Experiment,
    fingerprint: str,
) -> dict[str, Any]:
    """Return the manifest of a run: parameters, hashes of notebook, plan and data, seed, versions.

    The seed is None where no number was drawn at random.
    """
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        "started_at": iso(started),
        "parameters": dict(parameters),
        "notebook": {"name": notebook.name, "sha256": notebook_hash(notebook)},
        "plan_hash": plan_hash(experiment),
        "data_fingerprint": fingerprint,
        "seed": parameters.get("seed"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of abkit, Python and the libraries that numbers depend on."""
    own = {"abkit": __version__, "python": platform.python_version()}
    return {**own, **{name: version(name) for name in _LIBRARIES}}


def plan_hash(experiment: Experiment) -> str:
    """Return the hash of everything in the definition that the analysis depends on."""
    return design_hash(experiment.to_dict())


def notebook_hash(notebook: Path) -> str:
    """Return the SHA-256 of a notebook's bytes."""
    return hashlib.sha256(notebook.read_bytes()).hexdigest()


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and analysis of a published report.

    Raises
    ------
    NotFoundError
        The folder holds no report.
    """
    found, folder = [], folder.resolve()  # `latest` may move on between the two files
    for name in ("manifest.json", "analysis.json"):
        try:
            found.append(json.loads((folder / name).read_text(encoding="utf-8")))
        except OSError:
            raise NotFoundError(
                f"{folder} is no folder of a report: it has no {name}; name one such as reports/KEY/latest"
            ) from None
        except ValueError as error:
            raise NotFoundError(f"{folder / name} is not JSON ({error}); render the report again") from None
    return found[0], found[1]
