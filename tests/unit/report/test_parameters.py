"""Values given to bare papermill arrive meaning the same, or nothing is rendered."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from abkit.controller.analysis import parse_time
from abkit.errors import ParameterError
from abkit.report.parameters import require_text

NAMES = ("experiment", "as_of", "run_id", "now")


def papermill(root: Path, *arguments: str, output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "papermill", str(root / "notebooks/experiment_report.ipynb"), str(output)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=root)


def arrived(root: Path, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What the notebook sees: papermill's own reading of the command line, then the notebook's own check."""
    from papermill.cli import papermill as command

    output = tmp_path / "prepared.ipynb"
    notebook = str(root / "notebooks/experiment_report.ipynb")
    command.main([notebook, str(output), "--prepare-only", "--no-progress-bar", *arguments], standalone_mode=False)
    seen: dict[str, Any] = {}
    cells = [cell.source for cell in nbformat.read(output, as_version=4).cells[:2] if cell.cell_type == "code"]
    for cell in cells:
        exec(cell, seen)
    require_text(["", *cells], **{name: seen[name] for name in NAMES})
    return {name: seen[name] for name in NAMES}


SAME = {
    "raw": ["-r", "experiment", "2024_11", "-r", "as_of", "2026", "-r", "run_id", "00123", "-r", "now", "nan"],
    "text by -p": ["-p", "experiment", "warming-vs-plain", "-p", "as_of", "2026-11-22", "-p", "run_id", "true"],
    "quoted yaml": ["-y", "{experiment: 'no', as_of: '2026-11-22', run_id: '12:30', now: 'null'}"],
}


@pytest.mark.parametrize("way", SAME)
def test_text_arrives_as_it_was_written(root: Path, tmp_path: Path, way: str) -> None:
    found = arrived(root, tmp_path, *SAME[way])
    written = {
        "raw": ["2024_11", "2026", "00123", "nan"],
        "text by -p": ["warming-vs-plain", "2026-11-22", "true", ""],
        "quoted yaml": ["no", "2026-11-22", "12:30", "null"],
    }
    assert list(found.values()) == written[way]


@pytest.mark.parametrize("written", ["2026-11-22", "2026-11-22T12:00:00Z", "2026-11-22T12:00:00+02:00"])
def test_dates_that_yaml_reads_mean_the_same(root: Path, tmp_path: Path, written: str) -> None:
    (tmp_path / "given.yml").write_text(f"as_of: {written}\n")
    for way in (["-y", f"as_of: {written}"], ["-f", str(tmp_path / "given.yml")]):
        assert parse_time(arrived(root, tmp_path, *way)["as_of"]) == parse_time(written)


LOUD = {
    "a number": (["-p", "as_of", "2026"], "'as_of' must be text, and arrived as 2026"),
    "a key with underscore": (["-p", "experiment", "2024_11"], "arrived as 202411"),
    "leading zeros": (["-p", "run_id", "00123"], "arrived as 123"),
    "an exponent": (["-p", "experiment", "1e5"], "arrived as 100000.0"),
    "not a number": (["-p", "now", "nan"], r"arrived as nan"),
    "True": (["-p", "experiment", "True"], "arrived as True"),
    "None": (["-p", "as_of", "None"], "arrived as None"),
    "yaml no": (["-y", "experiment: no"], "arrived as False"),
    "yaml sixty": (["-y", "run_id: 12:30"], "arrived as 750"),
    "yaml list": (["-y", "experiment: [a, b]"], r"arrived as \['a', 'b'\]"),
    "a misspelt name": (["-r", "as_off", "2026-11-22"], "no parameter 'as_off'; did you mean 'as_of'"),
    "a name of old": (["-r", "experiment_key", "warming"], "no parameter 'experiment_key'"),
    "a password": (["-r", "experiment", "postgresql://me:hunter22@host/db"], "an address with a password"),
}


@pytest.mark.parametrize("fault", LOUD)
def test_what_would_mean_something_else_is_refused(root: Path, tmp_path: Path, fault: str) -> None:
    arguments, said = LOUD[fault]
    with pytest.raises(ParameterError, match=said) as error:
        arrived(root, tmp_path, *arguments)
    assert "hunter22" not in str(error.value)


def test_running_a_notebook_twice_by_hand_is_no_misspelling() -> None:
    cells = ["", "experiment: str = ''", "import abkit as ab\nanything = 3", "# Parameters of mine\nx = 1"]
    require_text(cells, experiment="")


def test_bare_papermill_renders_what_was_asked_for(root: Path, tmp_path: Path) -> None:
    target, given = "examples/headline/headline-sound.yml", tmp_path / "given.json"
    given.write_text(json.dumps({"experiment": target, "now": "2026-11-22"}))
    done = papermill(root, "-f", str(given), "-r", "run_id", "2024_11", output=tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out.ipynb").read_text()
    assert re.search(r"run_id.{1,8}2024_11", text)
    assert "headline-sound" in text


def test_bare_papermill_fails_on_a_misspelt_name(root: Path, tmp_path: Path) -> None:
    done = papermill(root, "-p", "as_off", "2026-11-22", output=tmp_path / "out.ipynb")
    assert done.returncode == 1
    assert "did you mean 'as_of'" in done.stderr
    assert "verdict" not in json.dumps(
        [c.get("outputs") for c in json.loads((tmp_path / "out.ipynb").read_text())["cells"]]
    )


def test_papermill_marks_what_it_injects_as_the_check_expects(root: Path) -> None:
    node = load_notebook_node(str(root / "notebooks/experiment_report.ipynb"))
    cell = parameterize_notebook(node, {"now": str(datetime(2026, 11, 22, tzinfo=UTC))}).cells[1]
    assert cell.source.startswith("# Parameters\n")
