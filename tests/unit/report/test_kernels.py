"""Processes that are forked from one: as separate as others are, and gone when they should be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abkit.controller.fleet import _IMPORTED
from abkit.errors import KernelDiedError, NotebookError, TimeLimitError
from abkit.report.kernels import KernelServer
from abkit.report.notebook import execute
from abkit.report.render import render_report
from tests.unit.report.test_notebook import SENTINEL, notebook

pytestmark = pytest.mark.skipif(not KernelServer.is_possible(), reason="needs Linux")

SAY = "import os, json, colorsys; print(json.dumps([os.getpid(), os.getppid(), hasattr(colorsys, 'mark')]))"


@pytest.fixture
def server() -> Iterator[KernelServer]:
    with KernelServer(("colorsys",)) as server:
        yield server


def run(folder: Path, server: KernelServer, *cells: str, timeout: float = 600, **options: Any) -> Any:
    return execute(
        notebook(folder, *cells, SENTINEL), folder / "out.ipynb", {}, timeout=timeout, server=server, **options
    )


def said(node: Any) -> Any:
    return eval(node.cells[1].outputs[0].text.replace("true", "True").replace("false", "False"))


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def gone(*pids: int, within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_running, pids))


def test_every_notebook_has_a_process_of_its_own_and_none_sees_what_another_did(
    tmp_path: Path, server: KernelServer
) -> None:
    first = said(run(tmp_path, server, f"{SAY}; colorsys.mark = 1"))
    second = said(run(tmp_path, server, f"{SAY}; os.environ['ABKIT_MARK']", environment={"ABKIT_MARK": "1"}))
    assert first[1:] == [second[1], False]
    assert (first[0] != second[0], second[2]) == (True, False)
    with pytest.raises(NotebookError, match="KeyError"):
        run(tmp_path, server, "import os; os.environ['ABKIT_MARK']")
    assert gone(first[0], second[0])


def test_numbers_drawn_without_a_seed_differ_between_notebooks(tmp_path: Path) -> None:
    cell = "import json, random, numpy; print(json.dumps([random.random(), numpy.random.random()]))"
    with KernelServer(("numpy",)) as server:
        first, second = (said(run(tmp_path, server, cell)) for _ in range(2))
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_faults_end_as_they_do_without_a_server(tmp_path: Path, server: KernelServer) -> None:
    with pytest.raises(TimeLimitError):
        run(tmp_path, server, "import time; time.sleep(300)", timeout=8)
    with pytest.raises(KernelDiedError, match="ended by itself"):
        run(tmp_path, server, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(NotebookError, match="SystemExit"):
        run(tmp_path, server, "import sys; sys.exit(3)")
    assert run(tmp_path, server, SAY) is not None


def test_a_server_that_dies_takes_its_notebooks_along_and_the_next_one_gets_another(
    tmp_path: Path, server: KernelServer
) -> None:
    with pytest.raises(KernelDiedError):
        run(tmp_path, server, "import os, time; os.kill(os.getppid(), 9); time.sleep(300)")
    assert run(tmp_path, server, SAY) is not None


SLEEP = "import os, time; open('pids', 'w').write(f'{os.getpid()} {os.getppid()}'); time.sleep(300)"
PARENT = """
import sys
from pathlib import Path
from abkit.report.kernels import KernelServer
from tests.unit.report.test_kernels import SLEEP, run
with KernelServer(()) as server:
    run(Path(sys.argv[1]), server, SLEEP)
"""


def test_nothing_is_left_when_the_run_is_killed(tmp_path: Path, root: Path) -> None:
    path = os.pathsep.join([str(root), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            assert parent.poll() is None
            time.sleep(0.05)
        pids = [int(one) for one in (tmp_path / "pids").read_text().split()]
        assert all(map(is_running, pids))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(*pids)


def test_what_is_imported_before_leaves_no_thread_that_a_fork_would_break(tmp_path: Path, root: Path) -> None:
    with KernelServer(_IMPORTED) as server:
        before = server.start(["--version"], dict(os.environ), str(tmp_path))
        assert before.wait() == 0
        tasks = Path(f"/proc/{server._process.pid}/task").iterdir()
        others = [(task / "comm").read_text().strip() for task in tasks if task.name != str(server._process.pid)]
        assert set(others) <= {"jemalloc_bg_thd"}, "pyarrow's allocator ends its own at a fork"


def test_a_forked_report_is_the_same_to_the_byte(tmp_path: Path, root: Path) -> None:
    target, now = str(root / "examples/headline/headline-sound.yml"), datetime(2026, 11, 22, tzinfo=UTC)
    with KernelServer(_IMPORTED) as server:
        pages = [
            render_report(target, tmp_path / name, now=now, server=one) for name, one in (("f", server), ("p", None))
        ]
    for name in ("analysis.json", "report.html", "manifest.json", "report.ipynb"):
        texts = [(page.folder / name).read_text().replace(page.folder.name, "RUN") for page in pages]
        assert texts[0] == texts[1], name
