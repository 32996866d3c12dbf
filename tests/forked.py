"""One process for a whole session from which notebooks' processes are forked: importing takes longest of a report."""

from collections.abc import Iterator
from typing import Any

import pytest

from abkit.report.kernels import KernelServer


@pytest.fixture(scope="session")
def server() -> Iterator[KernelServer | None]:
    """What forks them, with everything imported; None where a system cannot fork."""
    from abkit.controller.fleet import _IMPORTED

    if not KernelServer.is_possible():
        yield None
        return
    with KernelServer(_IMPORTED) as server:
        server.code_of(0)  # it answers when it has imported everything: no time limit of a test has to wait for that
        yield server


@pytest.fixture
def forked(server: KernelServer | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all reports of a test use it, where they would have one of their own or start each process anew."""
    from abkit.report import render

    execute = render.execute

    def execute_forked(*given: Any, **options: Any) -> Any:
        return execute(*given, **{**options, "server": server or options.get("server")})

    monkeypatch.setattr(render, "execute", execute_forked)
