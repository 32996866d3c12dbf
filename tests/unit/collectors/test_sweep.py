"""Rows that need no care are read once, and give what the careful reading gives; all others are left to it."""

import functools
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event

import abkit as ab
from abkit.collectors import Source, collect, collector
from abkit.collectors.clusters import read_clusters
from abkit.collectors.frame import read_frame
from abkit.errors import DataError, NotFoundError
from abkit.models import Experiment, Mean, Plan, Proportion, Quantile, Ratio, Variant
from abkit.snapshot import NotCollected
from abkit.stats import delta_method

NOW = datetime(2026, 11, 26, tzinfo=UTC)
EXPERIMENT = Experiment(
    key="sweep",
    variants=[Variant("a", 50, is_control=True), Variant("b", 50)],
    primary_metric=Proportion("converted"),
    secondary_metrics=[
        Mean("spend", covariate="before"),
        Mean("level"),
        Ratio("orders", "sessions"),
        Proportion("flag"),
    ],
    min_sample_size=10,
    plan=Plan(inference="fixed"),
)


def wide(rows: int = 40_000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    treated = rng.integers(0, 2, rows)
    before = rng.gamma(2, 10, rows)
    return pd.DataFrame(
        {
            "variant": np.array(["a", "b"])[treated],
            "converted": (rng.random(rows) < 0.1).astype(np.int8),
            "flag": rng.random(rows) < 0.4,
            "spend": before + rng.normal(0, 3, rows) + treated,
            "before": before,
            "level": 1e6 + rng.normal(0, 1, rows),
            "orders": rng.poisson(2, rows),
            "sessions": rng.poisson(3, rows) + 1,
        }
    )


def events(rows: int = 9_000) -> pd.DataFrame:
    frame = wide(rows)
    frame["user"] = np.random.default_rng(3).integers(0, rows // 4, rows)
    frame["variant"] = np.where(frame["user"] % 2, "a", "b")
    return frame


def assert_same(left, right):
    for name in ("units", "rows", "total_units", "rows_left_out", "contaminated_units", "duplicated_rows", "days"):
        assert getattr(left, name) == getattr(right, name), name
    for name, moments in right.metrics.items():
        swept = left.metrics[name]
        if isinstance(moments, NotCollected):
            assert swept == moments
            continue
        assert swept.is_rate_of_units == moments.is_rate_of_units
        assert swept.missing == moments.missing
        found, wanted = (delta_method(one.level, one.blocks, one.width) for one in (swept, moments))
        np.testing.assert_allclose(found.value, wanted.value, rtol=1e-12)
        np.testing.assert_allclose(found.covariance, wanted.covariance, rtol=1e-9)
        for one, other in zip(swept.blocks, moments.blocks, strict=True):
            np.testing.assert_allclose(np.diagonal(one.covariance), np.diagonal(other.covariance), rtol=1e-8)


def answer(reading, source, experiment):
    """What a reading gives, or how it refuses."""
    try:
        return reading(experiment, source)
    except (DataError, NotFoundError) as error:
        return f"{type(error).__name__}: {error}"


def assert_same_answer(source, careful, experiment=EXPERIMENT):
    expected = answer(careful, source, experiment)
    found = answer(functools.partial(collect, now=NOW, details=False), source, experiment)
    if isinstance(expected, str):
        assert found == expected
    else:
        assert_same(found, expected)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "categories", "whole numbers"])
def test_a_frame_is_read_in_one_pass_without_an_engine(kind, careful, monkeypatch):
    frame, keys = wide(), {}
    if kind == "categories":
        frame["variant"] = frame["variant"].astype("category")
    if kind == "whole numbers":
        frame["variant"], keys = (frame["variant"] == "b").astype(np.int64), {"variants": {"a": 0, "b": 1}}
    makers = {"polars": pl.from_pandas, "arrow": pa.Table.from_pandas}
    source = Source.frame(makers.get(kind, lambda same: same)(frame), **keys)
    expected = careful(EXPERIMENT, source)
    monkeypatch.setattr(collector, "open_source", lambda *_: pytest.fail("an engine was opened"))
    assert_same(collect(EXPERIMENT, source, now=NOW, details=False), expected)


