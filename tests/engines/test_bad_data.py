"""What is wrong with data is found, counted and treated alike in every engine."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from abkit.analyzer.checks import run_checks
from abkit.collectors import collect
from abkit.errors import DataError
from abkit.models import Experiment, Mean
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import delta_method
from tests.engines.conftest import ENGINES_IN_FULL, Place
from tests.engines.test_same_numbers import experiment

NOW = datetime(2026, 11, 22, tzinfo=UTC)
on_every_engine = pytest.mark.parametrize("place", ENGINES_IN_FULL, indirect=True)


def read(one: Experiment, place: Place, rows: dict[str, Any], **keys: Any) -> Snapshot:
    return collect(one, place(pa.table(rows), **keys), now=NOW, details=False)


def levels(snapshot: Snapshot, name: str = "x") -> list[float]:
    moments = snapshot.metrics[name]
    assert isinstance(moments, MetricMoments)
    return [float(level) for level in delta_method(moments.level, moments.blocks, moments.width).value]


def said(one: Experiment, snapshot: Snapshot, name: str) -> str:
    return next(check.message for check in run_checks(one, snapshot) if check.name == name)


@on_every_engine
def test_one_value_in_a_thousand_is_missing(place: Place) -> None:
    values = [None if i in (10, 11) else float(i % 10) for i in range(2000)]
    rows = {"variant": ["a", "b"] * 1000, "x": pa.array(values, pa.float64())}
    source = place(pa.table(rows))
    with pytest.raises(DataError, match=r"'x': 2 of 2,000 rows have no value \(a 1, b 1\)"):
        collect(experiment(Mean("x")), source, now=NOW)
    metrics = Mean("x", missing="drop"), Mean("x", missing="zero", name="zero")
    snapshot = collect(experiment(*metrics), source, now=NOW, details=False)
    assert snapshot.metrics["x"].missing == {"a": 1, "b": 1}
    assert levels(snapshot) == pytest.approx([4000 / 999, 4999 / 999], rel=1e-12)
    assert levels(snapshot, "zero") == pytest.approx([4.0, 4.999], rel=1e-12)


@on_every_engine
def test_blanks_around_a_variant_are_none(place: Place) -> None:
    rows = {"variant": ["a", "a  ", " a", "b", "b ", "b"], "x": [1.0, 2, 3, 4, 5, 6], "kind": ["k ", "k"] * 3}
    keys: dict[str, Any] = {"variants": {"a": "a ", "b": "b"}, "where": {"kind": "k "}}
    snapshot = read(experiment(Mean("x")), place, rows, **keys)
    assert snapshot.rows == {"a": 3, "b": 3}
    assert levels(snapshot) == pytest.approx([2.0, 5.0])


@on_every_engine
def test_rows_that_repeat_another_are_counted(place: Place) -> None:
    times = [datetime(2026, 1, 1 + i % 3) for i in range(12)]
    rows = {"variant": ["a", "b"] * 6, "unit": [f"u{i % 6}" for i in range(12)], "x": [float(i % 6) for i in range(12)]}
    one = experiment(Mean("x"))
    snapshot = read(one, place, {**rows, "at": times}, unit="unit", time="at")
    assert snapshot.duplicated_rows == 6
    assert snapshot.units == {"a": 3, "b": 3}
    assert "6 rows repeat another one in every column" in said(one, snapshot, "duplicates")


def crossed() -> dict[str, Any]:
    """Ten units of one row each; u0 and u1 come again in the other variant, u2 at the same time in both."""
    day = [datetime(2026, 1, 2)] * 10 + [datetime(2026, 1, 3), datetime(2026, 1, 1), datetime(2026, 1, 2)]
    variant = ["a", "b"] * 5 + ["b", "a", "b"]
    units = [f"u{i}" for i in range(10)] + ["u0", "u1", "u2"]
    return {"variant": variant, "unit": units, "x": [float(i) for i in range(10)] + [100.0, 200.0, 300.0], "at": day}


@on_every_engine
def test_units_in_two_variants_are_left_out(place: Place) -> None:
    one = experiment(Mean("x"))
    snapshot = read(one, place, crossed(), unit="unit")
    assert (snapshot.units, snapshot.contaminated_units, snapshot.total_units) == ({"a": 3, "b": 4}, 3, 10)
    assert levels(snapshot) == pytest.approx([(4 + 6 + 8) / 3, (3 + 5 + 7 + 9) / 4])
    message = said(one, snapshot, "contamination")
    assert "3 of 10 units (30%) were seen in more than one variant (a 3, b 3) and are left out" in message


@on_every_engine
def test_units_in_two_variants_count_where_they_were_first(place: Place) -> None:
    one = experiment(Mean("x"))
    snapshot = read(one, place, crossed(), unit="unit", time="at", units_in_two_variants="first")
    assert (snapshot.units, snapshot.contaminated_units, snapshot.total_units) == ({"a": 5, "b": 4}, 1, 10)
    assert snapshot.rows == {"a": 5, "b": 4}
    assert levels(snapshot) == pytest.approx([(0 + 200 + 4 + 6 + 8) / 5, (3 + 5 + 7 + 9) / 4])
    message = said(one, snapshot, "contamination")
    assert "seen in more than one variant (a 3, b 3); they count where they were seen first (a 2, b 0)" in message
    assert "1 were seen in two at the same time and are left out" in message


@on_every_engine
def test_units_in_two_variants_can_be_an_error(place: Place) -> None:
    source = place(pa.table(crossed()), unit="unit", units_in_two_variants="error")
    with pytest.raises(DataError, match=r"3 units of .* were seen in .* \(a 3, b 3\), for example 'u0'"):
        collect(experiment(Mean("x")), source, now=NOW)


@on_every_engine
def test_times_of_mixed_zones_are_one_time(place: Place) -> None:
    times = [
        "2026-01-01T23:30:00-05:00",
        "2026-01-02 01:00:00+02:00",
        "2026-01-01T12:00:00Z",
        "2026-01-03",
        "2026-01-01T10:00:00+0530",
        "2026-01-03 18:00:00",
    ]
    rows = {"variant": ["a", "b"] * 3, "unit": list("uvwxyz"), "x": [1.0, 2, 3, 4, 5, 6], "at": times}
    snapshot = read(experiment(Mean("x")), place, rows, unit="unit", time="at")
    assert (snapshot.first_seen, snapshot.as_of) == ("2026-01-01T04:30:00Z", "2026-01-03T18:00:00Z")
    daily = snapshot.series["x"].moments
    assert snapshot.series["x"].days == ("2026-01-01", "2026-01-02", "2026-01-03")
    assert [block.n.tolist() for block in daily.blocks] == [[2, 3, 3], [1, 1, 3]]


@on_every_engine
def test_nan_is_a_missing_value(place: Place) -> None:
    rows = {"variant": ["a", "b"] * 4, "x": [1.0, 2.0, float("nan"), 4.0, 5.0, 6.0, 6.0, 9.0]}
    source = place(pa.table(rows))
    with pytest.raises(DataError, match=r"'x': 1 of 8 rows have no value \(a 1, b 0\)"):
        collect(experiment(Mean("x")), source, now=NOW)
    snapshot = collect(experiment(Mean("x", missing="drop")), source, now=NOW, details=False)
    assert levels(snapshot) == pytest.approx([4.0, 5.25])


@on_every_engine
def test_decimals_are_numbers(place: Place) -> None:
    values = [Decimal(f"{i}.10") for i in range(8)]
    rows = {"variant": ["a", "b"] * 4, "x": pa.array(values, pa.decimal128(20, 2))}
    assert levels(read(experiment(Mean("x")), place, rows)) == pytest.approx([3.1, 4.1], rel=1e-12)


@on_every_engine
def test_sums_beyond_64_bits_do_not_overflow(place: Place) -> None:
    values = [2**62 + i * 2**54 for i in range(16)]
    rows = {"variant": ["a", "b"] * 8, "unit": [f"u{i // 4}{i % 2}" for i in range(16)], "x": values}
    snapshot = read(experiment(Mean("x")), place, rows, unit="unit")
    assert levels(snapshot) == pytest.approx([float(np.mean(values[::2])), float(np.mean(values[1::2]))], rel=1e-12)
    moments = snapshot.metrics["x"]
    assert isinstance(moments, MetricMoments)
    assert (delta_method(moments.level, moments.blocks, 2).se > 0).all()
