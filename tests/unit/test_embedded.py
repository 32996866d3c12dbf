"""The database in this process: sessions that do not see each other, and survive one that broke it."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from abkit import embedded
from abkit.collectors import Source
from abkit.collectors.census_query import count_all
from abkit.collectors.engines import open_source
from abkit.collectors.query import Rows
from abkit.embedded import open_session


def test_frames_tables_and_zones_of_one_session_are_unknown_to_another() -> None:
    with open_session() as one, open_session() as other:
        one.register("rows", pd.DataFrame({"x": [1]}))
        one.execute("CREATE TEMP TABLE kept AS SELECT 1")
        one.execute("SET TimeZone = 'Europe/Paris'")
        for name in ("rows", "kept"):
            with pytest.raises(duckdb.CatalogException):
                other.execute(f"SELECT * FROM {name}")
        assert other.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


def test_threads_have_sessions_of_their_own() -> None:
    def total(number: int) -> int:
        with open_session() as session:
            session.register("rows", pd.DataFrame({"x": [number] * 100}))
            return int(session.execute("SELECT sum(x) FROM rows").fetchall()[0][0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(total, range(200))) == [100 * number for number in range(200)]


def test_a_broken_database_is_opened_anew() -> None:
    embedded._database(os.getpid()).close()
    with open_session() as session:
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_a_file_that_is_written_anew_is_read_anew_and_leaves_nothing_behind(tmp_path: Path) -> None:
    place, when = tmp_path / "rows.parquet", datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    for rows in (3, 5):
        pd.DataFrame({"variant": ["a"] * rows}).to_parquet(place)
        os.utime(place, (when, when))
        with open_source(Source.parquet(place)) as engine:
            assert (
                engine.rows(count_all(Rows(engine.table, engine.types, Source.parquet(place).data)))[0]["rows"] == rows
            )
    with open_session() as session:
        assert session.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchone() == (0,)