LONE = {
    "whole numbers": lambda numbers: numbers,
    "text": lambda numbers: np.char.add("u", numbers.astype(str)),
}


@pytest.mark.parametrize("units", LONE)
@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_so_is_a_frame_whose_rows_are_units_of_their_own(kind, units, careful, monkeypatch):
    frame = wide().assign(user=LONE[units](np.arange(40_000)[::-1]))
    makers = {"polars": pl.from_pandas, "arrow": pa.Table.from_pandas}
    source = Source.frame(makers.get(kind, lambda same: same)(frame), unit="user")
    expected = careful(EXPERIMENT, source)
    monkeypatch.setattr(collector, "open_source", lambda *_: pytest.fail("an engine was opened"))
    assert_same(collect(EXPERIMENT, source, now=NOW, details=False), expected)


@pytest.mark.parametrize(
    "units",
    [
        lambda numbers: numbers // 2,
        lambda numbers: np.where(numbers == 7, "u8 ", np.char.add("u", numbers.astype(str))),
        lambda numbers: np.where(numbers == 7, " ", np.char.add("u", numbers.astype(str))),
        lambda numbers: pd.Series(numbers, dtype=object).where(numbers != 7),
        lambda numbers: pd.Series(numbers, dtype=object).where(numbers != 7, "seven"),
        lambda numbers: pd.Series([2**70 + int(number) for number in numbers], dtype=object),
        lambda numbers: pd.Series([f"\ud800{number}" for number in numbers], dtype=object),
        lambda numbers: numbers / 1.0,
    ],
    ids=[
        "two rows each",
        "a blank",
        "blank",
        "missing",
        "text among numbers",
        "large",
        "half a character",
        "fractions",
    ],
)
def test_units_that_one_pass_cannot_judge_are_left_to_the_careful_reading(units, careful):
    frame = wide(4_000).assign(user=units(np.arange(4_000)))
    frame["variant"] = np.where(np.arange(4_000) // 2 % 2, "a", "b")
    frame.loc[8, "variant"] = frame.loc[7, "variant"]
    source = Source.frame(frame, unit="user")
    assert read_frame(EXPERIMENT, source) is None
    assert_same_answer(source, careful)


@pytest.mark.parametrize("unit", [None, "user"])
def test_what_only_looks_like_a_frame_is_left_to_the_engine(unit):
    relation = duckdb.from_df(wide(400).assign(user=np.arange(400)))
    assert read_frame(EXPERIMENT, Source.frame(relation, unit=unit)) is None


@pytest.mark.parametrize("unit", [None, "user"])
@pytest.mark.parametrize("kind", ["parquet", "sqlite", "postgresql"])
def test_an_engine_reads_in_one_statement_what_the_careful_reading_gives(kind, unit, careful, tmp_path, request):
    frame = events()
    frame["flag"] = frame["flag"].astype(np.int8)
    if kind == "parquet":
        frame.to_parquet(tmp_path / "rows.parquet")
        source = Source.parquet(tmp_path / "rows.parquet", unit=unit)
    else:
        url = f"sqlite:///{tmp_path / 'rows.db'}" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
        engine = create_engine(url)
        request.addfinalizer(engine.dispose)
        frame.to_sql("sweep_rows", engine, index=False, if_exists="replace")
        source = Source.sql(engine, "sweep_rows", unit=unit)
        statements: list[str] = []
        event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    expected = careful(EXPERIMENT, source)
    if kind != "parquet":
        statements.clear()
    assert_same(collect(EXPERIMENT, source, now=NOW, details=False), expected)
    if kind != "parquet":
        read = [one for one in statements if "FROM sweep_rows" in one]
        assert len(read) == (2 if unit is None else 3)  # a pilot, the sums and, with units of many rows, duplicates


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.assign(level=frame["level"].where(frame.index != 7)),
        lambda frame: frame.assign(spend=frame["spend"].where(frame.index != 7)),
        lambda frame: frame.assign(spend=frame["spend"].where(frame.index != 7, np.inf)),
        lambda frame: frame.assign(converted=frame["converted"].where(frame.index != 7, 2)),
        lambda frame: frame.assign(converted=frame["converted"].where(frame.index != 7, 0.5)),
        lambda frame: frame.assign(spend=frame["spend"].astype(str)),
        lambda frame: frame.assign(variant=frame["variant"].where(frame.index != 7, "c")),
        lambda frame: frame.assign(variant=frame["variant"].where(frame.index != 7)),
        lambda frame: frame.assign(variant=frame["variant"].where(frame.index != 7, "  ")),
        lambda frame: frame.drop(columns="orders"),
        lambda frame: frame[frame["variant"] == "a"],
        lambda frame: frame.assign(spend=1e200 * frame["spend"]),
        lambda frame: frame.iloc[:0],
    ],
)
def test_what_one_pass_cannot_judge_is_left_to_the_careful_reading(spoil, careful):
    frame = spoil(wide(4_000))
    assert read_frame(EXPERIMENT, Source.frame(frame)) is None
    assert_same_answer(Source.frame(frame), careful)


