import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError

from abkit.errors import NotFoundError, ParameterError, StoreError
from abkit.models import Experiment, Mean, Variant
from abkit.store import idempotency
from abkit.store.agents import ensure_agent, read_agent, write_config
from abkit.store.assignments import add_assignments, count_assignments, read_variant, read_variants
from abkit.store.engine import open_engine, reading, with_retry, writing
from abkit.store.repository import compare_and_set, insert_experiment, list_experiments, read_experiment, read_running
from abkit.store.results import add_result, latest_result
from abkit.store.tables import agents, assignments
from abkit.store.text import unstorable
from tests.databases import Server

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def experiment(key: str = "demo", **changes: object) -> Experiment:
    variants = [Variant("a", 50, is_control=True), Variant("b", 50, config={"temperature": 0.1})]
    return Experiment(key, variants, Mean("score"), **changes)  # type: ignore[arg-type]


def keep(store: Engine, *drafts: Experiment, now: datetime = NOW) -> None:
    with writing(store) as connection:
        for draft in drafts:
            ensure_agent(connection, draft.organization_id, draft.agent_id, {}, now=now)
            insert_experiment(connection, draft, now=now)


def test_an_experiment_comes_back_as_it_was(store: Engine) -> None:
    draft = experiment(name="Größer ✓ \u202e", hypothesis='it\'s "quoted"; DROP TABLE experiments --')
    keep(store, draft)
    with reading(store) as connection:
        by_key = read_experiment(connection, "default", "demo")
        assert by_key == read_experiment(connection, "default", draft.id)
    assert by_key.experiment == draft
    assert (by_key.status, by_key.version, by_key.created_at) == ("draft", 1, NOW)
    assert by_key.created_at.tzinfo is UTC


def test_other_organizations_see_nothing(store: Engine) -> None:
    draft = experiment(organization_id="acme")
    keep(store, draft)
    with writing(store) as connection:
        for name in ("demo", draft.id):
            with pytest.raises(NotFoundError, match="no experiment"):
                read_experiment(connection, "umbrella", name)
        assert list_experiments(connection, "umbrella").items == ()
        assert read_running(connection, "umbrella", "default") is None
        assert not compare_and_set(connection, "umbrella", draft.id, 1, now=NOW, status="running")
        with pytest.raises(NotFoundError, match="no agent"):
            read_agent(connection, "umbrella", "default")


def test_the_id_wins_over_another_experiments_key(store: Engine) -> None:
    keep(store, experiment("demo"), experiment("other", id="demo"))
    with reading(store) as connection:
        assert read_experiment(connection, "default", "demo").key == "other"


def test_a_page_follows_the_other_without_gap_or_repetition(store: Engine) -> None:
    rng = random.Random(1)
    for place in range(23):
        now = NOW + timedelta(microseconds=rng.randrange(5))
        keep(store, experiment(f"e{place}", agent_id=f"agent-{place % 2}"), now=now)
    seen, cursor = [], None
    with reading(store) as connection:
        while True:
            page = list_experiments(connection, "default", limit=5, cursor=cursor)
            seen += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        odd = list_experiments(connection, "default", agent_id="agent-1", limit=500)
        assert list_experiments(connection, "default", status="running").items == ()
    assert len({stored.key for stored in seen}) == len(seen) == 23
    assert [one.created_at for one in seen] == sorted((one.created_at for one in seen), reverse=True)
    assert len(odd.items) == 11
    assert odd.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "WyJhIiwiYiJd", "WyJcdTAwMDAiLCJiIl0", "é", "[" * 5000])
