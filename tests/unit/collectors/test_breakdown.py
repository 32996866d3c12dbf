"""Frames are broken down by day and by segment in the pass that adds them up, and give what an engine gives."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from abkit.collectors import Source, collect, collector
from abkit.collectors.daily import collect_days
from abkit.collectors.query import Rows
from abkit.errors import DataError
from abkit.models import Experiment, Mean, Plan, Proportion, Quantile, Ratio, Variant
from abkit.stats import delta_method

NOW = datetime(2026, 11, 29, tzinfo=UTC)
VARIANTS = [Variant("a", 50, is_control=True), Variant("b", 25), Variant("c", 25)]
SECONDARY = [Mean("spend", covariate="before"), Ratio("orders", "sessions"), Mean("level", missing="drop")]
PLAN = Plan(inference="fixed")
EXPERIMENT = Experiment("broken", VARIANTS, Proportion("bought"), secondary_metrics=SECONDARY, plan=PLAN)


def rows(size: int = 40_000, days: int = 9, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    before = rng.gamma(2, 10, size)
    seconds = rng.uniform(0, days * 86_400, size)
    return pd.DataFrame(
        {
            "variant": rng.choice(["a", "b", "c"], size, p=[0.5, 0.25, 0.25]),
            "bought": (rng.random(size) < 0.2).astype(np.int8),
            "spend": before + rng.normal(0, 3, size),
            "before": before,
            "orders": rng.poisson(2, size),
            "sessions": rng.poisson(3, size) + 1,
            "level": 1e6 + rng.normal(0, 1, size),
            "seen": pd.Timestamp("2026-02-27") + pd.to_timedelta((seconds * 1e6).astype(np.int64), unit="us"),
            "country": rng.choice(["nl", "de", "at"], size, p=[0.6, 0.3, 0.1]),
            "size": rng.integers(0, 40, size),
            "is_new": rng.random(size) < 0.3,
        }
    )


@pytest.fixture
def engine_reads(monkeypatch):
    """Collect with the engine alone."""

    def by_engine(experiment, source):
        with monkeypatch.context() as patch:
            patch.setattr(collector, "read_frame", lambda *_: None)
            return collect(experiment, source, now=NOW, details=False)

    return by_engine


@pytest.fixture
def no_engine(monkeypatch):
    def refuse(source):
        raise AssertionError(f"{source.where} was opened")

    monkeypatch.setattr(collector, "open_source", refuse)


def read(source, experiment=EXPERIMENT):
    return collect(experiment, source, now=NOW, details=False)


def assert_same_moments(found, expected):
    assert found.missing == expected.missing
    assert found.is_rate_of_units == expected.is_rate_of_units
    mine, theirs = (delta_method(one.level, one.blocks, one.width) for one in (found, expected))
    np.testing.assert_array_equal(mine.n, theirs.n)
    np.testing.assert_allclose(mine.value, theirs.value, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(mine.covariance, theirs.covariance, rtol=1e-8, atol=1e-14)


def assert_same(found, expected):
    assert (found.units, found.first_seen, found.as_of, found.days) == (
        expected.units,
        expected.first_seen,
        expected.as_of,
        expected.days,
    )
    assert found.arrivals == expected.arrivals
    assert found.series.keys() == expected.series.keys()
    for name, series in expected.series.items():
        assert found.series[name].days == series.days
        assert_same_moments(found.series[name].moments, series.moments)
    assert len(found.segments) == len(expected.segments)
    for mine, theirs in zip(found.segments, expected.segments, strict=True):
        counted = [(one.column, one.changed_units, one.other_values, one.other_units) for one in (mine, theirs)]
        assert counted[0] == counted[1]
        assert [(one.value, one.units) for one in mine.segments] == [(one.value, one.units) for one in theirs.segments]
        for one, other in zip(mine.segments, theirs.segments, strict=True):
            for name in other.metrics:
                assert_same_moments(one.metrics[name], other.metrics[name])


def broken_by_hand(frame, segments=("country", "size", "is_new")):
    return Source.frame(frame, time="seen", segments=list(segments))


FRAMES = {
    "pandas": lambda frame: frame,
    "categories": lambda frame: frame.assign(country=frame["country"].astype("category")),
    "polars": pl.from_pandas,
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(pl.col("country").cast(pl.Categorical)),
    "arrow": lambda frame: pa.Table.from_pandas(frame),
    "arrow in pieces": lambda frame: pa.concat_tables(
        pa.Table.from_pandas(part) for part in (frame[:0], frame[:7_001], frame[7_001:])
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_days_and_segments_are_read_with_the_rest(kind, engine_reads, no_engine, monkeypatch):
    source = broken_by_hand(FRAMES[kind](rows()))
    found = read(source)
    monkeypatch.undo()
    assert [len(one.segments) for one in found.segments] == [3, 20, 2]
    assert_same(found, engine_reads(EXPERIMENT, source))


TIMES = {
    "seconds": lambda seen: seen.astype("datetime64[s]"),
    "nanoseconds": lambda seen: seen.astype("datetime64[ns]") + pd.Timedelta(nanoseconds=999),
    "a zone": lambda seen: seen.dt.tz_localize("America/Sao_Paulo"),
    "whole seconds since 1970": lambda seen: seen.astype("datetime64[s]").astype(np.int64),
    "before 1970": lambda seen: seen - pd.Timedelta(days=60 * 365),
    "dates alone": lambda seen: seen.dt.floor("D"),
    "one day": lambda seen: seen.dt.floor("D").where(seen.isna(), pd.Timestamp("2026-03-01")),
}


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_times_of_every_kind(kind, library, engine_reads, no_engine, monkeypatch):
    frame = rows(5_000)
    frame["seen"] = TIMES[kind](frame["seen"])
    source = Source.frame(FRAMES[library](frame), time="seen")
    found = read(source)
    monkeypatch.undo()
    assert_same(found, engine_reads(EXPERIMENT, source))


def test_many_days_show_sixty_looks_and_arrivals_by_week(engine_reads, no_engine, monkeypatch):
    source = Source.frame(rows(days=400), time="seen")
    found = read(source)
    monkeypatch.undo()
    assert len(found.series["bought"].days) == 60
    assert found.arrivals.step == 7
    assert_same(found, engine_reads(EXPERIMENT, source))


def test_blanks_and_what_is_missing(engine_reads, no_engine, monkeypatch):
    frame = rows(5_000)
    frame["country"] = np.random.default_rng(2).choice(np.array(["nl", " nl ", "", "  ", None], dtype=object), 5_000)
    source = broken_by_hand(frame, ["country"])
    found = read(source)
    monkeypatch.undo()
    assert [one.value for one in found.segments[0].segments] == ["(missing)", "nl"]
    assert_same(found, engine_reads(EXPERIMENT, source))


@pytest.mark.parametrize("unit", [lambda number: number, lambda number: number.astype(str)], ids=["numbers", "texts"])
@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
def test_units_of_one_row_each_are_broken_down_row_by_row(kind, unit, tmp_path, monkeypatch):
    frame = rows(6_000).assign(user=unit(np.arange(6_000)[::-1]))
    segments = ["country", "is_new"]
    keys = {"unit": "user", "time": "seen", "segments": segments, "units_in_two_variants": "first"}
    if kind == "parquet":
        frame.to_parquet(tmp_path / "rows.parquet")
        source = Source.parquet(tmp_path / "rows.parquet", **keys)
    else:
        frame.to_sql("rows", f"sqlite:///{tmp_path / 'rows.db'}", index=False)
        source = Source.sql(f"sqlite:///{tmp_path / 'rows.db'}", "rows", **keys)
    seen = []
    monkeypatch.setattr(
        collector, "collect_days", lambda *given: seen.append(given[1].data.unit) or collect_days(*given)
    )
    found = read(source)
    monkeypatch.setattr(Rows, "as_units", property(lambda self: self))
    assert_same(found, read(source))
    assert seen == [None, "user"]


TABLES = {
    "times": (lambda frame: frame, {}),
    "times in a zone": (lambda frame: frame.assign(seen=frame["seen"].dt.tz_localize("America/Sao_Paulo")), {}),
    "seconds": (lambda frame: frame.assign(seen=frame["seen"].astype("datetime64[s]").astype(np.int64)), {}),
    "texts": (lambda frame: frame.assign(seen=frame["seen"].astype(str)), {}),
    "nanoseconds": (lambda frame: frame.assign(seen=frame["seen"].astype("datetime64[ns]")), {}),
    "filters": (lambda frame: frame, {"where": {"country": "nl"}}),
    "other variants": (
        lambda frame: frame.assign(variant=frame["variant"].where(frame["size"] > 3, "d")),
        {"variants": {"a": "a", "b": "b", "c": "c"}},
    ),
    "blanks around a variant": (
        lambda frame: frame.assign(variant=frame["variant"].where(frame["size"] > 3, " a")),
        {},
    ),
    "segments": (lambda frame: frame, {"segments": ["country", "size"]}),
    "a value of a day that never varies": (
        lambda frame: frame.assign(spend=frame["spend"].where(frame["seen"] > "2026-02-28", 4.0)),
        {},
    ),
}


@pytest.mark.parametrize("until", [None, datetime(2026, 3, 3, 12, tzinfo=UTC)])
@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("kind", ["parquet", "sqlite", "postgresql"])
def test_an_engine_adds_up_days_with_the_rest(kind, case, until, tmp_path, monkeypatch, request):
    change, keys = TABLES[case]
    frame = change(rows(6_000))
    if kind == "parquet":
        frame.to_parquet(tmp_path / "rows.parquet")
        source = Source.parquet(tmp_path / "rows.parquet", time="seen", **keys)
    else:
        url = f"sqlite:///{tmp_path / 'rows.db'}" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
        engine = create_engine(url)
        request.addfinalizer(engine.dispose)
        frame.to_sql("broken_rows", engine, index=False, if_exists="replace")
        source = Source.sql(engine, "broken_rows", time="seen", **keys)
    found = collect(EXPERIMENT, source, now=NOW, as_of=until, details=False)
    monkeypatch.setattr(collector, "sweep", lambda *_: None)
    expected = collect(EXPERIMENT, source, now=NOW, as_of=until, details=False)
    assert len(found.series["spend"].days) > 3
    assert found.rows_left_out == expected.rows_left_out
    assert_same(found, expected)


CARE = {
    "segments of floats": (lambda frame: frame.assign(country=frame["size"] / 2), ["country"]),
    "segments of dates": (lambda frame: frame.assign(country=frame["seen"].dt.floor("D")), ["country"]),
    "more segments than are counted": (lambda frame: frame.assign(country=frame.index.astype(str)), ["country"]),
    "a time as text": (lambda frame: frame.assign(seen=frame["seen"].astype(str)), []),
    "a time as a float": (
        lambda frame: frame.assign(seen=frame["seen"].astype("datetime64[s]").astype(np.int64) / 1.0),
        [],
    ),
    "more days than are counted": (
        lambda frame: frame.assign(seen=pd.Timestamp("1700-01-01") + pd.to_timedelta(7 * frame.index, unit="D")),
        [],
    ),
    "a segment in which a value is always the same": (
        lambda frame: frame.assign(spend=frame["spend"].where(frame["is_new"], 12.3)),
        ["is_new"],
    ),
}


@pytest.mark.parametrize("kind", CARE)
def test_what_takes_more_care_is_left_to_the_engine(kind, engine_reads, no_engine, monkeypatch):
    change, segments = CARE[kind]
    source = broken_by_hand(change(rows(6_000)), segments)
    with pytest.raises(AssertionError, match="was opened"):
        read(source)
    monkeypatch.undo()
    assert_same(read(source), engine_reads(EXPERIMENT, source))


def test_a_missing_time_is_named(no_engine, monkeypatch):
    frame = rows(5_000)
    frame.loc[17, "seen"] = pd.NaT
    monkeypatch.undo()
    with pytest.raises(Exception, match="1 rows have no readable time"):
        read(Source.frame(frame, time="seen"))


def test_an_absurd_value_does_not_cost_segments_their_digits(engine_reads):
    frame = rows(20_000)
    frame.loc[0, ["spend", "country", "variant"]] = [1e13, "nl", "a"]
    source = broken_by_hand(frame, ["country"])
    assert_same(read(source), engine_reads(EXPERIMENT, source))


def test_quantiles_and_caps_are_broken_down_by_the_engine(engine_reads):
    source = broken_by_hand(rows(6_000), ["country"])
    for metric in (Quantile("spend", 0.5), Mean("spend", cap=0.99)):
        experiment = Experiment("ordered", VARIANTS, metric, secondary_metrics=SECONDARY[1:], plan=PLAN)
        assert_same(read(source, experiment), engine_reads(experiment, source))


def test_rows_of_other_variants_are_left_out(engine_reads):
    frame = rows(6_000)
    experiment = Experiment("broken", [Variant("a", 50, is_control=True), Variant("b", 50)], Mean("spend"), plan=PLAN)
    for keys in ({"segments": ["country"]}, {"segments": ["country"], "time": "seen"}):
        source = Source.frame(frame, variants={"a": "a", "b": "b"}, **keys)
        found = read(source, experiment)
        assert found.rows_left_out == int((frame["variant"] == "c").sum())
        assert_same(found, engine_reads(experiment, source))


NESTED = {
    "arrow lists": lambda frame: pa.Table.from_pandas(frame.assign(country=[[name] for name in frame["country"]])),
    "polars lists": lambda frame: pl.from_pandas(frame).with_columns(pl.concat_list("country").alias("country")),
    "pandas lists of arrow": lambda frame: frame.assign(
        country=pd.Series([[name] for name in frame["country"]], dtype=pd.ArrowDtype(pa.list_(pa.string())))
    ),
    "true and text": lambda frame: frame.assign(country=pd.Series([True, "true", "True", False] * 1_500, dtype=object)),
}


@pytest.mark.parametrize("kind", NESTED)
def test_labels_that_only_an_engine_can_write_are_left_to_it(kind, engine_reads):
    source = broken_by_hand(NESTED[kind](rows(6_000)), ["country"])
    found = read(source)
    assert len(found.segments[0].segments) == 3
    assert_same(found, engine_reads(EXPERIMENT, source))


def test_a_segment_that_is_named_twice_is_shown_twice(engine_reads):
    source = broken_by_hand(rows(2_000), ["country", "country"])
    assert_same(read(source), engine_reads(EXPERIMENT, source))


def test_events_count_also_where_the_exposures_have_a_column_of_their_name():
    exposures = rows(2_000).assign(user=np.arange(2_000))
    events = pd.DataFrame({"user": exposures["user"].repeat(2), "at": exposures["seen"].repeat(2), "spend": 500.0})
    source = Source.frame(exposures, unit="user", time="seen").with_events(Source.frame(events, unit="user", time="at"))
    found = read(source, Experiment("events", VARIANTS, Mean("spend"), plan=PLAN))
    block = found.metrics["spend"]
    assert delta_method(block.level, block.blocks, block.width).value == pytest.approx(1_000.0)


@pytest.mark.parametrize("unit", [None, "user"])
def test_infinite_times_are_named(unit):
    frame = rows(2_000).assign(seen=lambda made: made["seen"].astype("datetime64[s]").astype(np.int64) / 1.0)
    frame = frame.assign(user=frame.index // 2, variant=np.where(frame.index // 2 % 3, "a", "b"))
    frame.loc[frame["user"] == 5, "variant"] = "c"
    frame.loc[7, "seen"] = np.inf
    with pytest.raises(DataError, match=r"inf seconds since 1970 are in no year|have no readable time"):
        read(Source.frame(frame, time="seen", unit=unit))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_numbers_that_are_no_seconds_since_1970_are_named(kind):
    frame = rows(2_000).assign(seen=lambda made: made["seen"].astype("datetime64[ms]").astype(np.int64))
    source = Source.frame(FRAMES[kind](frame), time="seen")
    with pytest.raises(DataError, match=r"seconds since 1970 are in no year .* divide milliseconds by 1,000"):
        read(source)


def test_infinite_numbers_of_both_signs_are_named():
    frame = rows(2_000)
    frame.loc[[3, 7], "spend"] = [np.inf, -np.inf]
    frame.loc[[3, 7], "variant"] = "a"
    with pytest.raises(DataError, match="2 of 2,000 rows are infinite"):
        read(broken_by_hand(frame, ["country"]))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_small_frame_gives_what_the_engine_gives(data):
    size = data.draw(st.integers(6, 40))
    draw = lambda values: data.draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))  # noqa: E731
    frame = pd.DataFrame(
        {
            "variant": ["a", "b", "c", *draw(["a", "b", "c"])[3:]],
            "bought": draw([0, 1]),
            "spend": draw([0.0, 0.1, 2.5, 7.0]),
            "before": draw([1.0, 2.0, 4.0]),
            "orders": draw([0, 1, 3]),
            "sessions": draw([1, 2]),
            "level": draw([1e6, 1e6 + 1]),
            "seen": pd.to_datetime(
                draw(["2026-01-01 23:59:59.999999", "2026-01-02", "2026-01-05 12:00"]), format="ISO8601"
            ),
            "country": draw(["nl", "de", " de", ""]),
        }
    )
    source = broken_by_hand(frame, ["country"])
    found = read(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collector, "read_frame", lambda *_: None)
        expected = read(source)
    assert_same(found, expected)
