"""Events are known again by their keys: in every form of the runs, next to other writers, and when keys collide."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from abkit.collectors import key_ledger
from abkit.collectors import observations as loading
from abkit.collectors.event_keys import EventKeys
from abkit.collectors.hashes import hash_payloads, hash_texts
from abkit.collectors.key_ledger import KeyLedger
from abkit.collectors.key_sieve import MOST_WORDS, Sieve, words_for
from abkit.collectors.observation_batch import Batch
from abkit.collectors.observation_columns import columns_of
from abkit.collectors.observation_rows import BadRowError, read_row
from abkit.store.observation_tables import key_pieces, key_runs
from tests.unit.collectors.test_observations import collector, count, keys, row, values

random = np.random.default_rng(11)


def some_keys(size: int) -> EventKeys:
    return EventKeys(*(random.integers(0, 2**64, size, dtype=np.uint64) for _ in range(2)))


@pytest.fixture
def small_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of seven rows, and runs in pieces from the first level on, merged eight at a time."""
    monkeypatch.setattr(loading, "_ROWS_IN_A_BATCH", 7)
    monkeypatch.setattr(key_ledger, "_FIRST_CUT", 0)
    monkeypatch.setattr(key_ledger, "_MOST_RUNS", 8)


def stored_runs(engine: Engine) -> list[tuple[int, int, int]]:
    with engine.connect() as connection:
        return [tuple(found) for found in connection.execute(select(key_runs.c.level, key_runs.c.run, key_runs.c.size))]


