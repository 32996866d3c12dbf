"""Assignment against its bounds: DuckDB's own sha256 for a batch, the bare hash for one user."""

import argparse
import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from measure import Spent, case, compare, main

from abkit.assignment import Split, TrafficAssigner
from abkit.models import Experiment, Mean, Variant

EXPERIMENT = "2c4e1b1e-8f5f-4d0a-9a61-0b7f0c3f6a11"
BOUND = "SELECT ('0x' || substr(sha256($1 || ':' || user_id), 1, 8))::UBIGINT % 10000 AS bucket FROM users"
ONE = Experiment("demo", [Variant("a", 50, is_control=True), Variant("b", 50)], Mean("x"), id=EXPERIMENT)


def ids(size: int) -> pa.ChunkedArray:
    names = (f"user-{number}" for number in range(size))
    parts = []
    while part := list(islice(names, 1 << 20)):
        parts.append(pa.array(part, pa.string()))
    return pa.chunked_array(parts)


def batch(size: int, rounds: int) -> Iterator[dict[str, Any]]:
    users, split = ids(size), Split.of(ONE)
    connection = duckdb.connect(config={"threads": 1})
    connection.register("users", pa.table({"user_id": users}))
    some = users[: min(size, 1_000_000)]
    texts = some.to_pylist()
    yield compare(
        "assignment of a batch, against sha256 in DuckDB",
        lambda: split.codes(users),
        lambda: connection.execute(BOUND, [EXPERIMENT]).fetchnumpy(),
        goal=1.2,
        goal_mib=16,
        rounds=rounds,
        users=size,
    )
    yield compare(
        "assignment of a batch, against a loop over hashlib",
        lambda: split.codes(some),
        lambda: [hashlib.sha256(f"{EXPERIMENT}:{user}".encode()).digest() for user in texts],
        rounds=rounds,
        users=len(texts),
    )


def scalar(calls: int) -> dict[str, Any]:
    def bare(user: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{EXPERIMENT}:{user}".encode()).digest()[:4], "big") % 10_000

    stored: dict[str, str] = {}
    assigner = TrafficAssigner(
        lambda agent_id: ONE,
        lambda experiment_id, users: {user: stored[user] for user in users if user in stored},
        lambda experiment_id, variants, at: {user: stored.setdefault(user, name) for user, name in variants.items()},
        clock=lambda: datetime.now(UTC),
    )
    users = [f"user-{number % 10_000}" for number in range(calls)]
    known = dict.fromkeys(users, "a")
    own, reference, looked_up = [], [], []
    for user in users[:10_000]:
        assigner.assign("bot", user)
    for user in users:
        start = time.perf_counter_ns()
        bare(user)
        middle = time.perf_counter_ns()
        assigner.assign("bot", user)
        own.append(time.perf_counter_ns() - middle)
        reference.append(middle - start)
    for user in users:  # memory that is slow to come is slow for every dict: the tail below which none can be
        bare(user)
        start = time.perf_counter_ns()
        known.get(user)
        looked_up.append(time.perf_counter_ns() - start)
    half, tail = np.quantile(own, (0.5, 0.99)) / 1e9
    bound = float(np.median(reference)) / 1e9
    return case(
        "assignment of one user, p50, against the bare hash",
        Spent(float(half), float(half)),
        Spent(bound, bound),
        goal=1.5,
        clock="wall",
        calls=calls,
        p99_to_p50=float(tail / half),
        p99_to_p50_of_a_dict=float(np.quantile(looked_up, 0.99) / np.median(looked_up)),
    )


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    yield from batch(options.users, options.rounds)
    yield scalar(100_000)


if __name__ == "__main__":
    main(__file__, cases, __doc__)
