"""The index page and the Markdown summary: all verdicts, nothing that text from outside could change."""

import json
from pathlib import Path
from typing import Any

import pytest

from abkit.controller.analysis import analyze
from abkit.errors import NotFoundError
from abkit.models import Experiment
from abkit.report.fleet import Failed, Rendered, Skipped
from abkit.report.inspection import inspect_page
from abkit.report.overview import summarize, write_index
from abkit.report.publish import publish
from abkit.report.render import Report

HOSTILE = "<script>alert(1)</script>|[x](javascript:alert(1)) @team `code`\n# title"


@pytest.fixture(scope="module")
def analysis(root: Path) -> dict[str, Any]:
    return analyze(Experiment.from_yaml(root / "examples/agents/warming.yml"), now="2026-11-22").to_dict()


def place(out: Path, analysis: dict[str, Any], key: str, started: str, **changes: Any) -> Report:
    named = {**analysis, "experiment": {**analysis["experiment"], "key": key, "name": changes.get("name", key)}}
    named["decision"] = {**analysis["decision"], "verdict": changes.get("verdict", "do_not_ship")}
    manifest = {"started_at": started}
    files = {"report.html": "<html>", "analysis.json": json.dumps(named), "manifest.json": json.dumps(manifest)}
    folder = out / key
    folder.mkdir(parents=True)
    return Report(key, publish(folder, f"run-{key}", files), named)


def test_the_index_shows_every_experiment_the_newest_first(tmp_path: Path, analysis: dict[str, Any]) -> None:
    for key, started in (("b", "2026-11-20T00:00:00Z"), ("a", "2026-11-21T00:00:00Z"), ("c", "2026-11-19T00:00:00Z")):
        place(tmp_path, analysis, key, started, verdict="invalid" if key == "c" else "ship")
    (tmp_path / "torn" / "latest").mkdir(parents=True)
    (tmp_path / "torn" / "latest" / "manifest.json").write_text("{")
    text = write_index(tmp_path).read_text()
    places = [text.index(f'href="{key}/latest/report.html"') for key in "abc"]
    assert places == sorted(places)
    assert text.count("▲ Ship") == 2
    assert "✕ Invalid" in text
    assert text.count("success in warming: +3.9%") == 2
    assert "not usable" in text
    assert "Not readable, so not shown: torn" in text
    assert [name for name, passed, _ in inspect_page(tmp_path / "index.html") if not passed] == []


def test_the_index_of_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert "There is no report in this folder yet" in write_index(tmp_path).read_text()


def test_text_from_outside_is_only_text(tmp_path: Path, analysis: dict[str, Any]) -> None:
    report = place(tmp_path, analysis, "a", "2026-11-21T00:00:00Z", name=HOSTILE)
    text = write_index(tmp_path).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    told = summarize([Rendered("a", report), Failed("b", NotFoundError(HOSTILE)), Skipped(HOSTILE, "old")], tmp_path)
    assert "<script" not in told
    assert "@team" not in told
    assert "](javascript" not in told.replace("\\](", "")
    assert "\n# title" not in told
    rows = [line for line in told.splitlines() if line.startswith("| a ")]
    assert rows[0].replace("\\|", "").count("|") == 8
    assert "[open](<a/run-a/report.html>)" in rows[0]
    assert "1 rendered, 1 skipped, 1 failed" in told
    assert "exit code 3" in told


def test_a_report_in_another_place_is_named_not_linked(tmp_path: Path, analysis: dict[str, Any]) -> None:
    report = place(tmp_path / "reports", analysis, "a", "2026-11-21T00:00:00Z")
    assert "[open]" not in summarize([Rendered("a", report)], tmp_path / "elsewhere")
