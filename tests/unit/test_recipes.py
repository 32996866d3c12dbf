"""The recipes for schedulers, carried out: what each of them runs is run, on a store in which an experiment runs."""

import json
import os
import subprocess
import sys
import types
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import nbformat
import numpy as np
import pytest
import yaml

import abkit as ab
from abkit.report.inspection import inspect_page
from tests.unit.test_how_to import TEXT, blocks

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store in which the experiment `warming` runs."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/abkit.db"
    rng = np.random.default_rng(1)
    experiment = ab.Experiment(
        "warming",
        [ab.Variant("plain", 50, is_control=True), ab.Variant("warm", 50)],
        ab.Mean("score"),
        agent_id="writer",
    )
    with ab.connect(url) as lab:
        lab.create(experiment)
        lab.start("warming")
        for place in range(60):
            lab.assign("writer", f"user-{place}")
            lab.record("warming", f"user-{place}", "score", float(rng.normal(3)))
        lab.flush()
    return url


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command as a scheduler does, in a folder of its own, and return what it wrote; it must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    environment = {"PATH": path, "HOME": str(folder), **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_report(folder: Path) -> bool:
    page = folder / "warming/latest/report.html"
    return page.is_file() and "warming" in page.read_text() and all(ok for _, ok, _ in inspect_page(page))


def test_the_steps_of_the_workflow_render_check_and_summarize(tmp_path: Path, url: str) -> None:
    workflow = yaml.safe_load(blocks("yaml")[0])
    steps = {step.get("name"): step for step in workflow["jobs"]["reports"]["steps"]}
    assert steps["render"]["env"] == {"ABKIT_STORE": "${{ secrets.ABKIT_STORE }}"}
    summary = tmp_path / "summary.md"
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
    run([*shell, steps["render"]["run"]], tmp_path, ABKIT_STORE=url, GITHUB_STEP_SUMMARY=str(summary))
    run([*shell, steps["check"]["run"]], tmp_path)
    assert "warming" in summary.read_text()
    upload = next(step for step in workflow["jobs"]["reports"]["steps"] if "upload-artifact" in step.get("uses", ""))
    assert is_report(tmp_path / upload["with"]["path"])


class FakeAirflow:
    """As much of Airflow as the recipes touch: it keeps what the operators are given, and renders their templates."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.dag: dict[str, Any] = {}
        self.known = {
            "ds": TODAY,
            "run_id": "scheduled__2026",
            "conn": types.SimpleNamespace(abkit_store=types.SimpleNamespace(get_uri=lambda: url)),
        }
        tasks, dag = self.tasks, self.dag

        class DAG:
            def __init__(self, dag_id: str, **options: Any) -> None:
                dag.update(options, dag_id=dag_id)

            def __enter__(self) -> "DAG":
                return self

            def __exit__(self, *_: object) -> None:
                pass

        def operator(*, task_id: str, **options: Any) -> None:
            tasks[task_id] = options

        names = ("airflow", "airflow.operators", "airflow.operators.bash", "airflow.providers")
        names += ("airflow.providers.papermill", "airflow.providers.papermill.operators")
        for name in (*names, "airflow.providers.papermill.operators.papermill"):
            module = types.ModuleType(name)
            vars(module).update(DAG=DAG, BashOperator=operator, PapermillOperator=operator)
            monkeypatch.setitem(sys.modules, name, module)

    def rendered(self, text: str) -> str:
        return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(self.known)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch, url: str) -> FakeAirflow:
    fake = FakeAirflow(monkeypatch, url)
    for text in blocks("python"):
        exec(compile(text, "recipe.py", "exec"), {})
    return fake


def test_the_task_of_the_dag_renders_what_runs(tmp_path: Path, airflow: FakeAirflow) -> None:
    task = airflow.tasks["render"]
    assert task["append_env"] is True
    assert (airflow.dag["catchup"], airflow.dag["default_args"]["retries"]) == (False, 2)
    variables = {name: airflow.rendered(value) for name, value in task["env"].items()}
    command = airflow.rendered(task["bash_command"]).replace("/srv/reports", str(tmp_path / "reports"))
    (outcome,) = map(json.loads, run(["bash", "-c", command], tmp_path, **variables).splitlines())
    assert (outcome["outcome"], outcome["key"]) == ("rendered", "warming")
    assert is_report(tmp_path / "reports")


def test_the_notebook_runs_under_bare_papermill_with_what_the_operator_passes(
    tmp_path: Path, root: Path, airflow: FakeAirflow, url: str
) -> None:
    task = airflow.tasks["notebook"]
    given = {name: airflow.rendered(value) for name, value in task["parameters"].items()}
    assert "papermill notebooks/experiment_report.ipynb out.ipynb -r experiment warming -r as_of 2026-11-22" in TEXT
    words = [part for name, value in given.items() for part in ("-r", name, value)]
    run(["papermill", str(root / task["input_nb"]), "out.ipynb", *words], tmp_path, ABKIT_STORE=url)
    shown = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert "scheduled__2026" in str(shown.cells[-1].outputs)


def test_the_container_renders_and_writes_nowhere_else(tmp_path: Path, url: str) -> None:
    job = yaml.safe_load(blocks("yaml")[1])
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    mounts = {mount["mountPath"]: tmp_path / mount["name"] for mount in container["volumeMounts"]}
    assert set(mounts) == {"/reports", "/tmp"}
    for place in mounts.values():
        place.mkdir()
    root = tmp_path / "root"
    root.mkdir(mode=0o555)

    def moved(text: str) -> str:
        mount = next((mount for mount in mounts if text == mount or text.startswith(f"{mount}/")), None)
        return text if mount is None else str(mounts[mount]) + text[len(mount) :]

    variables = {one["name"]: moved(one["value"]) for one in container["env"] if "value" in one}
    secret = next(one for one in container["env"] if "valueFrom" in one)
    variables |= {secret["name"]: url, "TMPDIR": str(mounts["/tmp"])}
    (outcome,) = map(
        json.loads, run([*container["command"], *map(moved, container["args"])], root, **variables).splitlines()
    )
    assert outcome["outcome"] == "rendered"
    assert is_report(mounts["/reports"])
    assert list(root.iterdir()) == []
    again = run([*container["command"], *map(moved, container["args"])], root, **variables)
    assert json.loads(again)["outcome"] == "skipped"
