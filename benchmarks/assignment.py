"""Assignment against its bounds: DuckDB's own sha256 for a batch, the bare hash for one user. JSON on stdout."""

import argparse
import hashlib
import json
import time
from datetime import UTC, datetime
from itertools import islice

import duckdb
import numpy as np
import pyarrow as pa
from measure import best, extra_mebibytes

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


def batch(size: int, rounds: int) -> dict[str, float]:
    users, split = ids(size), Split.of(ONE)
    connection = duckdb.connect(config={"threads": 1})
    connection.register("users", pa.table({"user_id": users}))
    split.codes(users[:1000])
    texts = users[: min(size, 1_000_000)].to_pylist()
    extra = extra_mebibytes(lambda: split.codes(users))
    bound = best(lambda: connection.execute(BOUND, [EXPERIMENT]).fetchnumpy(), rounds)
    loop = best(lambda: [hashlib.sha256(f"{EXPERIMENT}:{user}".encode()).digest() for user in texts], 1)
    own = best(lambda: split.codes(users), rounds)
    return {
        "users": size,
        "nanoseconds_per_user": own / size * 1e9,
        "duckdb_nanoseconds_per_user": bound / size * 1e9,
        "ratio_to_duckdb": own / bound,
        "ratio_to_hashlib_loop": (own / size) / (loop / len(texts)),
        "extra_mebibytes": extra,
    }


def scalar(calls: int, different: int) -> dict[str, float]:
    """Of so many different users: hundreds stay in the processor's own memory, ten thousands come from further away."""

    def bare(user: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{EXPERIMENT}:{user}".encode()).digest()[:4], "big") % 10_000

    stored: dict[str, str] = {}
    assigner = TrafficAssigner(
        lambda agent_id: ONE,
        lambda experiment_id, users: {user: stored[user] for user in users if user in stored},
        lambda experiment_id, variants, at: {user: stored.setdefault(user, name) for user, name in variants.items()},
        clock=lambda: datetime.now(UTC),
    )
    users = [f"user-{number % different}" for number in range(calls)]
    known = dict.fromkeys(users, "a")
    own, reference, looked_up = [], [], []
    for user in users[:different]:
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
    half, tail = np.quantile(own, (0.5, 0.99))
    return {
        "calls": calls,
        "users": different,
        "p50_nanoseconds": float(half),
        "p99_nanoseconds": float(tail),
        "ratio_to_bare_hash": float(half / np.median(reference)),
        "ratio_p99_to_p50": float(tail / half),
        "ratio_p99_to_p50_of_a_dict": float(np.quantile(looked_up, 0.99) / np.median(looked_up)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    goals = {"ratio_to_duckdb": 1.2, "extra_mebibytes": 16, "ratio_to_bare_hash": 1.5, "ratio_p99_to_p50": 3}
    many, few = scalar(200_000, 10_000), scalar(200_000, 100)
    found = {"batch": batch(options.users, options.rounds), "scalar": many, "scalar_of_few_users": few, "goals": goals}
    print(json.dumps(found, indent=1))