def test_a_cursor_that_is_none_is_refused(store: Engine, cursor: str) -> None:
    with reading(store) as connection, pytest.raises(ParameterError, match="not a cursor"):
        list_experiments(connection, "default", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_size(store: Engine, limit: int) -> None:
    with reading(store) as connection, pytest.raises(ParameterError, match="1 to 500"):
        list_experiments(connection, "default", limit=limit)


def test_of_two_changes_made_on_one_version_one_is_done(store: Engine) -> None:
    draft = experiment()
    keep(store, draft)
    with writing(store) as connection:
        assert compare_and_set(connection, "default", draft.id, 1, now=NOW, winner="a")
        assert not compare_and_set(connection, "default", draft.id, 1, now=NOW, winner="b")
        assert read_experiment(connection, "default", "demo").winner == "a"


def test_agents_keep_what_they_have(store: Engine) -> None:
    with writing(store) as connection:
        assert ensure_agent(connection, "default", "writer", {"a": [1, None, "ü"]}, now=NOW)
        assert not ensure_agent(connection, "default", "writer", {}, now=NOW)
        agent = read_agent(connection, "default", "writer")
        assert (agent.config, agent.previous_config) == ({"a": [1, None, "ü"]}, None)
        assert write_config(connection, agent, {}, previous=agent.config, now=NOW)
        assert not write_config(connection, agent, {"late": 1}, previous=None, now=NOW)
        with pytest.raises(NotFoundError, match="did you mean 'writer'"):
            read_agent(connection, "default", "write")


def test_the_first_assignment_stays(store: Engine) -> None:
    users = {f"user-{place}": "ab"[place % 2] for place in range(45_000)}
    with writing(store) as connection:
        assert add_assignments(connection, "default", "e", {"user-0": "b", "it's": "a"}, now=NOW) == 2
        assert add_assignments(connection, "default", "e", users, now=NOW) == 44_999
        assert add_assignments(connection, "default", "e", users, now=NOW) == 0
        assert read_variant(connection, "default", "e", "user-0") == "b"
        assert read_variant(connection, "default", "f", "user-0") is None
        assert read_variants(connection, "default", "e", [*users, "nobody"]) == users | {"user-0": "b"}
        assert read_variants(connection, "other", "e", list(users)) == {}
        assert count_assignments(connection, "default", "e") == {"a": 22_500, "b": 22_501}


def test_a_prepared_statement_still_looks_users_up(postgresql_url: str, open_store: Callable[[str], Engine]) -> None:
    """PostgreSQL keeps one plan for all batches from the sixth on, and one of them took 5 s instead of 0.02 s."""
    store = open_store(postgresql_url)
    for batch in range(8):
        users = {f"user-{batch}-{place}": "a" for place in range(8_000)}
        with writing(store) as connection:
            connection.execute(text("SET LOCAL statement_timeout = '2s'"))
            add_assignments(connection, "default", "e", users, now=NOW)
            assert read_variants(connection, "default", "e", list(users)) == users


def test_results_come_back(store: Engine) -> None:
    draft = experiment()
    keep(store, draft)
    with writing(store) as connection:
        assert latest_result(connection, "default", draft.id) is None
        add_result(connection, "default", draft.id, "final", {"n": 1}, now=NOW)
        add_result(connection, "default", draft.id, "final", {"n": 0.1}, now=NOW + timedelta(seconds=1))
        kept = latest_result(connection, "default", draft.id)
    assert kept is not None
    assert (kept.analysis, kept.kind) == ({"n": 0.1}, "final")


def test_a_request_that_comes_twice_is_carried_out_once(store: Engine) -> None:
    with writing(store) as connection:
        assert idempotency.claim(connection, "acme", "k", "hash", now=NOW) is None
        assert idempotency.claim(connection, "umbrella", "k", "hash", now=NOW) is None
        running = idempotency.claim(connection, "acme", "k", "other", now=NOW)
        assert running is not None
        assert (running.request_hash, running.status) == ("hash", None)
        idempotency.finish(connection, "acme", "k", 201, {"id": 1})
        done = idempotency.claim(connection, "acme", "k", "hash", now=NOW)
        assert done is not None
        assert (done.status, done.body) == (201, {"id": 1})
        idempotency.release(connection, "umbrella", "k")
        assert idempotency.claim(connection, "umbrella", "k", "hash", now=NOW) is None
        assert idempotency.forget(connection, "acme", NOW + timedelta(days=1)) == 1
        assert idempotency.claim(connection, "acme", "k", "hash", now=NOW) is None


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 201])
def test_a_key_of_a_request_that_cannot_be_kept_is_refused(store: Engine, key: str) -> None:
    with writing(store) as connection, pytest.raises(ParameterError, match="Idempotency-Key"):
        idempotency.claim(connection, "acme", key, "hash", now=NOW)


def test_a_second_transaction_in_memory_says_what_it_waits_for(open_store: Callable[[str], Engine]) -> None:
    store = open_store("sqlite://")
    store.pool._timeout = 0.01  # type: ignore[attr-defined]

    def nested() -> None:
        with reading(store), reading(store):
            pass

    with pytest.raises(StoreError, match="every connection was in use"):
        nested()


def test_a_reader_sees_one_state_and_cannot_write(store: Engine) -> None:
    with reading(store) as connection:
        before = connection.execute(select(agents)).all()
        with writing(store) as writer:
            ensure_agent(writer, "default", "late", {}, now=NOW)
        assert connection.execute(select(agents)).all() == before


def test_a_transaction_that_fails_leaves_nothing(store: Engine) -> None:
    def fail() -> None:
        with writing(store) as connection:
            ensure_agent(connection, "default", "ghost", {}, now=NOW)
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    with reading(store) as connection:
        assert connection.execute(select(agents)).all() == []


def test_a_time_without_a_zone_is_refused(store: Engine) -> None:
    def write() -> None:
        with writing(store) as connection:
            ensure_agent(connection, "default", "writer", {}, now=datetime(2026, 1, 1))

    with pytest.raises(Exception, match="has no time zone"):
        write()


def test_what_no_database_can_keep_is_found() -> None:
    strange = {"a": ["\0", {"b": "\ud800"}], "c": float("nan"), "d": {1, 2}, "\0": 1}
    assert [problem.split(":")[0] for problem in unstorable(strange, "config")] == [
        "config.a.0",
        "config.a.1.b",
        "config.c",
        "config.d",
        "config",
    ]


