"""Processes of notebooks, forked from one that has imported everything."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from abkit.errors import KernelDiedError

_LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]
_SECONDS = 600.0


@dataclass(eq=False)
class KernelServer:
    """Starts the processes of many notebooks, each a fork of one process; that one starts with the first.

    Parameters
    ----------
    modules : sequence of str
        What it imports before.

    Examples
    --------
    >>> with KernelServer(("json",)) as server:
    ...     pass
    """

    modules: Sequence[str]
    _process: subprocess.Popen[bytes] | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def is_possible() -> bool:
        """Whether this system can fork a process that has loaded libraries."""
        return sys.platform == "linux"

    def __enter__(self) -> KernelServer:
        return self

    def __exit__(self, *_: object) -> None:
        with self._one_at_a_time:
            self._end()

    def start(self, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> ForkedProcess:
        """Start a process that takes the arguments of `ipykernel_launcher`.

        Raises
        ------
        KernelDiedError
            The server does not answer.
        """
        answer = self._ask({"argv": list(argv), "env": dict(environment), "cwd": folder})
        return ForkedProcess(int(answer["pid"]), self)

    def code_of(self, pid: int) -> int | None:
        """Return the exit code of a process, None while it runs; a server that is gone took it along."""
        try:
            code: int | None = self._ask({"pid": pid})["code"]
        except KernelDiedError:
            return -SIGKILL
        return code

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._one_at_a_time:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = self._begin()
            requests, answers = self._process.stdin, self._process.stdout
            assert requests is not None and answers is not None  # noqa: PT018
            line = b""
            with suppress(OSError):
                requests.write(json.dumps(request).encode() + b"\n")
                line = answers.readline() if select.select([answers], [], [], _SECONDS)[0] else b""
            if not line:
                self._end()
                raise KernelDiedError("the process that starts the notebooks ended by itself; nothing was published")
            found: dict[str, Any] = json.loads(line)
            return found

    def _begin(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(part for part in sys.path if part)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "abkit.report.kernel_server", *self.modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": path},
            start_new_session=True,
            bufsize=0,
        )

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None


@dataclass(eq=False)
class ForkedProcess:
    """What Jupyter needs to know of a process that another one started, named as in `subprocess.Popen`."""

    pid: int
    server: KernelServer
    returncode: int | None = None
    stdin: None = None
    stdout: None = None
    stderr: None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = self.server.code_of(self.pid)
        return self.returncode

    def wait(self) -> int:
        """Wait for its end."""
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    kill = partialmethod(send_signal, SIGKILL)
    terminate = partialmethod(send_signal, SIGTERM)


def provisioner_of(server: KernelServer) -> type[Any]:
    """Return Jupyter's class for starting kernels, which has the server start those of this very Python."""
    from jupyter_client.provisioning import LocalProvisioner

    class ForkedProvisioner(LocalProvisioner):  # type: ignore[misc]
        """Another Python's kernels are started as ever."""

        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            if cmd[: len(_LAUNCHER)] != _LAUNCHER:
                return await super().launch_kernel(cmd, **options)
            self.cwd = Path(options.get("cwd") or Path.cwd())
            self.process = server.start(cmd[len(_LAUNCHER) :], options["env"], str(self.cwd))
            self.pid = self.pgid = self.process.pid
            return self.connection_info

    return ForkedProvisioner
