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


def notebooks() -> dict[str, Path]:
    """Return every notebook by its path under notebooks/.

    Examples
    --------
    >>> "tutorials/how_long.ipynb" in notebooks()
    True
    """
    homes = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
    home = next(home for home in homes if (home / "quickstart.ipynb").is_file())
    found = sorted(path for path in home.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    return {path.relative_to(home).as_posix(): path for path in found}
