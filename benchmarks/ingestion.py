"""Ingestion with idempotency against plain inserts of the same rows without any.

SQLite: executemany into a table without an index, in CPU seconds of this process. PostgreSQL: binary COPY into one, in
seconds by the clock, because the server is a process of its own. The same rows go to each in turn, a load at a time, in
one call: to the plain insert as the tuples that its driver takes, to abkit as dicts or as a frame. Memory is measured
in a process of its own.
"""

import argparse
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import tables
from measure import Spent, extra_mebibytes, from_rounds, main, timed
from sqlalchemy import Connection

from abkit.assignment import Split
from abkit.collectors.observation_writes import ObservationTables
from abkit.collectors.observations import MetricsCollector
from abkit.models import Variant
from abkit.store.assignments import add_assignments, read_variants
from abkit.store.engine import open_engine, reading, with_retry, writing
from abkit.store.observation_tables import key_pieces, key_runs, observations, quarantine, streams
from abkit.store.schema import upgrade

NOW = datetime(2026, 11, 22, tzinfo=UTC)
EXPERIMENT = "2c4e1b1e-8f5f-4d0a-9a61-0b7f0c3f6a11"
USERS = 50_000
BATCH = 30_000  # as many as a load stores in one transaction
LOAD = 200_000
Row = dict[str, Any]
Load = Callable[[Any], None]
Shape = Callable[[list[Row]], Any]
COLUMNS = "experiment_id text, user_id text, metric_type text, value double precision, observed_at timestamptz"


def rows(size: int, start: int = 0) -> Iterator[dict[str, Any]]:
    for number in range(start, start + size):
        yield {
            "user_id": f"user-{number * 7919 % USERS}",
            "metric_type": ("cost_usd", "success", "latency_s")[number % 3],
            "value": number * 0.25,
            "observed_at": NOW,
            "event_id": f"run-{number}",
        }


def collector(url: str, **options: Any) -> MetricsCollector:
    engine = open_engine(url)
    upgrade(engine)
    split = Split.between(EXPERIMENT, [Variant("a", 50, is_control=True), Variant("b", 50)])

    def assign(connection: Connection, experiment_id: str, users: Sequence[str]) -> Mapping[str, str]:
        """As the controller does it."""
        found = read_variants(connection, "default", experiment_id, users)
        new = {user: split.variant(user) for user in users if user not in found}
        added = add_assignments(connection, "default", experiment_id, new, now=NOW)
        return {**found, **(new if added == len(new) else read_variants(connection, "default", experiment_id, [*new]))}

    return MetricsCollector(
        "default",
        ObservationTables(streams, observations, key_runs, key_pieces, quarantine),
        writing=lambda: writing(engine),
        reading=lambda: reading(engine),
        assign=assign,
        clock=lambda: NOW,
        attempt=with_retry,
        overlaps=engine.dialect.name == "postgresql",
        **options,
    )


def plain_sqlite(path: Path) -> Load:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"CREATE TABLE plain ({COLUMNS})")

    def insert(given: list[tuple[Any, ...]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?, ?)", given)
        connection.execute("COMMIT")

    return insert


def plain_postgresql(url: str) -> Load:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("DROP TABLE IF EXISTS plain")
    connection.execute(f"CREATE TABLE plain ({COLUMNS})")

    def insert(given: list[tuple[Any, ...]]) -> None:
        with connection.cursor().copy("COPY plain FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text", "text", "text", "float8", "timestamptz"])
            for row in given:
                copy.write_row(row)

    return insert


def extra_memory(url: str, size: int) -> float:
    """Of a load of rows that nobody holds; what is imported is there before."""
    one = collector(url)
    one.record_many(rows(100), experiment_id="imports-are-not-what-is-measured")
    return extra_mebibytes(lambda: one.record_many(rows(size), experiment_id="the-same-rows-streamed"))


def in_turn(
    size: int, first: int, each: int, own: Load, plain: Load, shape: Shape, clock: str
) -> tuple[list[Spent], list[Spent]]:
    """A load of rows by each in turn, from row `first` on; the first load does not count."""
    mine, theirs = [], []
    time = str(NOW) if clock == "cpu" else NOW  # SQLite has no times
    for start in range(first, first + size, each):
        given = list(rows(min(each, first + size - start), start))
        values = [(EXPERIMENT, r["user_id"], r["metric_type"], r["value"], time) for r in given]
        theirs.append(timed(partial(plain, values)))
        mine.append(timed(partial(own, shape(given))))
    return mine[1:] or mine, theirs[1:] or theirs


def stored(url: str, size: int, kind: str, goal: float, plain: Load, clock: str) -> Iterator[dict[str, Any]]:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # nothing there has left room that could be used again
        extra = fresh.submit(extra_memory, url, size).result()
    one = collector(url)
    many = partial(one.record_many, experiment_id=EXPERIMENT)

    def each(given: list[Row]) -> None:
        single = collector(url)
        for row in given:
            single.record(EXPERIMENT, row["user_id"], row["metric_type"], row["value"], None, NOW, row["event_id"])
        single.close()

    many(rows(USERS, -USERS))  # all users are known from here on
    few = size // 5
    for what, number, first, load, own, shape in (
        ("new rows as dicts", size, 0, LOAD, many, list),
        ("new rows as a frame", size, size, LOAD, many, pa.Table.from_pylist),
        ("new rows as dicts, one batch a call", few, 2 * size, BATCH, many, list),
        ("the same rows again", few, 0, BATCH, many, list),
        ("rows one by one", few, 2 * size + few, BATCH, each, list),
    ):
        limits = {"goal": 1 / goal, "goal_mib": 64, "extra_mib": extra} if load == LOAD else {}
        mine, theirs = in_turn(number, first, load, own, plain, shape, clock)
        name = f"ingestion into {kind}: {what}, against plain inserts"
        yield from_rounds(name, mine, theirs, clock=clock, rows=number, **limits)


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    size = options.rows
    with tempfile.TemporaryDirectory() as folder:
        url, plain = f"sqlite:///{folder}/store.db", plain_sqlite(Path(folder) / "plain.db")
        yield from stored(url, size, "SQLite", 0.4, plain, "cpu")
    with tables.postgresql(options.postgresql) as server:
        if server is not None:
            yield from stored(server, size, "PostgreSQL", 0.5, plain_postgresql(server), "wall")


if __name__ == "__main__":
    main(__file__, cases, __doc__)
