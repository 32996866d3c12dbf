"""Put a complete report where readers look, in one step; a crash on the way leaves the previous one untouched."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from abkit.errors import LockedError


def new_run_id(now: datetime) -> str:
    """Return a name that sorts by time and is not taken."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an experiment's folder for one writer; the lock ends with the process, however it ends.

    Raises
    ------
    LockedError
        Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"another process renders into {folder}; try again when it is done") from None
        yield


def publish(folder: Path, run_id: str, files: Mapping[str, str]) -> Path:
    """Write the files of one run and point `latest` at it.

    Parameters
    ----------
    folder : Path
        The experiment's folder.
    run_id : str
        Name of the run.
    files : mapping
        File name → text.

    Returns
    -------
    Path
        The folder of the run. It appears complete or not at all, and `latest` moves in one step.
    """
    _sweep(folder)
    staging = folder / f".{run_id}"
    staging.mkdir(parents=True)
    try:
        for name, text in files.items():
            _write(staging / name, text)
        target = folder / run_id
        os.rename(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    link = folder / f".latest-{run_id}"
    os.symlink(run_id, link)
    os.replace(link, folder / "latest")
    return target


def replace_text(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the new one. What is no file (a pipe) is written to."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.parent / f".{path.name}-{secrets.token_hex(4)}"
    try:
        _write(staging, text)
        os.replace(staging, path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Remove what killed runs left half-written; the caller holds the folder's lock."""
    for left in folder.glob(".*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif left.name.startswith(".latest-"):
            left.unlink(missing_ok=True)
