"""The process that imports what reports need once, and forks the process of one notebook after another.

`python -m abkit.report.kernel_server MODULE ...` reads a request a line, as JSON, and answers each with a line. It ends
with its input, and the notebooks' processes end when they find it gone.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO


def serve(modules: Sequence[str], requests: BinaryIO, answers: int) -> None:
    """Import the modules, then start notebooks' processes and tell how they ended, until the requests end."""
    for name in ("ipykernel.kernelapp", "ipykernel.ipkernel", *modules):
        import_module(name)
    gc.collect()
    gc.freeze()  # what all processes share is neither searched nor copied by any of them
    for line in requests:
        request = json.loads(line)
        found = {"code": _code_of(request["pid"])} if "pid" in request else {"pid": _fork(request, answers)}
        os.write(answers, json.dumps(found).encode() + b"\n")


def _code_of(pid: int) -> int | None:
    """The exit code of a process, None while it runs; one that this process did not start is gone."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return -9
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(request: Mapping[str, Any], answers: int) -> int:
    pid = os.fork()
    if pid == 0:
        _become_kernel(request, answers)
    with suppress(OSError):  # here and there: whoever comes first, the group is there before anybody is told
        os.setpgid(pid, pid)
    return pid


def _become_kernel(request: Mapping[str, Any], answers: int) -> None:
    """Be the process of a notebook, and never return."""
    code = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        os.close(answers)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        _seed()
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(argv=request["argv"], parent_handle=os.getppid())
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _seed() -> None:
    """Python draws new random numbers after a fork; NumPy's global ones would be the same in every notebook."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


if __name__ == "__main__":
    told = os.dup(1)
    os.dup2(2, 1)  # what a module prints is no answer
    serve(sys.argv[1:], sys.stdin.buffer, told)
