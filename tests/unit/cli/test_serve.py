import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import typer

from abkit.cli.serve import add_commands
from abkit.errors import ParameterError


def test_serve_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    add_commands(app)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ParameterError, match=r"pip install 'abkit\[api\]'"):
        app([], standalone_mode=False)


def test_a_new_store_is_served_with_no_set_up_but_a_key(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    abkit = [sys.executable, "-m", "abkit"]
    made = subprocess.run(
        [*abkit, "keys", "create", "test", "--scope", "read", "--store", store],
        capture_output=True,
        text=True,
        check=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*abkit, "serve", "--store", store, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        at = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                assert json.load(urllib.request.urlopen(f"{at}/health", timeout=5)) == {"status": "ok"}
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        with urllib.request.urlopen(urllib.request.Request(f"{at}/api/v1/experiments", headers=headers)) as answer:
            assert json.load(answer) == {"items": [], "next_cursor": None}
            assert "server" not in answer.headers
    finally:
        server.terminate()
        assert server.wait(30) in {0, -15}
