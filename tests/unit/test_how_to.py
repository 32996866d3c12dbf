"""The recipes for schedulers: their files parse, their commands are understood, their shell lines run."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from click import Context

from abkit.cli.app import app
from abkit.controller.connection import connect
from abkit.report.notebook import parameters_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/how-to/schedule.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[list[str]]:
    """Every call of abkit in the recipes, as words."""
    workflow, job = (yaml.safe_load(block) for block in blocks("yaml"))
    steps = [step["run"] for step in workflow["jobs"]["reports"]["steps"] if "run" in step]
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    strings = [node.value for block in blocks("python") for node in ast.walk(ast.parse(block)) if is_text(node)]
    lines = [line for part in (*blocks("sh"), *blocks("cron"), *steps, *strings) for line in part.splitlines()]
    for line in lines:
        if found := re.search(r"(?:^|&& )abkit (.*?)(?: >> .*)?$", line.replace("{{ ds }}", "2026-11-22")):
            yield shlex.split(found[1])
    yield container["args"]


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_every_command_of_the_recipes_is_understood() -> None:
    found = list(commands())
    assert len(found) >= 7
    root = typer.main.get_command(app)
    for name, *arguments in found:
        command = root.get_command(Context(root), name)  # type: ignore[attr-defined]
        command.make_context(name, list(arguments))


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    command = typer.main.get_command(app).get_command(Context(typer.main.get_command(app)), "report")  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("report", ["--everything"])


def test_notebook_parameters_of_airflow_are_those_of_the_notebook() -> None:
    calls = [node for block in blocks("python") for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    given = [word.value for call in calls for word in call.keywords if word.arg == "parameters"]
    names = {
        key.value for node in given if isinstance(node, ast.Dict) for key in node.keys if isinstance(key, ast.Constant)
    }
    assert names
    assert names <= parameters_of(ROOT / "notebooks/experiment_report.ipynb").keys()


def test_no_recipe_holds_a_secret() -> None:
    workflow, job = (yaml.safe_load(block) for block in blocks("yaml"))
    assert "secrets.ABKIT_STORE" in str(workflow)
    assert "secretKeyRef" in str(job)
    assert not re.search(r"://[^\s/]*:[^\s/]*@", TEXT)


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": str(folder)}
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_the_line_for_cron_runs_through_sh(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    connect(url).close()
    (tmp_path / "abkit.env").write_text(f"ABKIT_STORE={url}\n")
    line = blocks("cron")[0].strip()
    assert "%" not in line, "cron turns a bare % into a line break"
    command = line.split(" ", 5)[5].replace("/srv/experiments", str(tmp_path)).replace("/etc/abkit.env", "./abkit.env")
    done = shell(command, tmp_path)
    assert (done.returncode, done.stderr, (tmp_path / "err.log").read_text()) == (0, "", "")
    assert (tmp_path / "log.jsonl").read_text() == ""


def test_the_commands_of_the_page_run_on_an_example(tmp_path: Path) -> None:
    first, *others = "\n".join(blocks("sh")).strip().splitlines()
    target = ROOT / "examples/headline/headline-sound.yml"
    lines = [
        first.replace("--running", str(target)),
        *(line.replace("/warming/", "/headline-sound/") for line in others),
    ]
    for line in (line for line in lines if line):
        done = shell(line, tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "headline-sound" in (tmp_path / "summary.md").read_text()