@pytest.mark.parametrize("spoil", ["trailing blank", "two variants", "no unit", "nan", "two", "empty"])
def test_events_that_need_care_get_it(spoil, careful, tmp_path):
    frame = events()
    if spoil == "trailing blank":
        frame["variant"] = frame["variant"].where(frame.index % 3 > 0, frame["variant"] + " ")
    if spoil == "two variants":
        frame.loc[5, "variant"] = {"a": "b", "b": "a"}[frame.loc[5, "variant"]]
    if spoil == "no unit":
        frame["user"] = frame["user"].where(frame.index != 5)
    if spoil == "nan":
        frame.loc[5, "spend"] = np.nan
    if spoil == "empty":
        frame["spend"] = frame["spend"].where(frame["variant"] == "a")
    if spoil == "two":
        frame.loc[5, "converted"] = 2
    frame.to_parquet(tmp_path / "rows.parquet")
    assert_same_answer(Source.parquet(tmp_path / "rows.parquet", unit="user"), careful)


def test_blanks_around_names_of_variants_do_not_count(careful):
    frame = wide(4_000)
    frame["variant"] = frame["variant"].where(frame.index % 3 > 0, frame["variant"] + " ")
    assert read_frame(EXPERIMENT, Source.frame(frame)) is not None
    assert_same_answer(Source.frame(frame), careful)


def test_quantiles_and_caps_are_read_beside_the_single_pass(careful, tmp_path):
    frame = events()
    frame.to_parquet(tmp_path / "rows.parquet")
    mixed = replace(
        EXPERIMENT,
        guardrail_metrics=[Quantile("spend", 0.9, margin=0.2), Mean("before", cap=0.99, name="capped", margin=0.2)],
    )
    source = Source.parquet(tmp_path / "rows.parquet", unit="user")
    assert_same(collect(mixed, source, now=NOW, details=False), careful(mixed, source))


@settings(max_examples=25, deadline=None)
@given(
    offset=st.sampled_from([0.0, 1.0, -1e9, 1e12]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    rows=st.integers(4, 200),
    seed=st.integers(0, 999),
)
def test_sums_keep_their_digits_or_are_read_again(offset, scale, rows, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"variant": ["a", "b"] * rows, "score": offset + scale * rng.normal(size=2 * rows)})
    one = functools.partial(replace, EXPERIMENT, secondary_metrics=[])
    found = collect(one(primary_metric=Mean("score")), Source.frame(frame), now=NOW, details=False).metrics["score"]
    for name, block in zip("ab", found.blocks, strict=True):
        values = frame["score"][frame["variant"] == name].to_numpy()
        np.testing.assert_allclose(block.covariance[0, 0], (values - values[0]).var(ddof=1), rtol=1e-5)


def test_a_ratio_that_never_varies_has_no_spread():
    frame = pd.DataFrame({"variant": ["a", "b"] * 50, "orders": np.arange(100) * 0.3, "sessions": np.arange(100) * 0.1})
    only = replace(EXPERIMENT, primary_metric=Ratio("orders", "sessions"), secondary_metrics=[])
    analysis = ab.analyze(only, frame)
    assert next(check for check in analysis.checks if check.name == "variance").status == "fail"