@pytest.mark.parametrize("size", [500, pytest.param(1200, marks=pytest.mark.full)])
@pytest.mark.parametrize("sifted", [True, False])
def test_merged_runs_hold_every_key(
    store: Engine, small_levels: None, monkeypatch: pytest.MonkeyPatch, sifted: bool, size: int
) -> None:
    if not sifted:
        monkeypatch.setattr(key_ledger, "_SIFTED_ANYWAY", -(1 << 40))
        monkeypatch.setattr(key_ledger, "_READ_FOR_EACH", 0)
    rows = [row(number) for number in range(size)]
    assert collector(store).record_many(rows, experiment_id="e1").added == size
    runs = stored_runs(store)
    assert sum(length for _, _, length in runs) == size
    assert max(Counter(level for level, _, _ in runs).values()) < 8
    assert max(level for level, _, _ in runs) == 2
    assert all(8**level <= length < 8 ** (level + 1) for level, _, length in runs)
    with store.connect() as connection:
        for found in connection.execute(select(key_pieces)):
            events = np.frombuffer(found.events, "<u8")
            assert (np.diff(events) >= 0).all()
            bits = 3 * found.level
            assert not bits or set(events >> np.uint64(64 - bits)) == {found.piece}
    again = collector(store).record_many(reversed(rows), experiment_id="e1")
    assert (again.added, again.repeated) == (0, size)
    changed = collector(store).record_many([{**one, "value": -1.0} for one in rows[::10]], experiment_id="e1")
    assert (changed.added, changed.quarantined) == (0, size // 10)
    assert count(store) == keys(store) == size


def test_pieces_without_keys_are_merged_too(store: Engine, small_levels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends events can choose ids whose hashes begin alike."""
    usual: Callable[..., EventKeys] = EventKeys.of

    def alike(rows: object) -> EventKeys:
        found = usual(rows)
        return EventKeys(found.events >> np.uint64(3), found.marks)

    monkeypatch.setattr(EventKeys, "of", staticmethod(alike))
    monkeypatch.setattr(key_ledger, "_ROWS_AT_ONCE", 1)
    rows = [row(number) for number in range(600)]
    assert collector(store).record_many(rows, experiment_id="e1").added == 600
    assert collector(store).record_many(rows, experiment_id="e1").repeated == 600
    assert count(store) == keys(store) == 600


def test_where_the_sieve_is_full_runs_are_merged_earlier(
    store: Engine, small_levels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ledger, "_MOST_RUNS", 64)
    monkeypatch.setattr(key_ledger, "_SIFTED_WELL", 7 * 40)
    rows = [row(number) for number in range(7 * 100)]
    assert collector(store).record_many(rows, experiment_id="e1").added == 700
    runs = stored_runs(store)
    assert [length for level, _, length in runs if level == 2] == [7 * 41]
    assert max(Counter(level for level, _, _ in runs).values()) < 8
    assert all(8**level <= length < 8 ** (level + 1) for level, _, length in runs)
    assert collector(store).record_many(rows, experiment_id="e1").repeated == 700
    assert count(store) == keys(store) == 700


@pytest.mark.parametrize("rows_at_once", [1, 256])
def test_sixty_four_runs_are_merged_at_once(
    store: Engine, small_levels: None, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(key_ledger, "_MOST_RUNS", 64)
    monkeypatch.setattr(key_ledger, "_ROWS_AT_ONCE", rows_at_once)
    rows = [row(number) for number in range(500)]
    assert collector(store).record_many(rows, experiment_id="e1").added == 500
    assert sorted(Counter(level for level, _, _ in stored_runs(store)).items()) == [(0, 8), (2, 1)]
    again = collector(store).record_many([*reversed(rows), row(500)], experiment_id="e1")
    assert (again.added, again.repeated) == (1, 500)
    assert count(store) == keys(store) == 501


def test_what_another_process_stored_is_known(store: Engine, small_levels: None) -> None:
    one, other = collector(store), collector(store)
    for start in range(0, 600, 100):
        part = [row(number) for number in range(start, start + 100)]
        assert one.record_many(part, experiment_id="e1").added == 100
        assert other.record_many(part, experiment_id="e1").repeated == 100
        one, other = other, one
    assert values(store) == [number / 4 for number in range(600)]


@pytest.mark.parametrize("bits", [0, 2])
def test_events_whose_keys_agree_in_half_are_different_events(
    store: Engine, monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    usual: Callable[..., EventKeys] = EventKeys.of

    def colliding(rows: object) -> EventKeys:
        found = usual(rows)
        return EventKeys((found.events & np.uint64((1 << bits) - 1)) << np.uint64(62), found.marks)

    monkeypatch.setattr(EventKeys, "of", staticmethod(colliding))
    one = collector(store)
    rows = [row(number) for number in range(300)]
    assert one.record_many([*rows, *rows], experiment_id="e1").added == 300
    got = collector(store).record_many([*rows[::3], {**rows[5], "value": 99.0}, row(999)], experiment_id="e1")
    assert (got.added, got.repeated, got.quarantined) == (1, 100, 1)
    assert count(store) == 301


def test_what_a_collector_left_itself_is_not_read_again(
    store: Engine, small_levels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    usual = key_ledger.read_runs
    monkeypatch.setattr(key_ledger, "read_runs", lambda *given: [asked.append(given), usual(*given)][1])
    one, other = collector(store), collector(store)
    one.record_many([row(number) for number in range(700)], experiment_id="e1")
    assert not asked
    assert sorted(one._store._ledger._left.popitem()[1][1]) == sorted(stored_runs(store))
    other.record_many([row(number) for number in range(700, 707)], experiment_id="e1")
    one.record_many([row(number) for number in range(707, 770)], experiment_id="e1")
    assert len(asked) == 2
    assert count(store) == keys(store) == 770


def test_many_experiments_share_the_memory_of_sieves(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ledger, "MOST_WORDS", 3 << 12)
    one = collector(store)
    for attempt in range(2):
        for number in range(6):
            got = one.record_many([row(n) for n in range(50)], experiment_id=f"e{number}")
            assert (got.added, got.repeated) == ((50, 0), (0, 50))[attempt]
    assert len(one._store._ledger._sieves) == 3


def test_experiments_that_are_loaded_at_once_take_turns_with_the_sieves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ledger, "MOST_WORDS", 3 << 12)
    ledger = KeyLedger(key_runs, key_pieces)

    def sieve(stream: int) -> None:
        ledger._sieve(None, stream, 1, [], 50)

    for stream in range(3):
        sieve(stream)
    others: list[threading.Thread] = []
    usual = Sieve.__len__

    def interrupted(one: Sieve) -> int:
        if not others:
            others.append(threading.Thread(target=sieve, args=(8,)))
            others[0].start()
            others[0].join(0.2)
        return usual(one)

    monkeypatch.setattr(Sieve, "__len__", interrupted)
    sieve(7)
    others[0].join()
    assert len(ledger._sieves) == 3
    assert {7, 8} < set(ledger._sieves)


def test_a_sieve_lets_every_key_pass_that_is_in_and_few_others() -> None:
    size = 50_000
    inside, outside = some_keys(size).events, some_keys(size).events
    sieve = Sieve(words_for(size))
    for part in np.array_split(inside, 7):
        sieve.add(np.sort(part))
    assert sieve.may_hold(inside).all()
    assert sieve.may_hold(outside).mean() < 0.00005  # each one costs a batch a look at thousands of stored keys
    assert sieve.has_room(size)
    assert not sieve.has_room(10 * size)
    assert words_for(10**12) == MOST_WORDS


def test_matching_finds_what_is_there() -> None:
    stored = EventKeys.joined([some_keys(size) for size in (40, 0, 300)]).in_order()
    wanted = EventKeys.joined([some_keys(50), stored.taken(slice(10, 200, 7))])
    places, there = stored.match(wanted)
    np.testing.assert_array_equal(stored.events[there], wanted.events[places])
    assert len(places) == len(range(10, 200, 7))
    assert (np.diff(stored.events.astype(object)) >= 0).all()
    pieces = zip(*(part.to_pylist() for part in stored.written(np.array([0, 3, 100]))), strict=True)
    back = [EventKeys.read(*piece) for piece in pieces]
    assert [len(piece) for piece in back] == [3, 97, len(stored) - 100]
    for name in ("events", "marks"):
        np.testing.assert_array_equal(np.concatenate([getattr(piece, name) for piece in back]), getattr(stored, name))


def test_keys_that_differ_in_their_last_bits_are_merged_in_order() -> None:
    events = np.uint64(7 << 40) + random.permutation(5000).astype(np.uint64)
    found = EventKeys(events, events).in_order()
    np.testing.assert_array_equal(found.events, np.sort(events))
    np.testing.assert_array_equal(found.marks, found.events)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30), st.integers(1, 2**60))
def test_the_first_of_each_event_stands_for_it(pairs: list[tuple[int, int]], scale: int) -> None:
    events, checks = np.array(pairs, np.uint64).reshape(-1, 2).T
    payloads = np.arange(len(pairs), dtype=np.uint64)
    keys = EventKeys(events * np.uint64(scale), checks << np.uint64(32) | payloads)
    found = keys.distinct()
    assert [pairs[place] for place in found.first] == sorted(set(pairs))
    assert [pairs.index(pair) for pair in pairs] == found.first[found.group].tolist()
    np.testing.assert_array_equal(found.events.marks, keys.marks[found.first])
    np.testing.assert_array_equal(found.marks, keys.marks)


def test_keys_come_from_the_id_or_from_what_was_observed() -> None:
    rows = [row(1), row(2, event_id=None), row(1, value=7.0)]
    columns = Batch.of([(line, read_row(one, "e1")) for line, one in enumerate(rows)]).columns
    found = EventKeys.of(columns)
    named, nameless = hash_texts(pa.array(["event-1"]), (1, 2)), hash_payloads(columns[1:2], (3, 4))
    for place, (event, check) in enumerate([named, nameless, named]):
        assert found.events[place] == event
        assert found.checks[place] == check >> np.uint64(32)
    payloads = hash_payloads(columns, (5,))[0] >> np.uint64(32)
    np.testing.assert_array_equal(found.marks & np.uint64(2**32 - 1), payloads)
    assert len(set(payloads.tolist())) == 3


texts = st.sampled_from(["u1", "é", "", "7", "a\0", "x" * 201, None, 7, True, 1.5])
BERLIN = ZoneInfo("Europe/Berlin")
times = st.sampled_from(
    ["2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00+02:00", None, "x", 5]
    + [datetime(2026, 10, 25, 2, 30, 0, 999_999, BERLIN, fold=fold) for fold in (0, 1)]
    + [datetime(2026, 11, 21, 10, tzinfo=UTC), datetime(2026, 11, 21, 10), datetime(1969, 12, 31, tzinfo=UTC)]
    + [pd.Timestamp("2026-11-21T10:00:00.123456789Z")]
)
odd_rows = st.fixed_dictionaries(
    {
        "user_id": texts,
        "metric_type": texts,
        "value": st.sampled_from([1.5, 2, "3", "x", "1_0", None, float("nan"), True, "1e3", 1e150, 1.1e150, "-2e150"]),
    },
    optional={
        "observed_at": times,
        "event_id": texts,
        "variant_id": texts,
        "experiment_id": st.sampled_from(["e1", "e2", "", None]),
    },
)


def one_by_one(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    for one in rows:
        found = read_row(one, "e0")
        yield Batch.of([(1, found)]).row(0)


@given(st.lists(odd_rows, min_size=1, max_size=3))
@example([{"user_id": "u1", "metric_type": "u1", "value": 1.5, "observed_at": 5}])
def test_columns_hold_what_rows_hold(rows: list[dict[str, object]]) -> None:
    found = columns_of(rows, "e0")
    if found is not None:
        named, columns = found
        assert [{"experiment_id": named, **one} for one in columns.to_pylist()] == list(one_by_one(rows))


FRAMES = {
    "text": pa.array(["u1", "u2"]),
    "dictionary": pa.array(["u1", "u2"]).dictionary_encode(),
    "numbers": pa.array([1, 2]),
    "fractions": pa.array([1.5, 2.5]),
    "truth": pa.array([True, False]),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_of_a_frame_hold_what_its_rows_hold(kind: str) -> None:
    frame = pa.table({"user_id": FRAMES[kind], "metric_type": ["m", "m"], "value": [1, 2], "event_id": [1, 2]})
    found = columns_of(frame.to_batches()[0], "e0")
    if kind in {"fractions", "truth"}:
        assert found is None
        with pytest.raises(BadRowError, match="user_id: expected text"):
            list(one_by_one(frame.to_pylist()))
    else:
        assert found is not None
        assert [{"experiment_id": "e0", **one} for one in found[1].to_pylist()] == list(one_by_one(frame.to_pylist()))
