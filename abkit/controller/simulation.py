"""Simulate the split of what a target means, beside what runs in the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from abkit.assignment.simulate import simulate_split
from abkit.assignment.split_result import SplitSimulation
from abkit.assignment.traffic import Arrival, IdShape
from abkit.bundled import bundled
from abkit.collectors.header import find_delimiter
from abkit.controller.connection import connect
from abkit.controller.targets import ORGANIZATION, STORE, find_experiment
from abkit.errors import DataError, NotFoundError, ParameterError, suggest
from abkit.models import Experiment

EXAMPLE = "bandit/bandit-policy.yml"
ID_COLUMN = "user_id"


def simulate_target(
    target: str,
    *,
    users: int = 0,
    ids: str = "",
    cluster: str = "",
    days: int = 0,
    arrival: str = "uniform",
    returning: float = 0.0,
    id_shape: str = "uuid",
    id_change_share: float = 0.0,
    icc: float = 0.05,
    seed: int = 0,
) -> tuple[Experiment, SplitSimulation]:
    """Return the experiment that a target means, and its simulated split.

    Parameters
    ----------
    target : str
        Experiment file, or key in the store that ABKIT_STORE names; empty: an example. Experiments that run in that
        store are those whose splits this one must be independent of.
    users : int
        Users to make up; 0: 100,000, or what `arrival` adds up to.
    ids : str
        File with the ids of your own, instead of made-up ones: one a line, or the column `user_id` of a CSV or Parquet
        file.
    cluster : str
        Column of that file with the group of each user.
    days : int
        Days over which they come; 0: 14, or as many as `arrival` has.
    arrival : str
        uniform, weekly, decaying, or new users of each day with commas between them.
    returning, id_shape, id_change_share, icc, seed
        As in `simulate_split`.

    Raises
    ------
    AbkitError
        As `find_experiment` and `simulate_split` do; or the file of ids cannot be read.
    """
    if users and ids:
        raise ParameterError("users are made up or read from a file of ids: leave out one of the two")
    if cluster and not ids:
        raise ParameterError("clusters are a column of the file of ids; name the file too")
    experiment = find_experiment(target or str(bundled("examples", EXAMPLE)))
    given, clusters = read_ids(ids, cluster) if ids else (users or None, None)
    return experiment, simulate_split(
        experiment,
        given,
        days=days or None,
        arrival=read_arrival(arrival),
        returning=returning,
        id_shape=cast("IdShape", id_shape),
        others=running_experiments(),
        clusters=clusters,
        icc=icc,
        id_change_share=id_change_share,
        seed=seed,
    )


def running_experiments() -> tuple[Experiment, ...]:
    """Return the experiments that run in the store that ABKIT_STORE names; without one, none."""
    url = os.environ.get(STORE)
    if not url:
        return ()
    found: list[Experiment] = []
    with connect(url, os.environ.get(ORGANIZATION, "default")) as lab:
        page = lab.list(status="running")
        found += [stored.experiment for stored in page.items]
        while page.next_cursor is not None:
            page = lab.list(status="running", cursor=page.next_cursor)
            found += [stored.experiment for stored in page.items]
    return tuple(found)


def read_arrival(text: str) -> Arrival:
    """Read how users arrive: a name, or numbers with commas between them.

    Examples
    --------
    >>> read_arrival("weekly"), read_arrival("100, 50,25")
    ('weekly', [100.0, 50.0, 25.0])
    """
    if not any(sign.isdigit() for sign in text):
        return cast("Arrival", text)
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"arrival {text!r}: a name, or numbers with commas between them") from None


def read_ids(path: str, cluster: str = "") -> tuple[Any, Any]:
    """Read ids, and the cluster of each where a column is named: lines of text, or columns of a CSV or Parquet file.

    Raises
    ------
    NotFoundError
        No such file or column.
    DataError
        The file cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"no file of ids {path!r}")
    if file.suffix not in {".csv", ".gz", ".parquet"}:
        if cluster:
            raise ParameterError(f"{file.name} has lines, no columns; clusters need a CSV or Parquet file")
        return _lines(file), None
    frame = _frame(file)
    name = frame.columns[0] if len(frame.columns) == 1 else ID_COLUMN
    for wanted in (name, *([cluster] if cluster else [])):
        if wanted not in frame.columns:
            said = "; ids are that column, or the only one of the file" if wanted == ID_COLUMN else ""
            raise NotFoundError(f"{file.name} has no column {wanted!r}{suggest(wanted, map(str, frame.columns))}{said}")
    return frame[name], frame[cluster] if cluster else None


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line]
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name} is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _frame(file: Path) -> Any:
    import pandas as pd

    try:
        if file.suffix == ".parquet":
            return pd.read_parquet(file)
        return pd.read_csv(file, sep=find_delimiter([str(file)]), dtype=str, keep_default_na=False, index_col=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{file.name} cannot be read: {error}") from None
