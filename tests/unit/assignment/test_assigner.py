import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from abkit.assignment import Assignment, Split, TrafficAssigner
from abkit.errors import ParameterError
from abkit.models import Experiment, Mean, Variant

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Store:
    """A store in memory that counts what is asked of it."""

    def __init__(self) -> None:
        self.running: dict[str, Experiment] = {}
        self.rows: dict[tuple[str, str], str] = {}
        self.asked = {"running": 0, "read": 0, "write": 0}
        self.lock = threading.Lock()

    def read_running(self, agent_id: str) -> Experiment | None:
        self.asked["running"] += 1
        return self.running.get(agent_id)

    def read(self, experiment_id: str, users: Sequence[str]) -> dict[str, str]:
        self.asked["read"] += 1
        return {user: self.rows[experiment_id, user] for user in users if (experiment_id, user) in self.rows}

    def write(self, experiment_id: str, variants: Mapping[str, str], at: datetime) -> dict[str, str]:
        assert at == NOW
        self.asked["write"] += 1
        with self.lock:
            return {user: self.rows.setdefault((experiment_id, user), name) for user, name in variants.items()}


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def experiment(first: float = 50, key: str = "demo") -> Experiment:
    return Experiment(
        key, [Variant("a", first, is_control=True), Variant("b", 100 - first)], Mean("x"), agent_id="bot", id=key
    )


@pytest.fixture
def store() -> Store:
    store = Store()
    store.running["bot"] = experiment()
    return store


def assigner(store: Store, timer: Clock | None = None, **options: float) -> TrafficAssigner:
    return TrafficAssigner(
        store.read_running, store.read, store.write, clock=lambda: NOW, timer=timer or Clock(), **options
    )


def test_a_user_gets_what_the_hash_says_and_the_store_remembers_it(store: Store) -> None:
    split = Split.of(experiment())
    one = assigner(store)
    for number in range(50):
        assert one.assign("bot", f"u{number}") == Assignment("demo", split.variant(f"u{number}"))
    assert len(store.rows) == 50


def test_a_second_request_asks_nobody(store: Store) -> None:
    one = assigner(store)
    first = one.assign("bot", "u1")
    asked = dict(store.asked)
    assert one.assign("bot", "u1") is first
    assert store.asked == asked


def test_a_stored_assignment_wins_over_the_hash_when_traffic_changes(store: Store) -> None:
    before = {f"u{n}": assigner(store).assign("bot", f"u{n}").variant for n in range(200)}
    store.running["bot"] = experiment(5)
    later = assigner(store)
    assert {user: later.assign("bot", user).variant for user in before} == before
    fresh = [later.assign("bot", f"new{n}").variant for n in range(400)]
    assert fresh.count("a") < 40


def test_nothing_runs_nothing_is_given(store: Store) -> None:
    one = assigner(store)
    assert one.assign("other", "u1") == Assignment(None, None)
    batch = one.assign_batch("other", ["u1", "u2"])
    assert (batch.experiment_id, list(batch.variant), len(batch)) == (None, [None, None], 2)
    assert store.rows == {}


def test_the_cache_lives_for_its_time(store: Store) -> None:
    timer = Clock()
    one = assigner(store, timer, time_to_live=5)
    assert one.assign("bot", "u1").variant
    del store.running["bot"]
    timer.seconds = 4.9
    assert one.assign("bot", "u1").variant
    timer.seconds = 5.0
    assert one.assign("bot", "u1").variant is None
    store.running["bot"] = experiment()
    assert one.assign("bot", "u1").variant is None
    timer.seconds = 10.0
    assert one.assign("bot", "u1").variant


def test_users_stay_known_when_the_experiment_is_read_again(store: Store) -> None:
    timer = Clock()
    one = assigner(store, timer, time_to_live=5)
    one.assign("bot", "u1")
    timer.seconds = 6.0
    one.assign("bot", "u1")
    assert store.asked == {"running": 2, "read": 1, "write": 1}


def test_invalidation_is_at_once(store: Store) -> None:
    one = assigner(store)
    one.assign("bot", "u1")
    store.running["bot"] = experiment(key="next")
    assert one.assign("bot", "u1").experiment_id == "demo"
    one.invalidate("bot")
    assert one.assign("bot", "u1").experiment_id == "next"


def test_what_was_read_before_an_invalidation_is_not_kept(store: Store) -> None:
    one = assigner(store)
    old = store.read_running

    def changed_meanwhile(agent_id: str) -> Experiment | None:
        found = old(agent_id)
        store.running.pop("bot", None)
        one.invalidate("bot")
        return found

    one._read_running = changed_meanwhile
    one.assign("bot", "u1")
    one._read_running = old
    assert one.assign("bot", "u2").variant is None


def test_memory_is_bounded(store: Store) -> None:
    one = assigner(store, remembered=10)
    for number in range(100):
        one.assign("bot", f"u{number}")
    assert len(one._agents["bot"].users) <= 10


def test_racing_first_requests_agree(store: Store) -> None:
    """Sixteen processes whose experiments differ, as in the moment of a traffic change."""
    barrier, seen = threading.Barrier(16), []

    def request(place: int) -> None:
        own = Store()
        own.running["bot"] = experiment(0.01 if place % 2 else 99.99)
        one = TrafficAssigner(own.read_running, store.read, store.write, clock=lambda: NOW)
        barrier.wait()
        seen.append(one.assign("bot", "u1").variant)

    threads = [threading.Thread(target=request, args=(place,)) for place in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1
    assert len(seen) == 16


USERS = [f"u{number}" for number in range(300)] + ["u3", "é", "007"]
FORMS = {
    "list": USERS,
    "generator": (user for user in USERS),
    "array": np.array(USERS),
    "series": pd.Series(USERS, index=range(len(USERS), 0, -1)),
    "pandas": pd.DataFrame({"user_id": USERS}),
    "polars": pl.DataFrame({"user_id": USERS}),
    "arrow": pa.table({"user_id": USERS}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_is_the_same_as_one_by_one(store: Store, form: str) -> None:
    store.rows["demo", "u5"] = {"a": "b", "b": "a"}[Split.of(experiment()).variant("u5")]
    batch = assigner(store).assign_batch("bot", FORMS[form])
    stored = dict(store.rows)
    one = assigner(store)
    assert list(batch.variant) == [one.assign("bot", user).variant for user in USERS]
    assert store.rows == stored


def test_a_batch_names_what_is_wrong_with_it(store: Store) -> None:
    with pytest.raises(ParameterError, match="did you mean 'user_id'"):
        assigner(store).assign_batch("bot", pd.DataFrame({"user_id": ["u1"]}), column="user")
    for bad in ([""], ["u1", None], [1.5], ["x" * 2000]):
        with pytest.raises(ParameterError):
            assigner(store).assign_batch("bot", bad)
    with pytest.raises(ParameterError):
        assigner(store).assign("bot", 1.5)  # type: ignore[arg-type]
    assert assigner(store).assign("bot", 7) == assigner(store).assign("bot", "7")  # type: ignore[arg-type]
