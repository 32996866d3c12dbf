"""The package as a person installs it: wheel, clean environment, empty folder."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import abkit as ab


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("abkit-*.whl"))


def test_the_wheel_holds_notebooks_examples_and_template(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "abkit/notebooks/experiment_report.ipynb",
        "abkit/notebooks/tutorials/which_agent.ipynb",
        f"abkit-{ab.__version__}.data/data/share/jupyter/nbconvert/templates/abkit/index.html.j2",
        f"abkit-{ab.__version__}.data/data/share/jupyter/nbconvert/templates/abkit/conf.json",
        "abkit/examples/agents/warming.yml",
        "abkit/examples/README.md",
        "abkit/report/templates/abkit/index.html.j2",
        "abkit/report/templates/abkit/abkit.css",
        "abkit/analyzer/analysis.schema.json",
        "abkit/py.typed",
    ):
        assert wanted in names


def test_demo_in_an_empty_folder_with_only_the_wheel_installed(wheel: Path, tmp_path: Path) -> None:
    """Libraries are those of this environment; abkit itself comes from the wheel alone."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    place = next((home / "lib").glob("python3*")) / "site-packages"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)], check=True
    )
    libraries = Path(next(path for path in sys.path if path.endswith("site-packages")))
    (place / "libraries.pth").write_text(f"{libraries}\n")
    (home / "share").mkdir()
    (home / "share/jupyter").symlink_to(Path(sys.prefix) / "share/jupyter")
    empty = tmp_path / "empty"
    empty.mkdir()
    script = "import sys, abkit, abkit.cli; print(abkit.__file__, file=sys.stderr); abkit.cli.main(['demo'])"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", script], cwd=empty, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(place) in done.stderr
    assert "warming: ▼ Do not ship" in done.stdout
    assert (empty / "reports/warming/latest/report.html").is_file()


def test_nbconvert_finds_the_template_of_an_installed_wheel(wheel: Path, tmp_path: Path, root: Path) -> None:
    """In another folder, and with no path to this checkout."""
    home = tmp_path / "env"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--prefix", str(home)]
    subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True)  # it would uninstall this checkout otherwise
    shutil.copy(root / "notebooks/tutorials/which_agent.ipynb", tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"JUPYTER_PATH": str(home / "share/jupyter"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--template", "abkit", "which_agent.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "which_agent.html").read_text()
    assert '<meta content="abkit" name="generator"' in page
    assert page.count("<img ") == 1
    assert "Not beaten on both" in page
    assert "Which agent is better?" in page
    assert "debugging: ▲ Ship" in page
    assert "<script" not in page
