"""Run a parameterized notebook in a process of its own, and believe it only when it reached its end."""

from __future__ import annotations

import ast
import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abkit import errors
from abkit.errors import AbkitError, KernelDiedError, NotebookError, ParameterError, TimeLimitError, suggest
from abkit.report.kernels import KernelServer, provisioner_of
from abkit.report.page import SENTINEL

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # else jsonschema builds a grammar for 2 s

Scalar = str | int | float | bool


def parameters_of(path: Path) -> dict[str, str]:
    """Return the notebook's parameters: name → annotated type, read from its cell tagged `parameters`.

    Raises
    ------
    NotebookError
        The notebook has no such cell.
    """
    import nbformat

    for cell in nbformat.read(path, as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", []):
            return {
                node.target.id: ast.unparse(node.annotation)
                for node in ast.parse(cell.source).body
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            }
    raise NotebookError(f"{path.name} has no cell tagged `parameters`, so nothing can be passed to it")


def check_parameters(path: Path, parameters: Mapping[str, Scalar]) -> None:
    """Raise unless the notebook knows every parameter and every value has its annotated type.

    Raises
    ------
    ParameterError
        An unknown name: papermill alone would ignore it and render a report with the defaults.
    """
    known = parameters_of(path)
    for name, value in parameters.items():
        if name not in known:
            raise ParameterError(f"{path.name} has no parameter {name!r}{suggest(name, known)}")
        if type(value).__name__ != known[name]:
            raise ParameterError(f"{path.name}: parameter {name!r} must be {known[name]}, got {value!r}")


_running: set[_Watch] = set()


@dataclass(eq=False)
class _Watch:
    """Kills the notebook's process group when time is up, and again until it is gone."""

    seconds: float
    managers: list[Any] = field(default_factory=list)
    rang: bool = False
    done: bool = False
    wake: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Watch:
        _running.add(self)
        threading.Thread(target=self._wait, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        _running.discard(self)
        self.done = True
        self.wake.set()

    def _wait(self) -> None:
        self.rang = not self.wake.wait(self.seconds)
        while not self.done:  # the process may be starting just now
            self._kill()
            time.sleep(0.1)

    def _kill(self) -> None:
        for manager in self.managers:
            process = getattr(manager.provisioner, "process", None)
            if process is not None and process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(os.getpgid(process.pid), signal.SIGKILL)


def end_running() -> None:
    """End the processes of all notebooks that this process runs: it is about to end itself."""
    for watch in tuple(_running):
        watch.wake.set()


def execute(
    path: Path,
    output: Path,
    parameters: Mapping[str, Scalar],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    server: KernelServer | None = None,
) -> Any:
    """Execute a notebook with papermill and return it; its file is left at `output` whatever happens.

    Parameters
    ----------
    path, output : Path
        The notebook, and where its executed copy goes.
    parameters : mapping
        Scalars by name.
    timeout : float
        Seconds for the whole run.
    environment : mapping, optional
        Variables of the notebook's process.
    server : KernelServer, optional
        What the process is forked from; default: it starts by itself.

    Returns
    -------
    nbformat.NotebookNode
        Every code cell ran and the last one left the sentinel.

    Raises
    ------
    ParameterError
        An unknown parameter or a value of another type.
    TimeLimitError, KernelDiedError, NotebookError
        The run did not reach its end.
    AbkitError
        A cell raised one: the same kind, with its message.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    check_parameters(path, parameters)
    with _Watch(timeout) as watch:
        try:
            with tempfile.TemporaryDirectory(prefix="abkit-") as folder:
                notebook = _run(path, output, parameters, watch, folder, environment or {}, server)
        except (PapermillExecutionError, DeadKernelError, RuntimeError) as error:
            if watch.rang:
                raise _time_is_up(path, timeout) from None
            if isinstance(error, PapermillExecutionError):
                raise _cell_failed(path, error) from None
            if isinstance(error, DeadKernelError) or "Kernel died" in str(error):
                raise KernelDiedError(
                    f"the process of {path.name} ended by itself (killed, or out of memory); nothing was published"
                ) from None
            raise
    if watch.rang:
        raise _time_is_up(path, timeout)
    require_end(notebook, path.name)
    return notebook


def _run(
    path: Path,
    output: Path,
    parameters: Mapping[str, Scalar],
    watch: _Watch,
    folder: str,
    environment: Mapping[str, str],
    server: KernelServer | None,
) -> Any:
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from traitlets.config import Config

    variables = {**os.environ, "MPLBACKEND": "agg", "ABKIT_STATIC": "1", "IPYTHONDIR": folder, **environment}

    class WatchedManager(AsyncKernelManager):  # type: ignore[misc]
        """A kernel manager that the watch knows, so that it can end the process."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            watch.managers.append(self)

        async def _async_pre_start_kernel(self, **options: Any) -> Any:
            if server is not None:
                self.kernel_id = str(uuid.uuid4())
                its = {"kernel_id": self.kernel_id, "kernel_spec": self.kernel_spec, "parent": self}
                self.provisioner = provisioner_of(server)(**its)
            return await super()._async_pre_start_kernel(**{**options, "env": variables})

    logging.getLogger("papermill").setLevel(logging.ERROR)
    transport = {"transport": "ipc", "ip": f"{folder}/k"} if os.name == "posix" else {"transport_encryption": "auto"}
    return papermill.execute_notebook(
        path,
        output,
        parameters=dict(parameters),
        kernel_name="python3",
        progress_bar=False,
        config=Config({"WatchedManager": transport}),
        kernel_manager_class=WatchedManager,
        shutdown_kernel="immediate",
        cwd=os.getcwd(),
    )


def require_end(notebook: Any, name: str) -> None:
    """Raise unless every code cell ran and the last one left the sentinel; papermill's own marks cannot be trusted.

    Raises
    ------
    NotebookError
        The notebook stopped early, though nothing reported an error (`sys.exit(0)` in a cell does that).
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    idle = [number for number, cell in enumerate(code, 1) if cell.execution_count is None]
    if idle:
        raise NotebookError(f"{name} stopped before its end: code cell {idle[0]} of {len(code)} never ran")
    if read_sentinel(notebook) is None:
        raise NotebookError(f"{name} ran without leaving the mark of a complete report; its last cell must do that")


def read_sentinel(notebook: Any) -> dict[str, Any] | None:
    """Return what the last code cell left for the publisher, or None."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for output in code[-1].outputs if code else []:
        data = output.get("data", {})
        if SENTINEL in data:
            return dict(data[SENTINEL])
    return None


def _time_is_up(path: Path, timeout: float) -> TimeLimitError:
    return TimeLimitError(f"{path.name} ran longer than {timeout:g} s and was ended; allow more with --timeout")


def _cell_failed(path: Path, error: Any) -> AbkitError:
    """An abkit error in a cell keeps its kind, so that its exit code says what went wrong."""
    kind = getattr(errors, error.ename, None)
    if isinstance(kind, type) and issubclass(kind, AbkitError):
        return kind(error.evalue)
    return NotebookError(f"{path.name}, cell {error.exec_count}: {error.ename}: {error.evalue}")
