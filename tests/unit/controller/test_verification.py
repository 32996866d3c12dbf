"""A report that is run again: what differs is named, and nothing else is."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from abkit.bundled import bundled
from abkit.controller import verification
from abkit.controller.verification import Difference, compare, verify_report
from abkit.errors import NotFoundError
from abkit.models import Experiment
from abkit.report.manifest import describe_run

ANALYSIS = {"data": {"fingerprint": "sha256:1"}, "metrics": [{"p_value": 0.25, "name": "x", "n": 3}], "none": None}


def test_every_kind_of_change_in_a_value_is_found() -> None:
    changed = {"data": {"fingerprint": "sha256:1"}, "metrics": [{"p_value": 0.5, "name": "x", "n": 3.0}], "new": 0}
    found = {one.where: (one.old, one.new) for one in compare(ANALYSIS, changed)}
    assert found == {
        "metrics[0].p_value": (0.25, 0.5),
        "metrics[0].n": (3, 3.0),
        "none": (None, "absent"),
        "new": ("absent", 0),
    }
    assert [one.where for one in compare({"a": [1]}, {"a": [1, 2]})] == ["a"]
    assert [one.where for one in compare({"a": True}, {"a": 1})] == ["a"]


def test_a_tolerance_forgives_last_digits_only() -> None:
    assert list(compare({"a": 0.1}, {"a": 0.1 * (1 + 1e-12)}, 1e-9)) == []
    assert len(list(compare({"a": 0.1}, {"a": 0.1 * (1 + 1e-12)}))) == 1
    assert len(list(compare({"a": 0.1}, {"a": 0.1001}, 1e-9))) == 1
    assert len(list(compare({"a": "ship"}, {"a": "invalid"}, 1e-9))) == 1


@pytest.fixture
def report(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report whose notebook gives ANALYSIS again, without a process."""
    target = root / "examples/headline/headline-sound.yml"
    notebook = bundled("notebooks", "experiment_report.ipynb")
    parameters = {"experiment": str(target), "as_of": "", "run_id": "r", "now": "2026-11-22T00:00:00Z"}
    moment = datetime.fromisoformat("2026-11-22T00:00:00Z")
    manifest = describe_run(
        "r", moment, parameters, notebook, Experiment.from_yaml(target), ANALYSIS["data"]["fingerprint"]
    )
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "analysis.json").write_text(json.dumps(ANALYSIS))
    monkeypatch.setattr(verification, "execute", lambda *given, **options: given)
    monkeypatch.setattr(verification, "read_sentinel", lambda node: {"analysis": ANALYSIS})
    return tmp_path


def rewrite(report: Path, **changes: Any) -> None:
    manifest = json.loads((report / "manifest.json").read_text())
    (report / "manifest.json").write_text(json.dumps(manifest | changes))


def test_the_same_again_is_equal(report: Path) -> None:
    found = verify_report(report)
    assert (found.is_equal, found.differences, found.tolerance, found.compared) == (True, (), 0.0, 5)


def test_what_differs_is_named(report: Path) -> None:
    manifest = json.loads((report / "manifest.json").read_text())
    versions, notebook = manifest["versions"] | {"numpy": "1.0"}, manifest["notebook"] | {"sha256": "0"}
    rewrite(report, plan_hash="sha256:old", data_fingerprint="sha256:old", versions=versions, notebook=notebook)
    found = verify_report(report)
    assert {one.kind for one in found.differences} == {"data", "plan", "version", "notebook"}
    assert Difference("data", "fingerprint", "sha256:old", "sha256:1") in found.differences
    assert not found.is_equal
    assert found.tolerance == verification.TOLERANCE


def test_other_versions_with_the_same_numbers_are_equal(report: Path) -> None:
    manifest = json.loads((report / "manifest.json").read_text())
    rewrite(report, versions=manifest["versions"] | {"scipy": "1.0"})
    assert verify_report(report).is_equal


def test_a_manifest_from_before_plans_were_hashed_is_read(report: Path) -> None:
    manifest = json.loads((report / "manifest.json").read_text())
    del manifest["plan_hash"]
    (report / "manifest.json").write_text(json.dumps(manifest))
    assert verify_report(report).is_equal


@pytest.mark.parametrize("manifest", ["{", "[]", '{"notebook": {"name": "../../evil.ipynb"}}', "{}"])
def test_what_is_no_manifest_is_said_so(report: Path, manifest: str) -> None:
    (report / "manifest.json").write_text(manifest)
    with pytest.raises(NotFoundError):
        verify_report(report)


def test_only_notebooks_that_come_with_abkit_are_run(report: Path) -> None:
    evil = report / "evil.ipynb"
    evil.write_text("{}")
    rewrite(report, notebook={"name": str(evil), "sha256": "0"})
    with pytest.raises(NotFoundError, match="abkit comes without"):
        verify_report(report)
