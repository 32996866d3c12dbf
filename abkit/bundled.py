"""Notebooks and examples that come with abkit, in a checkout and in an installed package alike."""

from __future__ import annotations

from pathlib import Path

from abkit.errors import NotFoundError, suggest

_PACKAGE = Path(__file__).resolve().parent


def bundled(folder: str, name: str) -> Path:
    """Return the path of a file under notebooks/ or examples/.

    Raises
    ------
    NotFoundError
        There is no such file.

    Examples
    --------
    >>> bundled("notebooks", "experiment_report.ipynb").name
    'experiment_report.ipynb'
    """
    homes = [_PACKAGE / folder, _PACKAGE.parent / folder]
    for home in homes:
        if (home / name).is_file():
            return home / name
    known = [path.name for home in homes if home.is_dir() for path in home.iterdir()]
    raise NotFoundError(f"abkit comes without {folder}/{name}{suggest(name, known)}")
