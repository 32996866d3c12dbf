"""The tutorials as a data scientist meets them: `abkit init`, JupyterLab, open, run all; pictures are kept."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted(path.stem for path in (ROOT / "notebooks/tutorials").glob("*.ipynb"))
_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}
_SECONDS = 600  # a busy machine is no failure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder after `abkit init`."""
    folder = tmp_path_factory.mktemp("lab")
    script = "from abkit.cli import main; main(['init', 'work'])"
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a JupyterLab in a theme, with settings, kernels' files and caches of its own."""
    theme = request.param
    home = folder / theme
    settings = {**_SETTINGS, "@jupyterlab/apputils-extension/themes": {"theme": f"JupyterLab {theme.title()}"}}
    for name, content in settings.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    places = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "IPYTHONDIR",
    )
    environment = {**os.environ, **{name: str(home / name.lower()) for name in places}, "HOME": str(home)}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    environment.pop("MPLBACKEND", None)  # the kernel's own one shows figures
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "IdentityProvider.token": "abkit",
        "ServerApp.root_dir": folder / "work",
        "LabApp.news_url": "",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{base}/api?token=abkit", server, home / "log.txt")
        yield base
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(4 * _SECONDS):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())


@pytest.fixture(autouse=True)
def stop_kernels(lab: str) -> Iterator[None]:
    """A notebook that has been looked at keeps no kernel."""
    yield
    with urllib.request.urlopen(f"{lab}/api/kernels?token=abkit", timeout=_SECONDS) as answer:
        kernels = json.load(answer)
    for kernel in kernels:
        address = f"{lab}/api/kernels/{kernel['id']}?token=abkit"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=_SECONDS).close()


@pytest.fixture(scope="module")
def pictures(root: Path) -> Path:
    place = root / "test-artefacts" / "jupyterlab"
    place.mkdir(parents=True, exist_ok=True)
    return place


def run_all(page: Page, address: str) -> None:
    """Open a notebook, run all of its cells, and wait until none is running."""
    page.set_default_timeout(1000 * _SECONDS)
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=1000 * _SECONDS)
    page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=1000 * _SECONDS)
    page.locator('.lm-MenuBar-itemLabel:text-is("Run")').click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    started = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(one => one.innerText.includes('*'))"
    page.wait_for_function(started, timeout=1000 * _SECONDS)
    page.wait_for_function(f"!{started}", timeout=1000 * _SECONDS)


@pytest.mark.parametrize(
    ("lab", "name"),
    [
        ("light", "which_agent"),
        pytest.param("dark", "is_my_split_sound", marks=pytest.mark.full),
        *(pytest.param("light", name, marks=pytest.mark.full) for name in TUTORIALS if name != "which_agent"),
    ],
    indirect=["lab"],
)
def test_a_tutorial_runs_in_jupyterlab(
    browser: Browser, lab: str, name: str, pictures: Path, request: pytest.FixtureRequest
) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 4200})
    try:
        theme = request.node.callspec.params["lab"]
        try:
            run_all(page, f"{lab}/lab/tree/tutorials/{name}.ipynb?token=abkit&reset")
        finally:
            page.screenshot(path=pictures / f"{name}-{theme}.png")
        for mime in ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr"):
            assert page.locator(f'.jp-Notebook [data-mime-type="{mime}"]').all_inner_texts() == []
        assert page.locator(".jp-Notebook .jp-RenderedHTMLCommon .abkit").count() >= 1
        assert page.locator(".jp-Notebook .jp-OutputArea-output img").count() >= 1
        background = page.evaluate("getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor")
        assert (sum(map(int, background[4:-1].split(", "))) < 3 * 80) == (theme == "dark")
    finally:
        page.close()


SLIDERS = {"plan": "ab.sample_size(", "traffic_simulation": "ab.simulate_split("}


@pytest.mark.parametrize(
    ("lab", "name"),
    [("light", "plan"), pytest.param("dark", "traffic_simulation", marks=pytest.mark.full)],
    indirect=["lab"],
)
def test_a_slider_moves_the_numbers_and_the_call(browser: Browser, lab: str, name: str, pictures: Path) -> None:
    pytest.importorskip("ipywidgets")
    page = browser.new_page(viewport={"width": 1200, "height": 6000})
    try:
        try:
            run_all(page, f"{lab}/lab/tree/{name}.ipynb?token=abkit&reset")
            shown = page.locator(".jp-Notebook .widget-html-content", has_text=SLIDERS[name])
            before = shown.inner_text().strip().splitlines()
            call = next(line for line in before if SLIDERS[name] in line)
            page.locator(".jp-Notebook .widget-slider .noUi-handle").first.press("ArrowRight")
            expect(shown).not_to_contain_text(call, timeout=1000 * _SECONDS)
            after = shown.inner_text().strip().splitlines()
        finally:
            page.screenshot(path=pictures / f"{name}.png")
        assert any(SLIDERS[name] in line for line in after)
        assert before[0] != after[0]
    finally:
        page.close()
