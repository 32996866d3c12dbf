import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from abkit.cli.app import app

RUNNER = CliRunner()


def told(*arguments: str) -> str:
    done = RUNNER.invoke(app, ["characteristics", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def target(root: Path) -> str:
    return str(root / "examples" / "agents" / "warming.yml")


def test_verdicts_are_printed_for_every_scenario(target: str) -> None:
    lines = told(target, "--runs", "30").splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["no_effect", "design_effect", "harm"]


def test_json_and_seed(target: str) -> None:
    once, again = (json.loads(told(target, "--runs", "30", "--seed", "3", "--json")) for _ in range(2))
    assert once == again
    assert sum(once["scenarios"][0]["probabilities"].values()) == pytest.approx(1.0)


def test_splits_of_the_past(target: str) -> None:
    found = json.loads(told(target, "--aa", "--runs", "50", "--json"))
    assert [metric["tests"] for metric in found["metrics"]] == [50] * 4


def test_an_unknown_file_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "abkit", "characteristics", str(tmp_path / "absent.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no experiment file" in done.stderr
