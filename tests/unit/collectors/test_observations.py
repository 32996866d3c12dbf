import gzip
import json
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sqlalchemy import Connection, Engine, func, select

from abkit.assignment import Split
from abkit.collectors import Source, collect
from abkit.collectors import observations as loading
from abkit.collectors.copy_rows import copied_rows
from abkit.collectors.observation_load import Load
from abkit.collectors.observation_rows import BadRowError, read_row
from abkit.collectors.observation_writes import ObservationTables
from abkit.collectors.observations import MetricsCollector
from abkit.collectors.observed import observed_source
from abkit.collectors.recorded import RejectFile
from abkit.errors import DataError, DefinitionError, NotFoundError, ParameterError, StoreError
from abkit.models import Data, Experiment, Mean, Proportion, Quantile, Ratio, Variant
from abkit.snapshot import MetricMoments, NotCollected
from abkit.stats import delta_method
from abkit.store.assignments import add_assignments, read_variants
from abkit.store.engine import reading, with_retry, writing
from abkit.store.observation_tables import key_pieces, key_runs, observations, quarantine, streams
from abkit.store.tables import assignments

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TABLES = ObservationTables(streams, observations, key_runs, key_pieces, quarantine)
AT = "2026-11-21T10:00:00Z"


def experiment(*metrics: object, **options: object) -> Experiment:
    return Experiment(
        "demo",
        [Variant("a", 50, is_control=True), Variant("b", 50)],
        metrics[0] if metrics else Mean("cost"),
        secondary_metrics=list(metrics[1:]),
        id="e1",
        **options,
    )


def assigning(running: bool = True, organization_id: str = "default") -> Callable[..., Mapping[str, str]]:
    """Assigns as the controller does: stored variants win, new ones follow the hash while the experiment runs."""

    def assign(connection: Connection, experiment_id: str, users: Sequence[str]) -> Mapping[str, str]:
        if not experiment_id.startswith("e"):
            raise NotFoundError(f"no experiment {experiment_id!r}")
        found = read_variants(connection, organization_id, experiment_id, users)
        new = [user for user in users if user not in found]
        if new and running:
            chosen = Split.between(experiment_id, experiment().variants).by_user(new)
            add_assignments(connection, organization_id, experiment_id, chosen, now=NOW - timedelta(days=3))
            found |= read_variants(connection, organization_id, experiment_id, new)
        return found

    return assign


def collector(engine: Engine, organization_id: str = "default", **options: object) -> MetricsCollector:
    running = bool(options.pop("running", True))
    return MetricsCollector(
        organization_id,
        TABLES,
        writing=lambda: writing(engine),
        reading=lambda: reading(engine),
        assign=assigning(running, organization_id),
        clock=lambda: NOW,
        **options,
    )


def row(number: int, **changes: object) -> dict[str, object]:
    usual = {"user_id": f"u{number % 40}", "metric_type": "cost", "value": number / 4, "observed_at": AT}
    return {**usual, "event_id": f"event-{number}", **changes}


def count(engine: Engine, table: object = observations) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def keys(engine: Engine) -> int:
    with engine.connect() as connection:
        return sum(len(events) // 8 for events in connection.scalars(select(key_pieces.c.events)))


def values(engine: Engine) -> list[float]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(observations.c.value)))


@contextmanager
def closing(one: MetricsCollector) -> AbstractContextManager[MetricsCollector]:
    yield one
    one.close()


def test_what_is_recorded_is_stored_once(store: Engine) -> None:
    one = collector(store)
    rows = [row(number) for number in range(500)]
    first = one.record_many(rows, experiment_id="e1")
    assert (first.rows, first.added, first.repeated, first.rejected) == (500, 500, 0, 0)
    again = one.record_many(rows, experiment_id="e1")
    assert (again.added, again.repeated) == (0, 500)
    more = one.record_many([row(number) for number in range(400, 600)], experiment_id="e1")
    assert (more.added, more.repeated) == (100, 100)
    assert values(store) == [number / 4 for number in range(600)]
    assert count(store, streams) == 1