WRITER = """
import sys
from datetime import UTC, datetime
from abkit.store.agents import read_agent, write_config
from abkit.store.engine import open_engine, writing
engine = open_engine(sys.argv[1])
for turn in range(int(sys.argv[2])):
    with writing(engine) as connection:
        agent = read_agent(connection, "default", "writer", for_update=True)
        count = agent.config.get("count", 0) + 1
        assert write_config(connection, agent, {"count": count}, previous=None, now=datetime.now(UTC))
"""


def count_in_processes(url: str, store: Engine, processes: int, turns: int) -> int:
    with writing(store) as connection:
        ensure_agent(connection, "default", "writer", {}, now=NOW)
    command = [sys.executable, "-c", WRITER, url, str(turns)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(processes)]
    for process in running:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
    with reading(store) as connection:
        return int(read_agent(connection, "default", "writer").config["count"])


def test_writers_in_several_processes_wait_for_each_other(store_url: str, store: Engine) -> None:
    assert count_in_processes(store_url, store, 3, 40) == 120


@pytest.mark.full
def test_six_writers_of_200_transactions_meet_no_lock_error(store_url: str, store: Engine) -> None:
    assert count_in_processes(store_url, store, 6, 200) == 1200


def test_loads_with_the_same_users_do_not_deadlock(store: Engine) -> None:
    users = [f"user-{place}" for place in range(3000)]
    failures: list[BaseException] = []

    def load(seed: int) -> None:
        mixed = random.Random(seed).sample(users, len(users))
        try:
            with writing(store) as connection:
                add_assignments(connection, "default", "e", dict.fromkeys(mixed, f"v{seed}"), now=NOW)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with reading(store) as connection:
        assert list(count_assignments(connection, "default", "e").values()) == [3000]


def test_only_what_passes_is_tried_again() -> None:
    waits: list[float] = []
    outcomes: list[Exception | int] = [
        OperationalError("", {}, sqlite3.OperationalError("database is locked")),
        OperationalError("", {}, sqlite3.OperationalError("database is locked")),
        7,
    ]

    def operation() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert with_retry(operation, jitter=lambda: 0.5, sleep=waits.append) == 7
    assert waits == [0.05, 0.1]
    outcomes[:] = [OperationalError("", {}, sqlite3.OperationalError("no such table: x")), 7]
    with pytest.raises(OperationalError, match="no such table"):
        with_retry(operation, sleep=waits.append)
    outcomes[:] = [OperationalError("", {}, sqlite3.OperationalError("database is locked"))] * 3
    with pytest.raises(OperationalError, match="locked"):
        with_retry(operation, attempts=3, sleep=waits.append)
    assert len(waits) == 4


def test_a_database_without_a_store_is_named(database_url: str) -> None:
    engine = open_engine(database_url)

    def read() -> None:
        with reading(engine) as connection:
            read_experiment(connection, "default", "demo")

    with pytest.raises(StoreError, match="has no store in it"):
        read()
    engine.dispose()


def test_a_full_disk_is_named_and_leaves_what_was_there(sqlite_url: str, open_store: Callable[[str], Engine]) -> None:
    store = open_store(sqlite_url)
    keep(store, experiment())

    def fill() -> None:
        with writing(store) as connection:
            pages = connection.scalar(text("PRAGMA page_count"))
            connection.execute(text(f"PRAGMA max_page_count = {pages + 3}"))
            add_assignments(connection, "default", "e", {f"user-{place}": "a" for place in range(5000)}, now=NOW)

    with pytest.raises(StoreError, match="the disk is full"):
        fill()
    with reading(store) as connection:
        assert connection.execute(select(assignments)).all() == []
        assert read_experiment(connection, "default", "demo").status == "draft"


def test_a_server_that_restarts_is_waited_for(
    postgresql: Server, postgresql_url: str, open_store: Callable[[str], Engine]
) -> None:
    store = open_store(postgresql_url)
    stop = threading.Event()
    done: list[str] = []

    def load() -> None:
        place = 0
        while not stop.is_set():
            place += 1
            name = f"agent-{place}"

            def once(name: str = name) -> None:
                with writing(store) as connection:
                    ensure_agent(connection, "default", name, {}, now=NOW)

            with_retry(once, attempts=12)
            done.append(name)

    worker = threading.Thread(target=load)
    worker.start()
    while len(done) < 20:
        time.sleep(0.01)
    postgresql.stop()
    postgresql.start()
    restarted = len(done)
    while len(done) < restarted + 20 and worker.is_alive():
        time.sleep(0.01)
    stop.set()
    worker.join()
    with reading(store) as connection:
        kept = set(connection.scalars(select(agents.c.id)))
    assert len(done) >= restarted + 20
    assert kept == set(done)
