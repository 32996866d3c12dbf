"""A PostgreSQL server that runs out of space in the middle of a load.

The server's files may not grow beyond a limit that the system enforces. PostgreSQL meets it as it meets a full disk: a
page is written in part, and the transaction fails with SQLSTATE 53100 (disk_full). The limit is a little more than a
file of the log, which must go on.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from psycopg.errors import DiskFull
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import OperationalError

from abkit.controller.experiments import ExperimentController
from abkit.errors import StoreError
from abkit.models import Experiment, Mean, Variant
from abkit.store.engine import explain, is_passing, open_engine, writing
from abkit.store.observation_tables import key_pieces, observations
from tests.databases import Server

LIMIT = str((16 << 20) + 4096)
ROWS = 40_000


def rows() -> Iterator[dict[str, object]]:
    """Rows of half a kilobyte each, so that few of them fill much."""
    for number in range(ROWS):
        yield {"user_id": f"{number % 50:0500}", "metric_type": "score", "value": number, "event_id": f"e{number}"}


def limit_files(server: Server, engine: Engine, size: str) -> None:
    """Limit the processes that serve this database; only their owner may."""
    with engine.connect() as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        processes = connection.scalars(text(asked)).all()
    for process in processes:
        subprocess.run(["prlimit", f"--pid={process}", f"--fsize={size}:"], check=True, cwd="/", **server.user)


def counts(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        stored = connection.scalar(select(func.count()).select_from(observations)) or 0
        return [stored, sum(len(events) // 8 for events in connection.scalars(select(key_pieces.c.events)))]


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="no prlimit: only Linux limits another process")
def test_whole_batches_are_left_and_nothing_is_twice(
    postgresql: Server, postgresql_url: str, open_store: Callable[[str], Engine]
) -> None:
    engine = open_store(postgresql_url)
    lab = ExperimentController(engine)
    lab.create(Experiment("demo", [Variant("a", 50, is_control=True), Variant("b", 50)], Mean("score")))
    lab.start("demo")
    limit_files(postgresql, engine, LIMIT)
    with pytest.raises(StoreError, match="the disk is full: make room and repeat the call"):
        lab.record_many(rows(), experiment_id="demo")
    left, keys = counts(engine)
    assert 0 < left == keys < ROWS
    assert lab.get("demo").status == "running"
    limit_files(postgresql, engine, "unlimited")
    done = lab.record_many(rows(), experiment_id="demo")
    assert (done.added, done.repeated, done.rejected) == (ROWS - left, left, 0)
    assert counts(engine) == [ROWS, ROWS]
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(observations.c.value))) == ROWS * (ROWS - 1) / 2


@pytest.mark.parametrize("said", ["could not extend file: No space left on device", "could not write: wrote only 4096"])
def test_a_full_disk_of_the_server_is_called_so(said: str) -> None:
    engine = open_engine("postgresql://somebody:secret@localhost/somewhere")
    told = str(explain(OperationalError("INSERT", {}, DiskFull(said)), engine))
    assert "the disk is full: make room" in told
    assert "secret" not in told


def test_what_the_driver_raises_is_explained_too(postgresql_url: str, open_store: Callable[[str], Engine]) -> None:
    engine = open_store(postgresql_url)

    def lose_the_connection() -> None:
        with writing(engine) as connection:
            process = connection.scalar(text("SELECT pg_backend_pid()"))
            with engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
            connection.connection.driver_connection.execute("SELECT 1")  # type: ignore[union-attr]

    with pytest.raises(StoreError, match="repeat the call") as caught:
        lose_the_connection()
    assert caught.value.__cause__ is not None
    assert is_passing(caught.value.__cause__)