def test_without_an_event_id_everything_else_stands_for_it(store: Engine) -> None:
    one = collector(store)
    rows = [row(number, event_id=None) for number in range(100)]
    assert one.record_many(rows, experiment_id="e1").added == 100
    assert one.record_many(rows, experiment_id="e1").repeated == 100
    for change in ({"user_id": "other"}, {"metric_type": "other"}, {"value": 0.125}, {"observed_at": "2026-11-20"}):
        assert one.record_many([{**rows[1], **change}], experiment_id="e1").added == 1
    same = {**rows[1], "observed_at": "2026-11-21T11:00:00+01:00", "value": str(rows[1]["value"])}
    assert one.record_many([same], experiment_id="e1").repeated == 1


def test_parts_of_a_payload_do_not_run_into_each_other(store: Engine) -> None:
    rows = [row(1, event_id=None, user_id=u, metric_type=m) for u, m in (("ab", "c"), ("a", "bc"), ("1", "1a"))]
    rows.append(row(1, event_id=None, user_id="11", metric_type="a"))
    assert collector(store).record_many(rows, experiment_id="e1").added == 4


def test_a_repeated_id_with_another_payload_is_put_aside_and_counted(store: Engine) -> None:
    one = collector(store)
    one.record_many([row(1)], experiment_id="e1")
    changed = [row(1, value=9.0), row(1, user_id="u2"), row(1, observed_at="2026-11-20"), row(1), row(2)]
    got = one.record_many(changed, experiment_id="e1")
    assert (got.added, got.repeated, got.quarantined) == (1, 1, 3)
    assert values(store) == [0.25, 0.5]
    with store.connect() as connection:
        kept = connection.scalars(select(quarantine.c.observation)).all()
    assert sorted(entry["value"] for entry in kept) == [0.25, 0.25, 9.0]
    assert {entry["event_id"] for entry in kept} == {"event-1"}
    assert one.record_many(changed, experiment_id="e1").quarantined == 3
    assert count(store, quarantine) == 3


def test_within_one_batch_too(store: Engine) -> None:
    rows = [row(1), row(1), row(1, value=7.0), row(2), row(1)]
    got = collector(store).record_many(rows, experiment_id="e1")
    assert (got.added, got.repeated, got.quarantined) == (2, 2, 1)


def test_an_event_id_belongs_to_one_experiment_of_one_organization(store: Engine) -> None:
    one = collector(store)
    rows = [row(1, experiment_id="e1"), row(1, experiment_id="e2")]
    assert one.record_many(rows).added == 2
    other = collector(store, "another")
    assert other.record_many(rows).added == 2
    assert other.daily_metrics("e1")[0].n == 1
    assert collector(store, "third").daily_metrics("e1") == []
    with store.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(assignments)) == 4


def test_a_user_without_a_variant_is_assigned_by_the_hash(store: Engine) -> None:
    collector(store).record_many([row(number) for number in range(80)], experiment_id="e1")
    split = Split.of(experiment())
    with store.connect() as connection:
        given = {row.user_id: row.variant for row in connection.execute(select(assignments))}
        seen = {(row.user_id, row.variant) for row in connection.execute(select(observations))}
    assert given == {f"u{n}": split.variant(f"u{n}") for n in range(40)}
    assert seen == set(given.items())


def test_a_stored_variant_wins_and_another_one_is_refused(store: Engine) -> None:
    own = Split.of(experiment()).variant("u1")
    other = {"a": "b", "b": "a"}[own]
    with writing(store) as connection:
        add_assignments(connection, "default", "e1", {"u1": other}, now=NOW)
    rows = [row(1, variant_id=other), row(2), row(41, variant_id=own), row(81, variant_id=own)]
    got = collector(store).record_many(rows, experiment_id="e1")
    assert (got.rows, got.added, got.rejected) == (4, 2, 2)
    assert got.reasons == {"variant_id": 2}
    assert got.examples[0] == f"line 3: variant_id: the user has the variant {other!r}, not {own!r}"


def test_an_experiment_that_does_not_run_takes_only_users_it_knows(store: Engine) -> None:
    collector(store).record_many([row(1)], experiment_id="e1")
    got = collector(store, running=False).record_many([row(41), row(2)], experiment_id="e1")
    assert (got.added, got.rejected) == (1, 1)
    assert "not running" in got.examples[0]
    with pytest.raises(NotFoundError, match="no experiment 'zzz'"):
        collector(store).record_many([row(1)], experiment_id="zzz")


