"""Rows of units that are numbers close together are added up by place, and give what groups give."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from abkit.collectors import Source, collect, duplicates, sweep
from abkit.collectors.frame_batches import Careful
from abkit.errors import DataError
from abkit.models import Experiment, Mean, Plan, Proportion, Quantile, Ratio, Variant
from abkit.stats import delta_method

NOW = datetime(2026, 11, 26, tzinfo=UTC)
EXPERIMENT = Experiment(
    "units",
    [Variant("a", 50, is_control=True), Variant("b", 50)],
    Proportion("bought"),
    secondary_metrics=[Mean("spend", covariate="before"), Ratio("orders", "sessions")],
    plan=Plan(inference="fixed"),
)


def rows(size: int = 9_000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    unit = rng.integers(-400, 1_500, size)
    before = rng.gamma(2, 10, size)
    return pd.DataFrame(
        {
            "unit": unit,
            "variant": np.where(unit % 2, "b", "a"),
            "bought": (rng.random(size) < 0.2).astype(np.int8),
            "spend": before + rng.normal(0, 3, size),
            "before": before,
            "orders": rng.poisson(2, size),
            "sessions": rng.poisson(3, size) + 1,
            "at": pd.Timestamp("2026-03-01") + pd.to_timedelta(rng.integers(0, 10**6, size), unit="s"),
        }
    )


@pytest.fixture
def parquet(tmp_path):
    def written(frame, **keys):
        frame.to_parquet(tmp_path / "rows.parquet")
        return Source.parquet(tmp_path / "rows.parquet", unit="unit", **keys)

    return written


@pytest.fixture
def places(monkeypatch):
    """How often units were added up by place, and whether that took more care."""
    seen = []

    def add_up_units(*given, run=sweep.add_up_units):
        try:
            found = run(*given)
        except Careful:
            seen.append("careful")
            raise
        seen.append("added up")
        return found

    monkeypatch.setattr(sweep, "add_up_units", add_up_units)
    return seen


def read(source, experiment=EXPERIMENT, **options):
    return collect(experiment, source, now=NOW, details=False, **options)


COUNTS = ("units", "rows", "total_units", "rows_left_out", "contaminated_units", "duplicated_rows", "days", "mixed")


def assert_same(found, expected):
    for name in (*COUNTS, "first_seen", "as_of"):
        assert getattr(found, name) == getattr(expected, name), name
    for name, moments in expected.metrics.items():
        assert found.metrics[name].missing == moments.missing
        mine, theirs = (delta_method(one.level, one.blocks, one.width) for one in (found.metrics[name], moments))
        np.testing.assert_allclose(mine.value, theirs.value, rtol=1e-12)
        np.testing.assert_allclose(mine.covariance, theirs.covariance, rtol=1e-9)


KINDS = {
    "plain": (lambda frame: frame, {}),
    "a time": (lambda frame: frame, {"time": "at"}),
    "far from zero": (lambda frame: frame.assign(unit=frame["unit"] + 10**15), {}),
    "short numbers": (lambda frame: frame.assign(unit=frame["unit"].astype(np.int16)), {}),
    "unsigned": (lambda frame: frame.assign(unit=(frame["unit"] + 400).astype(np.uint64)), {}),
    "filters": (lambda frame: frame, {"where": {"bought": 1}}),
    "other variants": (
        lambda frame: frame.assign(variant=frame["variant"].where(frame["unit"] % 7 > 0, "c")),
        {"variants": {"a": "a", "b": "b"}},
    ),
    "variants that are numbers": (
        lambda frame: frame.assign(variant=frame["unit"] % 2),
        {"variants": {"a": 0, "b": 1}},
    ),
    "true and false": (lambda frame: frame.assign(bought=frame["bought"] == 1), {}),
    "one row each": (
        lambda frame: frame.assign(unit=np.arange(len(frame)), variant=["a", "b"] * (len(frame) // 2)),
        {},
    ),
    "rows twice": (lambda frame: pd.concat([frame, frame[:5]]), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_units_are_added_up_by_place(kind, parquet, places, careful):
    change, keys = KINDS[kind]
    source = parquet(change(rows()), **keys)
    found = read(source)
    assert places == ["added up"]
    assert_same(found, careful(EXPERIMENT, source))


def test_rows_up_to_a_time(parquet, places, careful):
    source, until = parquet(rows(), time="at"), datetime(2026, 3, 6, tzinfo=UTC)
    found = read(source, as_of=until)
    assert places == ["added up"]
    assert_same(found, careful(EXPERIMENT, source, as_of=until))


def test_quantiles_beside_them(parquet, places, careful):
    experiment = replace(EXPERIMENT, guardrail_metrics=[Quantile("before", 0.9, margin=0.1)])
    source = parquet(rows())
    found = read(source, experiment)
    assert places == ["added up"]
    assert_same(found, careful(experiment, source))


def changed(column, value):
    return lambda frame: frame.assign(**{column: frame[column].astype(object).where(frame.index != 17, value)})


CARE = {
    "a missing unit": changed("unit", None),
    "a missing value": changed("spend", None),
    "not a number": lambda frame: frame.assign(spend=frame["spend"].where(frame.index != 17, np.nan)),
    "an infinite number": lambda frame: frame.assign(spend=frame["spend"].where(frame.index != 17, np.inf)),
    "a number beyond squaring": lambda frame: frame.assign(spend=frame["spend"].where(frame.index != 17, 1e200)),
    "a rate of two": changed("bought", 2),
    "a missing variant": changed("variant", None),
    "another variant": changed("variant", "c"),
    "blanks around a variant": changed("variant", "b "),
    "a missing time": changed("at", None),
}


@pytest.mark.parametrize("kind", CARE)
def test_what_takes_more_care_gets_it(kind, parquet, places, careful):
    source = parquet(CARE[kind](rows()), time="at")

    def answer(collecting):
        try:
            found = collecting(EXPERIMENT, source)
        except DataError as error:
            return str(error)
        return [getattr(found, name) for name in COUNTS], [found.metrics[name].missing for name in found.metrics]

    assert answer(lambda experiment, data: read(data, experiment)) == answer(careful)
    assert places in (["careful"], ["added up"])


@pytest.mark.parametrize("at", [0, -1])
def test_a_unit_in_two_variants_is_found_in_one_batch_and_across_batches(at, parquet, places, careful, monkeypatch):
    frame = rows()
    place = frame.index[at]
    frame.loc[place, "variant"] = "a" if frame.loc[place, "variant"] == "b" else "b"
    source = parquet(frame, units_in_two_variants="exclude")
    for size in (64, 100_000):
        monkeypatch.setattr("abkit.collectors.engines._BATCH", size)
        assert_same(read(source), careful(EXPERIMENT, source))
    assert places == ["careful", "careful"]


@pytest.mark.parametrize(
    "unit", [lambda unit: unit * 40, lambda unit: (unit % 2) * 2**62, lambda unit: unit.astype(str)]
)
def test_units_that_are_far_apart_are_grouped(unit, parquet, places, careful):
    frame = rows()
    source = parquet(frame.assign(unit=unit(frame["unit"])))
    assert_same(read(source), careful(EXPERIMENT, source))
    assert not places


def test_more_units_than_memory_should_hold_are_grouped(parquet, places, careful, monkeypatch):
    source = parquet(rows())
    for most, seen in ((6 * 1_900, ["added up"]), (6 * 1_900 - 1, [])):
        monkeypatch.setattr("abkit.collectors.unit_sums._MOST_SUMS", most)
        assert_same(read(source), careful(EXPERIMENT, source))
        assert places == seen
        places.clear()


@pytest.mark.parametrize("repeated", [0, 1, 40])
def test_equal_rows_are_found_in_every_part(repeated, parquet, places, monkeypatch):
    monkeypatch.setattr(duplicates, "_ROWS_AT_ONCE", 2_000)
    frame = rows()
    for start in range(0, 500, 100):
        source = parquet(pd.concat([frame, frame[start : start + repeated]]))
        assert read(source).duplicated_rows == repeated
    assert set(places) == {"added up"}
