"""Is everything here that abkit needs, and does it work together?"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from abkit.bundled import bundled
from abkit.errors import AbkitError

Finding = tuple[str, bool, str]

_NEEDED = (
    "duckdb",
    "jupyterlab",
    "matplotlib",
    "nbconvert",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "scipy",
    "sqlalchemy",
)


def examine() -> list[Finding]:
    """Run every check; each finding is (name, whether it is good, what was seen)."""
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "libraries": _libraries,
        "notebook kernel": _kernel,
        "bundled files": _files,
        "a report, end to end": _report,
    }
    return [_run(name, check) for name, check in checks.items()]


def _run(name: str, check: Callable[[], str]) -> Finding:
    try:
        return name, True, check()
    except (AbkitError, OSError, ImportError, PackageNotFoundError, RuntimeError) as error:
        return name, False, f"{type(error).__name__}: {error}"


def _python() -> str:
    return platform.python_version()


def _libraries() -> str:
    return ", ".join(f"{name} {version(name)}" for name in _NEEDED)


def _kernel() -> str:
    from jupyter_client.kernelspec import KernelSpecManager

    return str(KernelSpecManager().get_kernel_spec("python3").display_name)


def _files() -> str:
    return bundled("notebooks", "experiment_report.ipynb").name + ", " + bundled("examples", "agents/warming.yml").name


def _report() -> str:
    from abkit.report.render import render_report

    with tempfile.TemporaryDirectory(prefix="abkit-doctor-") as folder:
        done = render_report(str(bundled("examples", "agents/warming.yml")), Path(folder), timeout=120)
        return f"{done.html.stat().st_size:,} bytes, verdict {done.verdict}"