BAD = {
    "no user": ({"user_id": None}, "user_id: is missing"),
    "empty user": ({"user_id": ""}, "user_id: is missing"),
    "user is a float": ({"user_id": 1.5}, "user_id: expected text"),
    "long user": ({"user_id": "x" * 1025}, "user_id: 1,025 bytes"),
    "NUL": ({"user_id": "a\0b"}, "user_id: holds a NUL"),
    "half a character": ({"metric_type": "a\ud800"}, "metric_type: holds half"),
    "no metric": ({"metric_type": None}, "metric_type: is missing"),
    "text": ({"value": "much"}, "value: 'much' is not a number"),
    "nan": ({"value": float("nan")}, "value: nan is not a finite"),
    "nan as text": ({"value": "nan"}, "value: nan is not a finite number"),
    "infinite": ({"value": float("inf")}, "value: inf is not a finite"),
    "huge": ({"value": "1e999"}, "value: inf is not"),
    "a list": ({"value": [1]}, "value: expected a number"),
    "underscore": ({"value": "1_0"}, "value: '1_0' is not"),
    "no time": ({"observed_at": "soon"}, "observed_at: 'soon' is not an ISO"),
    "the year 1": ({"observed_at": "0001-01-01"}, "observed_at: 0001"),
    "a number as time": ({"observed_at": 12}, "observed_at: expected a time"),
    "neither time nor id": ({"observed_at": None, "event_id": None}, "event_id and observed_at: both are missing"),
    "unknown field": ({"colour": "red"}, "unknown field 'colour'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_rejected_and_the_others_are_not(store: Engine, tmp_path: Path, case: str) -> None:
    changes, said = BAD[case]
    rejects = tmp_path / "rejects.jsonl"
    rows = [row(1), row(2, **changes), row(3)]
    got = collector(store).record_many(rows, experiment_id="e1", reject_file=rejects)
    assert (got.rows, got.added, got.rejected) == (3, 2, 1)
    (line,) = rejects.read_text(encoding="utf-8").splitlines()
    written = json.loads(line)
    assert written["line"] == 2
    assert said in written["reason"]
    assert said in got.examples[0]


def test_rows_that_are_no_objects(store: Engine) -> None:
    got = collector(store).record_many([[1], None, row(1)], experiment_id="e1")
    assert (got.added, got.rejected) == (1, 2)
    assert collector(store).record_many([row(1)]).reasons == {"experiment_id": 1}
    for no_rows in ({"user_id": "u"}, 7):
        with pytest.raises(DataError, match="expected a file, a frame or rows"):
            collector(store).record_many(no_rows)


def test_too_many_bad_rows_end_the_load(store: Engine, tmp_path: Path) -> None:
    rows = [row(number, value="x" if number % 10 == 0 else 1.0) for number in range(100)]
    assert collector(store).record_many(rows, experiment_id="e1", max_errors=10).rejected == 10
    with pytest.raises(DataError, match=r"10 rows cannot be observations, more than the 9 allowed[\s\S]*line 1: value"):
        collector(store).record_many(rows, experiment_id="e1", max_errors=9, reject_file=tmp_path / "r")
    assert len((tmp_path / "r").read_text().splitlines()) == 10


def test_new_events_of_this_moment(store: Engine) -> None:
    rows = [row(1, event_id=None, observed_at=None)] * 3
    assert collector(store).record_many(rows, experiment_id="e1").rejected == 3
    assert collector(store).record_many(rows, experiment_id="e1", as_new=True).added == 3


FRAMES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": lambda rows: pa.Table.from_pylist(rows),
    "generator": iter,
    "times": lambda rows: pd.DataFrame(rows).assign(observed_at=lambda f: pd.to_datetime(f["observed_at"])),
    "naive times": lambda rows: [{**r, "observed_at": datetime(2026, 11, 21, 10)} for r in rows],
}


@pytest.mark.parametrize("form", FRAMES)
def test_rows_in_every_form_are_the_same_rows(store: Engine, form: str) -> None:
    rows = [row(number) for number in range(300)]
    one = collector(store)
    assert one.record_many(FRAMES[form](rows), experiment_id="e1").added == 300
    assert one.record_many(rows, experiment_id="e1").repeated == 300


def written(folder: Path, kind: str, rows: list[dict[str, object]]) -> Path:
    path = folder / f"rows.{kind}"
    lines = pd.DataFrame(rows).to_csv(index=False) if "csv" in kind else "".join(json.dumps(r) + "\n" for r in rows)
    path.write_bytes(gzip.compress(lines.encode()) if kind.endswith("gz") else lines.encode())
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "ndjson.gz"])
def test_files(store: Engine, tmp_path: Path, kind: str) -> None:
    rows = [row(number, user_id=["é", "007", 'a "b", c', "7"][number % 4]) for number in range(300)]
    one = collector(store)
    assert one.record_many(written(tmp_path, kind, rows), experiment_id="e1").added == 300
    assert one.record_many(rows, experiment_id="e1").repeated == 300