def test_details_are_read_when_they_are_asked_for():
    frame = wide(2_000)
    assert ab.analyze(EXPERIMENT, frame).distributions == ()
    assert {one.column for one in ab.analyze(EXPERIMENT, frame, details=True).distributions} == {"spend", "level"}


WRITTEN = {
    "whole numbers": (lambda one: one.map({"a": 1, "b": -20}), {"a": "1", "b": "-20"}),
    "whole numbers, said otherwise": (lambda one: one.map({"a": 1, "b": 2}), {"a": "1", "b": "02"}),
    "whole numbers, said in words": (lambda one: one.map({"a": 1, "b": 2}), {"a": "one", "b": "two"}),
    "more digits than a number has": (lambda one: one.map({"a": 1, "b": 2}), {"a": "1", "b": "9" * 30}),
    "categories": (lambda one: pd.Categorical(one, ["b", "a", "c"]), None),
    "categories without one": (lambda one: pd.Categorical(one.where(one == "a", "c")), {"a": "a", "b": "b"}),
    "others beside them": (lambda one: one.where(np.arange(len(one)) % 9 > 0, "c"), {"a": "a", "b": "b"}),
    "others that are not left out": (lambda one: one.where(np.arange(len(one)) % 9 > 0, "c"), None),
    "capitals": (lambda one: one.str.upper(), None),
    "blanks": (lambda one: one + " ", None),
    "crossed": (lambda one: one.where(np.arange(len(one)) > 3, "a"), None),
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_variants_of_units_are_told_apart_however_they_are_written(kind, engine, careful, tmp_path):
    written, values = WRITTEN[kind]
    frame = events(3_000)
    frame["variant"] = written(frame["variant"])
    if engine == "duckdb":
        frame.to_parquet(tmp_path / "events.parquet")
        source = Source.parquet(tmp_path / "events.parquet", unit="user", variants=values)
    else:
        database = create_engine(f"sqlite:///{tmp_path}/events.db")
        frame.to_sql("events", database)
        source = Source.sql(database, "events", unit="user", variants=values)
    assert_same_answer(source, careful)


ORDERED = replace(
    EXPERIMENT,
    secondary_metrics=[
        *EXPERIMENT.secondary_metrics,
        *(Quantile("spend", q) for q in (0.5, 0.99, 0.999)),
        Quantile("orders", 0.5),
        Quantile("before", 0.25, goal="minimize"),
    ],
)
UNITS = {
    "whole numbers": lambda user: user,
    "whole numbers far apart": lambda user: user.astype("int64") * 2**40 - 2**50,
    "whole numbers without sign": lambda user: user.astype("uint64") + 2**63,
    "texts": lambda user: "user " + user.astype(str),
    "texts with blanks around": lambda user: user.astype(str) + " ",
}


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "arrow in pieces"])
def test_quantiles_of_clusters_in_a_frame_are_read_off_its_values(kind, units, careful, monkeypatch):
    frame = events()
    frame["user"] = UNITS[units](frame["user"])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pieces = pa.Table.from_batches(table.to_batches(max_chunksize=700))
    source = Source.frame(
        {"pandas": frame, "polars": pl.from_pandas(frame), "arrow": table, "arrow in pieces": pieces}[kind], unit="user"
    )
    found = read_clusters(ORDERED, source)
    assert found is not None
    assert found.reading.orders["spend_p99"].reason is None
    assert "needs at least" in found.reading.orders["spend_p99.9"].reason
    assert "share the value" in found.reading.orders["orders_p50"].reason
    assert_same_answer(source, careful, ORDERED)
    monkeypatch.setattr(collector, "read_ahead", None)  # no engine orders anything
    collect(ORDERED, source, now=NOW, details=False)


def spoiled(kind):
    frame = events(4_000)
    if kind == "a unit in two variants":
        frame.loc[5, "variant"] = {"a": "b", "b": "a"}[frame.loc[5, "variant"]]
    if kind == "another variant":
        frame.loc[frame["user"] == frame["user"][5], "variant"] = "c"
    if kind == "no number":
        frame.loc[5, "spend"] = np.nan
    if kind == "an infinite number":
        frame.loc[5, "spend"] = np.inf
    if kind == "no rate":
        frame.loc[5, "converted"] = 2
    if kind == "no unit":
        frame["user"] = frame["user"].astype(str).where(frame.index != 5)
    if kind == "a blank unit":
        frame["user"] = frame["user"].astype(str).where(frame.index != 5, " ")
    if kind == "one unit in two spellings":
        frame["user"] = frame["user"].astype(str).where(frame.index != 5, frame["user"].astype(str) + " ")
    if kind == "units that are fractions":
        frame["user"] = frame["user"] / 2
    if kind == "one variant":
        frame["variant"] = "a"
    return frame.iloc[:0] if kind == "no rows" else frame


