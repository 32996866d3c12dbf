"""Sums per unit and day, made once, give the numbers that a scan of all events gives."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
DAYS, EVENTS, UNITS, SEED = 5, 1500, 300, 1


@pytest.fixture(scope="module")
def incremental() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import incremental as module

        yield module
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_each_day_is_read_once_and_every_report_is_that_of_a_full_scan(incremental: ModuleType, tmp_path: Path) -> None:
    raw, reduced, totals = tmp_path / "raw", tmp_path / "reduced", tmp_path / "totals.parquet"
    for day in range(DAYS):
        incremental.write_events(raw, day, EVENTS, UNITS, SEED)
        assert incremental.refresh(raw, reduced) == [incremental.day_of(day)], "raw events are scanned twice"
        if day not in (1, DAYS - 1):
            continue
        full = incremental.analysis(incremental.BY_EVENT, raw / "*/*.parquet")
        incremental.total(reduced, totals)
        for pattern in (reduced / "*/*.parquet", totals):
            found = incremental.analysis(incremental.BY_SUM, pattern)
            assert incremental.widest_gap(found, full) < 1e-12
    units = pa.concat_tables(pq.read_table(file, columns=["unit"]) for file in reduced.glob("*/*.parquet"))["unit"]
    assert len(units) > 3 * len(units.unique()), "units return on later days"
    assert incremental.refresh(raw, reduced) == []

    # A day in the past: rows of the days after it do not count on either side.
    then = f"{incremental.START}T23:59:59.999999"
    past = [
        incremental.analysis(which, at / "*/*.parquet", as_of=then)
        for which, at in ((incremental.BY_EVENT, raw), (incremental.BY_SUM, reduced))
    ]
    assert incremental.widest_gap(*past) < 1e-12
    assert past[0].data.units < full.data.units or past[0].data.rows < full.data.rows

    # A file that comes late into an old folder: that folder alone is read again.
    incremental.write_events(raw, 1, EVENTS // 3, UNITS, SEED + 1)
    assert incremental.widest_gap(found, incremental.analysis(incremental.BY_EVENT, raw / "*/*.parquet")) > 1e-6
    assert incremental.refresh(raw, reduced) == [incremental.day_of(1)]
    after = [
        incremental.analysis(which, at / "*/*.parquet")
        for which, at in ((incremental.BY_EVENT, raw), (incremental.BY_SUM, reduced))
    ]
    assert incremental.widest_gap(*after) < 1e-12
    assert after[0].decision.verdict == after[1].decision.verdict


def test_a_report_reads_rows_of_units_and_not_of_events(incremental: ModuleType, tmp_path: Path) -> None:
    raw, reduced = tmp_path / "raw", tmp_path / "reduced"
    for day in range(2):
        incremental.write_events(raw, day, 20 * UNITS, UNITS, SEED)
    incremental.refresh(raw, reduced)
    events, size = incremental.scanned(sorted(raw.glob("*/*.parquet")), incremental.EVENTS)
    rows, reduced_size = incremental.scanned(sorted(reduced.glob("*/*.parquet")), incremental.SUMS)
    assert (events, rows <= 2 * UNITS + events * 0.03) == (2 * 20 * UNITS, True)
    assert 0 < reduced_size < size / 4
