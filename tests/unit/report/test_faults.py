"""Torn reads, kills, stuck processes, a full disk: whatever happens, `latest` is whole."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from abkit.errors import AbkitError, TimeLimitError
from abkit.models import Experiment
from abkit.report.fleet import Failed, render_all
from abkit.report.notebook import execute
from abkit.report.publish import publish, replace_text
from abkit.report.render import Report, render_report

NAMES = ("report.html", "report.ipynb", "analysis.json", "manifest.json")
PARAMETERS = 'experiment: str = ""\nas_of: str = ""\nrun_id: str = ""\nnow: str = ""'
ANALYSIS = {
    "experiment": {"key": "headline-sound"},
    "decision": {"verdict": "ship", "recommendation": "Ship it."},
    "data": {"fingerprint": "sha256:0"},
}
SENTINEL = f"""from IPython.display import display
display({{"application/vnd.abkit.report+json": {{"run_id": run_id, "analysis": {ANALYSIS!r}}},
"text/plain": ""}}, raw=True)"""


def notebook(folder: Path, *cells: str) -> Path:
    first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    node = nbformat.v4.new_notebook(cells=[first, *(nbformat.v4.new_code_cell(cell) for cell in cells)])
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "some.ipynb"
    nbformat.write(node, path)
    return path


def is_whole(latest: Path) -> bool:
    """Whether all files are there, complete and of one run."""
    home = latest.resolve()
    texts = [(home / name).read_text() for name in NAMES]
    return all(text.startswith(f"{home.name} ") and text.endswith(" end") for text in texts)


def text_of(run: str) -> str:
    return f"{run} {'x' * 300_000} end"


def test_no_reader_sees_a_torn_report_in_twenty_publications(tmp_path: Path) -> None:
    publish(tmp_path, "run-00", dict.fromkeys(NAMES, text_of("run-00")))
    done, seen, torn = threading.Event(), 0, 0

    def poll() -> None:
        nonlocal seen, torn
        while not done.is_set():
            seen, torn = seen + 1, torn + (not is_whole(tmp_path / "latest"))

    reader = threading.Thread(target=poll)
    reader.start()
    for number in range(1, 21):
        publish(tmp_path, f"run-{number:02}", dict.fromkeys(NAMES, text_of(f"run-{number:02}")))
    done.set()
    reader.join()
    assert (torn, seen > 0) == (0, True)
    assert (tmp_path / "latest").resolve().name == "run-20"


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("renders", [1, pytest.param(20, marks=pytest.mark.full)])
def test_no_reader_sees_a_torn_report_while_it_is_rendered(tmp_path: Path, root: Path, renders: int) -> None:
    target, out = str(root / "examples/headline/headline-sound.yml"), tmp_path / "out"
    latest = render_report(target, out).folder.parent / "latest"
    done, seen = threading.Event(), 0

    def poll() -> None:
        nonlocal seen
        while not done.wait(0.001):
            home, seen = latest.resolve(), seen + 1
            assert json.loads((home / "manifest.json").read_text())["run_id"] == home.name
            assert json.loads((home / "analysis.json").read_text())["decision"]["verdict"] == "ship"
            assert (home / "report.html").read_text().endswith("</html>\n")

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(poll)
        for _ in range(renders):
            render_report(target, out)
        done.set()
        reader.result()
    assert seen > renders


PUBLISH_FOR_EVER = """
import itertools, sys
from pathlib import Path
from abkit.report.publish import locked, publish
folder, name, *files = sys.argv[1:]
with locked(Path(folder)):
    for number in itertools.count():
        run = f"{name}-{number}"
        publish(Path(folder), run, dict.fromkeys(files, f"{run} {'x' * 300_000} end"))