@pytest.mark.parametrize(
    "kind",
    [
        "a unit in two variants",
        "another variant",
        "no number",
        "an infinite number",
        "no rate",
        "no unit",
        "a blank unit",
        "one unit in two spellings",
        "units that are fractions",
        "one variant",
        "no rows",
    ],
)
def test_clusters_that_need_care_get_it(kind, careful):
    source = Source.frame(spoiled(kind), unit="user")
    assert read_clusters(ORDERED, source) is None
    assert_same_answer(source, careful, ORDERED)


def test_clusters_are_left_to_the_engine_where_it_is_asked_for_more():
    source = Source.frame(events(2_000), unit="user")
    assert read_clusters(ORDERED, source) is not None
    assert read_clusters(EXPERIMENT, source) is None
    for metric in (Mean("spend", cap=0.9, name="capped"), Quantile("spend", 0.5, method="sketch", name="sketched")):
        asked = replace(ORDERED, secondary_metrics=[*ORDERED.secondary_metrics, metric])
        assert read_clusters(asked, source) is None


@pytest.mark.parametrize("column", ["converted", "flag", "spend"])
@pytest.mark.parametrize("value", ["text", b"\x01", None, 2**62, 0.5], ids=["text", "bytes", "nothing", "huge", "half"])
def test_what_a_column_of_numbers_in_sqlite_may_hold_is_judged_with_care(value, column, careful, tmp_path):
    frame = wide(4_000)
    frame["flag"] = frame["flag"].astype(np.int8)
    engine = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    frame.to_sql("users", engine, index=False)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE users SET {column} = ? WHERE rowid IN (7, 8, 9, 10)", (value,))
    assert_same_answer(Source.sql(engine, "users"), careful)
    turned = replace(EXPERIMENT, primary_metric=Mean("orders"), guardrail_metrics=[Proportion("converted", margin=0.1)])
    assert_same_answer(Source.sql(engine, "users"), careful, turned)
    engine.dispose()


@pytest.mark.parametrize("unit", [None, "user"])
@pytest.mark.parametrize("values", [(np.inf, -np.inf), (1e308, 1.7e308, -1.7e308)], ids=["infinite", "large"])
def test_numbers_of_sqlite_whose_sum_is_none_are_judged_with_care(values, unit, careful, tmp_path):
    frame = wide(4_000).assign(flag=lambda made: made["flag"].astype(np.int8), user=np.arange(4_000) // 2)
    frame["variant"] = np.where(frame["user"] % 2, "a", "b")
    places = [3_000, 3_001, 3_004][: len(values)]
    frame.loc[places, "spend"] = values
    frame.loc[places, "user"] = 1_500
    frame.loc[places, "variant"] = "b"
    engine = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    frame.to_sql("users", engine, index=False)
    assert_same_answer(Source.sql(engine, "users", unit=unit), careful)
    engine.dispose()


@pytest.mark.parametrize("unit", [None, "user"])
def test_a_boolean_of_sqlite_that_is_two_is_no_rate(unit, careful, tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE users (user INTEGER, variant TEXT, bought BOOLEAN)")
        rows = [(place // 2, "ab"[place // 2 % 2], place % 3) for place in range(200)]
        connection.exec_driver_sql("INSERT INTO users VALUES (?, ?, ?)", rows)
    experiment = replace(EXPERIMENT, primary_metric=Proportion("bought"), secondary_metrics=[])
    source = Source.sql(engine, "users", unit=unit)
    with pytest.raises(DataError, match="other than 0 and 1"):
        collect(experiment, source, now=NOW)
    assert_same_answer(source, careful, experiment)
    engine.dispose()
