"""One experiment, the same numbers wherever its rows lie."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from abkit.analyzer.analyzer import analyze_snapshot
from abkit.collectors import Source, collect
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio, Variant
from tests.engines.conftest import WITHOUT_SPARK, Place

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNITS = 90
METRICS = (
    Mean("cost"),
    Mean("cost", name="capped", cap=0.9),
    Mean("cost", name="adjusted", covariate="before"),
    Proportion("success"),
    Ratio("cost", "calls"),
    Quantile("cost", 0.5),
    Mean("part", missing="drop"),
    Mean("part", name="filled", missing="zero"),
)
KEYS: dict[str, dict[str, Any]] = {
    "rows": {},
    "units in time": {"unit": "unit", "time": "at", "segments": ["country"], "where": {"kept": True}},
    "pairs": {"unit": "task", "design": "paired", "segments": ["country"]},
}


@cache
def rows() -> pa.Table:
    """Several rows per unit, each unit in one variant; tasks in both."""
    rng = np.random.default_rng(7)
    unit = np.repeat(np.arange(UNITS), rng.integers(1, 5, UNITS))
    size = unit.size
    times = np.datetime64("2026-01-01", "us") + rng.integers(0, 4 * 86_400, size) * np.timedelta64(1, "s")
    part = rng.normal(3, 1, size)
    return pa.table(
        {
            "variant": np.array(["a", "b"])[unit % 2],
            "unit": [f"{one:03d}" for one in unit],
            "task": [f"{one // 2 % 20:02d}" for one in unit],
            "cost": rng.lognormal(0, 1, size) + unit / UNITS + 0.3 * (unit % 2),
            "success": (rng.random(size) < 0.5 + 0.1 * (unit % 2)).astype(np.int64),
            "calls": rng.integers(1, 9, size),
            "before": unit / UNITS + rng.normal(0, 0.1, size),
            "part": pa.array(part, mask=rng.random(size) < 0.2),
            "country": np.array(["fr", "de", "it"])[unit // 2 % 3],
            "kept": rng.random(size) < 0.95,
            "at": pa.array(times),
        }
    )


def experiment(*metrics: Any) -> Experiment:
    arms = [Variant("a", 50, is_control=True), Variant("b", 50)]
    return Experiment("demo", arms, metrics[0], secondary_metrics=list(metrics[1:]), min_sample_size=20, id="demo")


def analyzed(source: Source, keys: str) -> dict[str, Any]:
    one = experiment(*(METRICS if keys != "pairs" else METRICS[3:6]))
    return analyze_snapshot(one, collect(one, source, now=NOW, details=True)).to_dict()


@cache
def expected(keys: str) -> dict[str, Any]:
    return analyzed(Source.frame(rows().to_pandas(), **KEYS[keys]), keys)


def different(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Every place where two analyses differ by more than the ninth digit; fingerprints are those of the bytes."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one.keys() - {"fingerprint"}:
            yield from different(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from different(left, right, f"{path}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{path}: {one!r} and {other!r}"
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        *product(WITHOUT_SPARK, KEYS),
        pytest.param("spark", "rows", marks=pytest.mark.spark),
        *(pytest.param("spark", keys, marks=[pytest.mark.spark, pytest.mark.full]) for keys in KEYS if keys != "rows"),
    ],
    indirect=["place"],
)
def test_every_engine_gives_the_same_analysis(place: Place, keys: str) -> None:
    assert list(different(analyzed(place(rows(), **KEYS[keys]), keys), expected(keys))) == []


def test_another_number_would_be_noticed() -> None:
    assert list(different({"a": [1.0, 2.0]}, {"a": [1.0, 2.00000001]}))
    assert list(different({"a": None}, {"a": 1.0}))


def test_a_partition_is_a_column_for_segments_times_and_filters(tmp_path: Any) -> None:
    table = rows().append_column("day", pa.array([str(at)[:10] for at in rows()["at"].to_pylist()]))
    pa.parquet.write_to_dataset(table.drop_columns(["at"]), tmp_path / "runs", partition_cols=["day", "country"])
    keys = {"time": "day", "segments": ["country"], "where": {"country": "fr"}}
    in_folder = analyzed(Source.parquet(tmp_path / "runs", **keys), "rows")
    in_frame = analyzed(Source.frame(table.drop_columns(["at"]), **keys), "rows")
    assert in_folder["data"]["rows_left_out"] > 0
    assert list(different(in_folder, in_frame)) == []
    moved = tmp_path / "runs" / "day=2026-01-01"
    before = Source.parquet(tmp_path / "runs").fingerprint()
    moved.rename(moved.with_name("day=2025-12-31"))
    assert Source.parquet(tmp_path / "runs").fingerprint() != before
