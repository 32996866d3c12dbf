"""Ingestion with idempotency against plain inserts of the same rows without any. JSON on stdout.

SQLite: executemany into a table without an index, in CPU seconds of this process. PostgreSQL: binary COPY into one, in
seconds by the clock, because the server is a process of its own; give `--postgresql URL` of an empty database that may
be written to. Each round has both, and ratios are medians of rounds. Memory is measured first, before anything has left
room that could be used again.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from measure import extra_mebibytes
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


def seconds(operation: Any, clock: Any = time.perf_counter) -> float:
    start = clock()
    operation()
    return float(clock() - start)


def plain_sqlite(path: Path, size: int) -> float:
    values = [(EXPERIMENT, r["user_id"], r["metric_type"], r["value"], str(r["observed_at"])) for r in rows(size)]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("DROP TABLE IF EXISTS plain")
    connection.execute(f"CREATE TABLE plain ({COLUMNS})")

    def insert() -> None:
        for start in range(0, size, 10_000):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO plain VALUES (?, ?, ?, ?, ?)", values[start : start + 10_000])
            connection.execute("COMMIT")

    spent = seconds(insert, time.process_time)
    connection.close()
    return spent


def plain_postgresql(url: str, size: int) -> float:
    values = [(EXPERIMENT, r["user_id"], r["metric_type"], r["value"], r["observed_at"]) for r in rows(size)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS plain")
        connection.execute(f"CREATE TABLE plain ({COLUMNS})")

        def insert() -> None:
            with connection.cursor().copy("COPY plain FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["text", "text", "text", "float8", "timestamptz"])
                for value in values:
                    copy.write_row(value)

        return seconds(insert)


def extra_memory(url: str, size: int) -> float:
    """Of a load of rows that nobody holds; what is imported is there before."""
    one = collector(url)
    one.record_many(rows(100), experiment_id="imports-are-not-what-is-measured")
    return extra_mebibytes(lambda: one.record_many(rows(size), experiment_id="the-same-rows-streamed"))


def measure(url: str, size: int, rounds: int, plain: Callable[[], float], clock: Any) -> dict[str, float]:
    one, single = collector(url), collector(url)
    given = list(rows(size))

    def load(given: list[dict[str, Any]], experiment_id: str = EXPERIMENT) -> float:
        return seconds(lambda: one.record_many(given, experiment_id=experiment_id), clock)

    def each(start: int) -> None:
        for row in rows(size // 10, start):
            single.record(
                EXPERIMENT, row["user_id"], row["metric_type"], row["value"], None, NOW, f"one-{row['event_id']}"
            )
        single.flush()

    load(given)
    found: list[tuple[float, ...]] = []
    for turn in range(rounds):
        least = plain()
        more = load(list(rows(size, (turn + 1) * size)))
        new_users, again = load(given, f"{EXPERIMENT}-{turn}"), load(given)
        alone = 10 * seconds(lambda turn=turn: each(turn * size), clock)
        found.append((least, *(least / spent for spent in (more, new_users, again, alone))))
    single.close()
    names = ("ratio_to_plain", "ratio_with_new_users", "ratio_when_repeated", "ratio_of_single_records")
    spent, *ratios = (median(column) for column in zip(*found, strict=True))
    return {"rows": size, "plain_microseconds_per_row": 1e6 * spent / size, **dict(zip(names, ratios, strict=True))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql")
    options = parser.parse_args()
    size, rounds, server = options.rows, options.rounds, options.postgresql
    found: dict[str, Any] = {"goals": {"sqlite": 0.4, "postgresql": 0.5, "extra_mebibytes": 64}}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        extra = extra_memory(url, size)
        spent = measure(url, size, rounds, lambda: plain_sqlite(Path(folder) / "plain.db", size), time.process_time)
        found["sqlite"] = spent | {"extra_mebibytes": extra}
    if server:
        extra = extra_memory(server, size)
        spent = measure(server, size, rounds, lambda: plain_postgresql(server, size), time.perf_counter)
        found["postgresql"] = spent | {"extra_mebibytes": extra}
    print(json.dumps(found, indent=1))
