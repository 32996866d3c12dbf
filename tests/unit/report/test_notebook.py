"""A notebook that did not reach its end never counts as a success."""

from pathlib import Path

import nbformat
import pytest

from abkit.errors import (
    KernelDiedError,
    LockedError,
    NotebookError,
    NotFoundError,
    ParameterError,
    TimeLimitError,
)
from abkit.report.notebook import execute
from abkit.report.publish import locked, publish
from abkit.report.render import render_report

SENTINEL = """from IPython.display import display
display({"application/vnd.abkit.report+json": {"run_id": run_id, "analysis": {}}}, raw=True)"""
PARAMETERS = 'experiment: str = ""\nas_of: str = ""\nrun_id: str = ""\nnow: str = ""\nsize: int = 3'


def notebook(folder: Path, *cells: str, parameters: str = PARAMETERS) -> Path:
    first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    node = nbformat.v4.new_notebook(cells=[first, *(nbformat.v4.new_code_cell(cell) for cell in cells)])
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "some.ipynb"
    nbformat.write(node, path)
    return path


def run(folder: Path, *cells: str, timeout: float = 60, **parameters: str | int) -> object:
    return execute(notebook(folder, *cells), folder / "out.ipynb", parameters, timeout=timeout)


def test_a_complete_run_returns_the_notebook(tmp_path: Path) -> None:
    node = run(tmp_path, "x = 1", SENTINEL, run_id="r1")
    assert node is not None


FAULTS = {
    "a failing cell": (["1 / 0", SENTINEL], NotebookError, "ZeroDivisionError"),
    "an early exit that reports success": (["import sys; sys.exit(0)", SENTINEL], NotebookError, "SystemExit|never"),
    "an early exit with a code": (["import sys; sys.exit(3)", SENTINEL], NotebookError, "SystemExit|never ran"),
    "a killed kernel": (["import os; os.kill(os.getpid(), 9)", SENTINEL], KernelDiedError, "itself"),
    "no sentinel": (["x = 1"], NotebookError, "without leaving the mark"),
    "an abkit error": (
        ["from abkit.errors import NotFoundError\nraise NotFoundError('no such thing')", SENTINEL],
        NotFoundError,
        "no such thing",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_did_not_reach_its_end_is_a_failure(tmp_path: Path, fault: str) -> None:
    cells, kind, said = FAULTS[fault]
    with pytest.raises(kind, match=said):
        run(tmp_path, *cells)


def test_a_sleeping_cell_is_ended_in_time_and_its_process_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    cell = f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(300)"
    for limit in (6, 60):  # on a busy machine a kernel may not even have started after six seconds
        with pytest.raises(TimeLimitError, match=f"ran longer than {limit} s"):
            run(tmp_path, cell, SENTINEL, timeout=limit)
        if pid_file.exists():
            break
    assert not Path(f"/proc/{pid_file.read_text()}").exists() or "Z" in _state(int(pid_file.read_text()))


@pytest.mark.parametrize("timeout", [0.4, 0.7, 1.0])
def test_time_that_is_up_before_the_kernel_answers_is_a_time_limit_too(tmp_path: Path, timeout: float) -> None:
    with pytest.raises(TimeLimitError, match="ran longer than"):
        run(tmp_path, "import time; time.sleep(3)", SENTINEL, timeout=timeout)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_unknown_parameters_and_other_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no parameter 'as_off'; did you mean 'as_of'"):
        run(tmp_path, SENTINEL, as_off="2026-01-01")
    with pytest.raises(ParameterError, match="'size' must be int, got '3'"):
        run(tmp_path, SENTINEL, size="3")


def test_text_arrives_as_the_text_it_was(tmp_path: Path) -> None:
    text = "2024_11'\"\\n{x} \N{SNOWMAN}\n"
    node = run(tmp_path, f"assert run_id == {text!r}, repr(run_id)", SENTINEL, run_id=text)
    assert node is not None


@pytest.mark.usefixtures("forked")
def test_a_failed_report_leaves_the_previous_one_and_the_notebook_as_far_as_it_ran(tmp_path: Path, root: Path) -> None:
    target = str(root / "examples" / "headline" / "headline-sound.yml")
    good = render_report(target, tmp_path)
    before = good.html.read_bytes()
    with pytest.raises(NotebookError):
        render_report(target, tmp_path, notebook=notebook(tmp_path, "1 / 0", SENTINEL))
    home = tmp_path / "headline-sound"
    assert (home / "latest").resolve() == good.folder.resolve()
    assert good.html.read_bytes() == before
    assert len(list((home / "failed").glob("*.ipynb"))) == 1
    assert [path.name for path in home.iterdir() if path.name.startswith(".") and path.name != ".lock"] == []


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LockedError), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_publishing_moves_latest_in_one_step(tmp_path: Path) -> None:
    publish(tmp_path, "run-1", {"report.html": "one"})
    publish(tmp_path, "run-2", {"report.html": "two"})
    assert (tmp_path / "latest" / "report.html").read_text() == "two"
    assert (tmp_path / "run-1" / "report.html").read_text() == "one"


def test_a_publication_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    publish(tmp_path, "run-1", {"report.html": "one"})
    with pytest.raises(TypeError):
        publish(tmp_path, "run-2", {"report.html": "two", "analysis.json": 3})  # type: ignore[dict-item]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "run-1"]
    assert (tmp_path / "latest" / "report.html").read_text() == "one"


def test_a_long_statement_shows_no_bar_in_a_report(tmp_path: Path) -> None:
    look = "open_session().execute(\"SELECT current_setting('enable_progress_bar')\").fetchone()"
    node = run(tmp_path, f"from abkit.embedded import open_session\n{look}", SENTINEL, run_id="r1")
    assert node.cells[-2].outputs[0].data["text/plain"] == "(False,)"  # type: ignore[attr-defined]