def test_lines_of_files_are_counted_as_an_editor_does(store: Engine, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        'user_id,metric_type,value,event_id\nu1,cost,1,1\n"u\n2",cost,2,2\nu3,cost,x,3\nu4,cost\n\nu5,cost,5,5\n'
    )
    got = collector(store).record_many(path, experiment_id="e1")
    assert (got.added, got.rejected) == (3, 2)
    assert [example.split(":")[0] for example in got.examples] == ["line 5", "line 6"]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"user_id": "u1"\n\n[1]\n{"user_id":"u\xff","metric_type":"cost","value":1,"event_id":"9"}\n')
    got = collector(store).record_many(path, experiment_id="e1")
    assert [example.split(":")[0] for example in got.examples] == ["line 1", "line 3", "line 4"]


def test_files_that_are_none(store: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot open"):
        collector(store).record_many(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="not even a header"):
        collector(store).record_many(tmp_path / "empty.csv")
    with pytest.raises(DataError, match="a name that ends in"):
        collector(store).record_many(tmp_path / "rows.xlsx")


def test_single_observations_are_stored_together(store: Engine) -> None:
    one = collector(store, flush_rows=10, flush_seconds=60)
    for number in range(25):
        one.record("e1", f"u{number}", "cost", number)
    assert count(store) == 20
    one.record("e1", "u1", "cost", 1.0, event_id="same")
    one.record("e1", "u1", "cost", 1.0, event_id="same")
    one.close()
    assert (one.recorded.rows, one.recorded.added, one.recorded.repeated) == (27, 26, 1)
    assert count(store) == 26


def test_time_flushes_too(store: Engine) -> None:
    with closing(collector(store, flush_rows=1000, flush_seconds=0.05)) as one:
        one.record("e1", "u1", "cost", 1.0)
        deadline = time.monotonic() + 10
        while not count(store) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert count(store) == 1


def test_a_single_bad_observation_is_told_at_once(store: Engine) -> None:
    with closing(collector(store)) as one:
        for bad in ({"user_id": ""}, {"value": float("nan")}, {"metric_type": "x" * 201}):
            with pytest.raises(ParameterError, match="cannot record this observation"):
                one.record("e1", **{"user_id": "u1", "metric_type": "cost", "value": 1.0, **bad})
        one.record("e1", "u1", "cost", 1.0, variant_id="no such variant")
        one.record("zzz", "u1", "cost", 1.0)
        assert one.flush().reasons == {"variant_id": 1, "experiment_id": 1}
    assert count(store) == 0


def test_exit_flushes(tmp_path: Path, root: Path, sqlite_url: str, open_store: Callable[[str], Engine]) -> None:
    engine = open_store(sqlite_url)
    code = f"""
        from tests.unit.collectors.test_observations import collector
        from abkit.store.engine import open_engine
        collector(open_engine({sqlite_url!r}), flush_seconds=60).record("e1", "u1", "cost", 1.0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=root, timeout=60)
    assert count(engine) == 1


def test_what_the_store_does_not_take_stays_in_memory(store: Engine) -> None:
    one, broken = collector(store, flush_rows=5, flush_seconds=60), True
    usual = one._store._writing

    @contextmanager
    def failing() -> AbstractContextManager[Connection]:
        if broken:
            raise StoreError("away")
        with usual() as connection:
            yield connection

    one._store._writing = failing
    for number in range(4):
        one.record("e1", f"u{number}", "cost", 1.0)
    with pytest.raises(StoreError):
        one.record("e1", "u4", "cost", 1.0)
    broken = False
    assert one.flush().added == 5
    one.close()
    assert count(store) == 5


def test_two_loads_of_the_same_rows_at_once_add_them_once(store: Engine) -> None:
    rows = [row(number) for number in range(3000)]
    done = []

    def load() -> None:
        shuffled = random.Random(len(done)).sample(rows, len(rows))
        done.append(collector(store, attempt=with_retry).record_many(shuffled, experiment_id="e1"))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4
    assert sum(one.added for one in done) == 3000
    assert sum(one.repeated for one in done) == 9000
    assert count(store) == 3000


LOADER = """
    import sys
    from tests.unit.collectors import test_observations as t
    from abkit.collectors import observations as o
    from abkit.store.engine import open_engine
    o._ROWS_IN_A_BATCH = 500
    print("ready", flush=True)
    t.collector(open_engine(sys.argv[1])).record_many((t.row(n) for n in range(20_000)), experiment_id="e1")
"""


def kill_while_loading(url: str, engine: Engine, root: Path, moments: Sequence[float]) -> None:
    sizes = []
    for moment in moments:
        loader = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(LOADER), url], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert loader.stdout is not None
        assert loader.stdout.readline() == "ready\n"
        time.sleep(moment)
        os.kill(loader.pid, signal.SIGKILL)
        loader.wait()
        loader.stdout.close()
        sizes.append(count(engine))
        assert sizes[-1] % 500 == 0
        assert keys(engine) == sizes[-1]
    assert sizes == sorted(sizes)
    got = collector(engine).record_many((row(number) for number in range(20_000)), experiment_id="e1")
    assert got.added + got.repeated == 20_000
    assert got.repeated == sizes[-1]
    assert values(engine) == [number / 4 for number in range(20_000)]


def test_killed_while_loading_whole_batches_are_left(store_url: str, store: Engine, root: Path) -> None:
    kill_while_loading(store_url, store, root, [0.3])


@pytest.mark.full
def test_killed_at_twenty_moments(store_url: str, store: Engine, root: Path) -> None:
    kill_while_loading(store_url, store, root, np.random.default_rng(7).uniform(0, 0.6, 20).tolist())


def test_the_server_restarts_in_the_middle_of_a_load(postgresql, postgresql_url, open_store) -> None:  # type: ignore[no-untyped-def]
    engine = open_store(postgresql_url)

    def rows():  # type: ignore[no-untyped-def]
        for number in range(60_000):
            if number in (15_000, 45_000):
                postgresql.stop()
                postgresql.start()
            yield row(number)

    got = collector(engine, attempt=with_retry).record_many(rows(), experiment_id="e1")
    assert got.added + got.repeated == 60_000
    assert count(engine) == 60_000


def test_a_full_disk_stores_nothing_of_the_batch_and_says_so(sqlite_url: str, open_store) -> None:  # type: ignore[no-untyped-def]
    engine = open_store(sqlite_url)
    one = collector(engine)
    one.record_many([row(number) for number in range(1000)], experiment_id="e1")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(StoreError, match="disk is full"):
        one.record_many([row(number) for number in range(20_000)], experiment_id="e1")
    assert count(engine) == 1000
    assert keys(engine) == 1000
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert one.record_many([row(number) for number in range(20_000)], experiment_id="e1").added == 19_000


HOSTILE = [
    "'; DROP TABLE observations; --",
    'x" y',
    "../..",
    "a\u202eb",
    "\\.",
    "\\N",
    "a\nb",
    "a,b",
    "$1",
    "%s",
    "é" * 90,
]


def test_a_load_that_stores_while_it_reads_is_the_same_load(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_ROWS_IN_A_BATCH", 100)
    one = collector(store, overlaps=True)
    rows = [row(number, value="x" if number == 777 else number) for number in range(1050)]
    got = one.record_many(iter(rows), experiment_id="e1")
    assert (got.rows, got.added, got.rejected) == (1050, 1049, 1)
    with pytest.raises(DataError, match=r"more than the 0 allowed; 0 observations before them are stored"):
        one.record_many(rows, experiment_id="e1", max_errors=0)
    with pytest.raises(NotFoundError, match="no experiment"):
        one.record_many(rows, experiment_id="zzz")
    assert one.record_many(rows, experiment_id="e1").repeated == 1049


def test_copied_rows_are_what_a_row_at_a_time_would_be() -> None:
    size = 25_000
    texts = pa.chunked_array([pa.array([f"é{n}\\N," * (n % 3) for n in part]) for part in (range(9), range(9, size))])
    numbers = pa.chunked_array([np.arange(-5, size - 5)])
    head, *parts, end = copied_rows({"n": numbers, "t": texts, "u": texts, "x": numbers.cast(pa.float64())})
    assert (bytes(head)[:11], bytes(head)[11:], bytes(end)) == (b"PGCOPY\n\xff\r\n\0", bytes(8), b"\xff\xff")
    expected = bytearray()
    for number, text in zip(numbers.to_pylist(), texts.to_pylist(), strict=True):
        long = struct.pack("!i", len(text.encode())) + text.encode()
        expected += struct.pack("!hiq", 4, 8, number) + long + long + struct.pack("!id", 8, number)
    assert b"".join(map(bytes, parts)) == expected


def test_hostile_text_is_text(store: Engine) -> None:
    rows = [row(n, user_id=text, metric_type=text, event_id=text, value=n) for n, text in enumerate(HOSTILE)]
    one = collector(store)
    assert one.record_many(rows, experiment_id="e';--").added == len(HOSTILE)
    assert one.record_many(rows, experiment_id="e';--").repeated == len(HOSTILE)
    assert {found.metric_type for found in one.daily_metrics("e';--")} == set(HOSTILE)
    with store.connect() as connection:
        assert set(connection.scalars(select(observations.c.user_id))) == set(HOSTILE)


def test_daily_and_cumulative_metrics(store: Engine) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in rng.integers(0, 50, 800)],
            "metric_type": rng.choice(["cost", "score"], 800),
            "value": 1e8 + rng.normal(0, 1, 800),
            "observed_at": pd.Timestamp("2026-11-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 5 * 86_400, 800), "s"),
        }
    )
    one = collector(store)
    assert one.record_many(frame, experiment_id="e1").added == 800
    frame["variant"] = [Split.of(experiment()).variant(user) for user in frame["user_id"]]
    frame["day"] = frame["observed_at"].dt.strftime("%Y-%m-%d")
    expected = frame.groupby(["day", "metric_type", "variant"])["value"].agg(["count", "sum", "mean", "var", "std"])
    daily = one.daily_metrics("e1")
    assert [(d.day, d.metric_type, d.variant) for d in daily] == list(expected.index)
    for name, attribute in (("count", "n"), ("sum", "sum"), ("mean", "mean"), ("var", "variance"), ("std", "std")):
        np.testing.assert_allclose([getattr(d, attribute) for d in daily], expected[name], rtol=1e-6)
    np.testing.assert_allclose([d.sum_sq for d in daily], [d.n * d.mean**2 + (d.n - 1) * d.variance for d in daily])
    last = {(c.metric_type, c.variant): c for c in one.cumulative_metrics("e1")}
    for key, part in frame.groupby(["metric_type", "variant"])["value"]:
        np.testing.assert_allclose([last[key].n, last[key].mean], [len(part), part.mean()])
        np.testing.assert_allclose(last[key].variance, part.var(), rtol=1e-6)
    assert {found.metric_type for found in one.daily_metrics("e1", ["score"])} == {"score"}
    assert one.sample_sizes("e1") == frame.groupby("variant")["user_id"].nunique().to_dict()


def observed(frame: pd.DataFrame, users: Sequence[str]) -> pd.DataFrame:
    """The same observations as one row each, with the metrics' columns."""
    split = Split.of(experiment())
    wide = frame.pivot(columns="metric_type", values="value").assign(unit=frame["user_id"], at=frame["observed_at"])
    quiet = pd.DataFrame({"unit": [user for user in users if user not in set(frame["user_id"])]})
    both = pd.concat([wide, quiet], ignore_index=True)
    return both.assign(variant=[split.variant(user) for user in both["unit"]])


def recorded(store: Engine) -> tuple[pd.DataFrame, list[str]]:
    rng = np.random.default_rng(5)
    size = 900
    users = [f"u{n}" for n in range(120)]
    frame = pd.DataFrame(
        {
            "user_id": rng.choice(users[:90], size),
            "metric_type": rng.choice(["cost", "success", "calls"], size),
            "value": rng.gamma(2, 3, size),
            "observed_at": pd.Timestamp("2026-11-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 6 * 86_400, size), "s"),
        }
    )
    frame.loc[frame["metric_type"] == "success", "value"] = rng.integers(
        0, 2, (frame["metric_type"] == "success").sum()
    )
    frame.loc[frame["metric_type"] == "calls", "value"] = rng.integers(1, 9, (frame["metric_type"] == "calls").sum())
    frame["event_id"] = [f"event-{n}" for n in range(size)]
    assert collector(store).record_many(frame, experiment_id="e1").added == size
    before = Split.of(experiment())
    with writing(store) as connection:
        add_assignments(connection, "default", "e1", before.by_user(users), now=datetime(2026, 10, 31, tzinfo=UTC))
    return frame, users


def source(store: Engine, one: Experiment, **options: object) -> Source:
    return observed_source(store, observations, assignments, one, **options)


def test_the_analysis_reads_users_and_clusters_their_observations(store: Engine) -> None:
    frame, users = recorded(store)
    one = experiment(Mean("cost"), Proportion("success"), Ratio("cost", "calls"), Quantile("cost", 0.5))
    got = collect(one, source(store, one), now=NOW)
    wide = observed(frame, users)
    assert got.units == wide.groupby("variant")["unit"].nunique().to_dict()
    assert got.contaminated_units == 0
    assert got.duplicated_rows == 0
    for name, numerator, denominator in (
        ("cost", "cost", None),
        ("success", "success", None),
        ("cost_per_calls", "cost", "calls"),
    ):
        below = wide[denominator].fillna(0) if denominator else wide[numerator].notna().astype(float)
        parts = wide.assign(above=wide[numerator].fillna(0), below=below)
        if denominator is None:
            parts = parts[parts["below"] > 0]
        level, se = [], []
        for _, part in parts.groupby("variant"):
            sums = part.groupby("unit")[["above", "below"]].sum()
            ratio = sums["above"].sum() / sums["below"].sum()
            level.append(ratio)
            se.append(np.sqrt((sums["above"] - ratio * sums["below"]).var() / len(sums)) / sums["below"].mean())
        moments = got.metrics[name]
        assert isinstance(moments, MetricMoments)
        read = delta_method(moments.level, moments.blocks, moments.width)
        np.testing.assert_allclose(read.value, level, rtol=1e-9)
        np.testing.assert_allclose(read.se, se, rtol=1e-7)
    median = got.metrics["cost_p50"]
    assert isinstance(median, MetricMoments)
    read = delta_method(median.level, median.blocks, median.width)
    np.testing.assert_allclose(read.value, wide.groupby("variant")["cost"].median(), rtol=0.05)
    lacking = wide.dropna(subset="cost").groupby("variant")["unit"].nunique()
    assert got.metrics["cost"].missing == {v: got.units[v] - int(lacking[v]) for v in got.units}


def test_the_last_look_is_the_whole(store: Engine) -> None:
    recorded(store)
    one = experiment(Mean("cost"), Ratio("cost", "calls"))
    got = collect(one, source(store, one), now=NOW)
    assert list(got.series) == ["cost", "cost_per_calls"]
    for name, series in got.series.items():
        whole = got.metrics[name]
        assert isinstance(whole, MetricMoments)
        for daily, block in zip(series.moments.blocks, whole.blocks, strict=True):
            np.testing.assert_allclose(daily.n[-1], block.n)
            np.testing.assert_allclose(daily.mean[-1], block.mean, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(daily.covariance[-1], block.covariance, rtol=1e-7, atol=1e-12)


def test_as_of_leaves_later_observations_out(store: Engine) -> None:
    frame, _ = recorded(store)
    one = experiment(Mean("cost", missing="zero"))
    limit = datetime(2026, 11, 3, tzinfo=UTC)
    got = collect(one, source(store, one, as_of=limit), now=NOW, as_of=limit)
    early = frame[(frame["observed_at"] <= limit) & (frame["metric_type"] == "cost")]
    seen = (
        30 + frame.loc[frame["observed_at"] <= limit, "user_id"].nunique()
    )  # 30 were assigned before, the rest on the way
    total = early["value"].sum() / (len(early) + seen - early["user_id"].nunique())
    moments = got.metrics["cost"]
    assert isinstance(moments, MetricMoments)
    sums = [block.n * block.mean for block in moments.blocks]
    offset = moments.level.offset
    pooled = sum(part[0] for part in sums) / sum(part[1] for part in sums) + offset
    np.testing.assert_allclose(pooled, total, rtol=1e-9)
    assert got.series == {}


def test_a_covariate_is_what_a_user_was_before(store: Engine) -> None:
    frame, users = recorded(store)
    rng = np.random.default_rng(8)
    before = [
        row(n, user_id=user, metric_type="before", value=rng.normal(), event_id=f"b{n}") for n, user in enumerate(users)
    ]
    collector(store).record_many(before, experiment_id="e1")
    one = experiment(Mean("cost", covariate="before"))
    got = collect(one, source(store, one), now=NOW).metrics["cost"]
    wide = observed(frame, users).assign(before=lambda f: f["unit"].map({r["user_id"]: r["value"] for r in before}))
    wide = wide.dropna(subset="cost")
    expected = collect(one, Source.frame(wide, unit="unit"), now=NOW).metrics["cost"]
    assert isinstance(got, MetricMoments)
    assert isinstance(expected, MetricMoments)
    for left, right in zip(got.blocks, expected.blocks, strict=True):
        np.testing.assert_allclose(left.n, right.n)
        correlation = [b.covariance[0, 2] / np.sqrt(b.covariance[0, 0] * b.covariance[2, 2]) for b in (left, right)]
        assert np.isfinite(correlation).all()
    with pytest.raises(DefinitionError, match="both a covariate"):
        source(store, experiment(Mean("cost", covariate="before"), Mean("before")))


def test_a_segment_is_a_code_that_was_recorded_and_who_has_two_is_in_none(store: Engine) -> None:
    frame, users = recorded(store)
    changed = frame.loc[frame["metric_type"] == "cost", "user_id"].iloc[0]
    told = [row(n, user_id=user, metric_type="tier", value=n % 3, event_id=f"t{n}") for n, user in enumerate(users)]
    told += [row(0, user_id=changed, metric_type="tier", value=7, event_id="again")]
    collector(store).record_many(told[5:], experiment_id="e1")  # five users have no code
    one = experiment(Mean("cost"), data=Data(segments=["tier"]))
    (found,) = collect(one, source(store, one), now=NOW).segments
    codes = [str(n % 3) if n >= 5 else "(missing)" for n, user in enumerate(users) if user != changed]
    assert found.changed_units == 1
    assert {part.value: sum(part.units.values()) for part in found.segments} == Counter(codes)
    with pytest.raises(DefinitionError, match="'cost' is both a segment"):
        source(store, experiment(Mean("cost"), data=Data(segments=["cost"])))


def test_what_nobody_observed_is_told_and_not_computed(store: Engine) -> None:
    recorded(store)
    one = experiment(Mean("cost"), Mean("nothing"))
    got = collect(one, source(store, one), now=NOW).metrics["nothing"]
    assert isinstance(got, NotCollected)
    assert got.reason == "no observation of 'nothing' in 'a', 'b' yet"


def test_one_observation_per_user_is_a_rate_of_units(store: Engine) -> None:
    rows = [row(n, user_id=f"u{n}", metric_type="success", value=n % 2) for n in range(60)]
    collector(store).record_many([*rows, row(99, user_id="u1")], experiment_id="e1")
    one = experiment(Proportion("success"), Mean("cost"))
    assert collect(one, source(store, one), now=NOW).metrics["success"].is_rate_of_units
    collector(store).record_many([row(98, user_id="u1", metric_type="success", value=1)], experiment_id="e1")
    assert not collect(one, source(store, one), now=NOW).metrics["success"].is_rate_of_units


def test_reading_a_row_reads_what_a_batch_reads() -> None:
    with pytest.raises(BadRowError, match="experiment_id: is missing"):
        read_row(row(1), None)
    assert read_row({**row(1), "user_id": 7}, "e1").user_id == "7"


def test_a_load_leaves_arrow_the_memory_it_had(store: Engine) -> None:
    usual = pa.default_memory_pool().backend_name
    seen = set()

    def rows() -> Iterator[dict[str, object]]:
        for number in range(3):
            seen.add(pa.default_memory_pool().backend_name)
            yield row(number)

    collector(store).record_many(rows(), experiment_id="e1")
    with pytest.raises(DataError):
        collector(store).record_many([{}], experiment_id="e1", max_errors=0)
    assert seen == {"system"}
    assert pa.default_memory_pool().backend_name == usual


def test_loads_that_overlap_leave_arrow_the_memory_it_had(store: Engine) -> None:
    usual = pa.default_memory_pool().backend_name
    one, other = (Load(collector(store)._store, RejectFile(None), None, 10, False) for _ in range(2))
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(one)
        second.enter_context(other)
        first.close()
    assert pa.default_memory_pool().backend_name == usual