"""


@pytest.mark.parametrize("moments", [6, pytest.param(50, marks=pytest.mark.full)])
def test_a_kill_at_any_moment_leaves_latest_whole(tmp_path: Path, moments: int) -> None:
    rng = random.Random(moments)
    publish(tmp_path, "first", dict.fromkeys(NAMES, text_of("first")))
    for number in range(moments):
        writer = subprocess.Popen([sys.executable, "-c", PUBLISH_FOR_EVER, str(tmp_path), f"w{number}", *NAMES])
        deadline = time.monotonic() + 30
        while not (tmp_path / f"w{number}-0").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        writer.kill()
        writer.wait()
        assert is_whole(tmp_path / "latest")
        assert (tmp_path / "latest").resolve().name.startswith(f"w{number}-")
    publish(tmp_path, "last", dict.fromkeys(NAMES, text_of("last")))
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert left == [".lock"]


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.full)])
def test_a_kill_while_rendering_leaves_latest_whole_and_no_process(tmp_path: Path, root: Path, kills: int) -> None:
    target, out = str(root / "examples/headline/headline-sound.yml"), tmp_path / "out"
    before = render_report(target, out).folder
    rng = random.Random(7)
    for _ in range(kills):
        command = [sys.executable, "-m", "abkit", "report", target, "--out", str(out)]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PLANTED_RUN": str(tmp_path)})
        time.sleep(rng.uniform(0.5, 8))
        run.kill()
        run.wait()
        home = (out / "headline-sound" / "latest").resolve()
        assert {path.name for path in home.iterdir()} == set(NAMES)
        assert json.loads((home / "manifest.json").read_text())["run_id"] == home.name
    assert before.is_dir()
    assert ended(lambda: not processes_with(f"PLANTED_RUN={tmp_path}"), within=15)


def processes_with(variable: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable.encode() in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found


def ended(is_over: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if is_over():
            return True
        time.sleep(0.1)
    return False


STUCK = {
    "sleeps, with a child": "import subprocess, time\nsubprocess.Popen(['sleep', '300'])\ntime.sleep(300)",
    "is stopped": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "holds the interpreter": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_whatever_a_cell_does_it_ends_within_the_limit_and_leaves_no_process(tmp_path: Path) -> None:
    limit = 12.0

    def run(fault: str) -> Report:
        folder = tmp_path / fault.replace(" ", "-")
        folder.mkdir()
        path = notebook(folder, STUCK[fault], SENTINEL)
        execute(path, folder / "out.ipynb", {}, timeout=limit, environment={"PLANTED_RUN": str(folder)})
        raise AssertionError("it went on")

    start = time.monotonic()
    for outcome in render_all(list(STUCK), run, jobs=len(STUCK)):
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, TimeLimitError)
        assert time.monotonic() - start < limit + 5, outcome.target
    for fault in STUCK:
        assert processes_with(f"PLANTED_RUN={tmp_path / fault.replace(' ', '-')}") == []


def test_a_terminated_run_ends_its_notebooks(tmp_path: Path, root: Path) -> None:
    target = str(root / "examples/headline/headline-sound.yml")
    command = [sys.executable, "-m", "abkit", "report", target, "--out", str(tmp_path / "out")]
    variable = f"PLANTED_RUN={tmp_path}"
    environment = {**os.environ, "PLANTED_RUN": str(tmp_path)}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert ended(lambda: any("ipykernel" in line for line in processes_with(variable)), within=300)
    run.send_signal(signal.SIGTERM)
    _, told = run.communicate(timeout=30)
    assert run.returncode == 143, told
    assert "Traceback" not in told
    assert ended(lambda: not processes_with(variable), within=5)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for 256 KiB; where mounting is not allowed, files of that size are the limit."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=False, capture_output=True
        ).returncode
        == 0
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, before[1]))
    yield place
    if mounted:
        subprocess.run(["umount", str(place)], check=True)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_previous_report_and_no_rest(small_disk: Path, tmp_path: Path, root: Path) -> None:
    home = small_disk / "headline-sound"
    home.mkdir()
    publish(home, "first", dict.fromkeys(NAMES, "first small end"))
    replace_text(small_disk / "index.html", "old")
    experiment = Experiment.from_yaml(root / "examples/headline/headline-sound.yml")
    target = str(root / "examples/headline/headline-sound.yml")
    cell = "from IPython.display import HTML\nHTML('x' * 300_000)"
    path = notebook(tmp_path, cell, SENTINEL)
    outcome = next(
        render_all([target], lambda one: render_report(one, small_disk, experiment=experiment, notebook=path), jobs=1)
    )
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, AbkitError)
    assert "previous one is untouched" in str(outcome.error)
    with pytest.raises(OSError, match=r"space|large"):
        replace_text(small_disk / "index.html", "x" * 400_000)
    assert (small_disk / "index.html").read_text() == "old"
    assert is_whole(home / "latest")
    assert (home / "latest").resolve().name == "first"
    assert sorted(entry.name for entry in home.iterdir()) == [".lock", "first", "latest"]
