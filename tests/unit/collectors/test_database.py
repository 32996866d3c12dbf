"""The same rows in SQLite, in PostgreSQL and in a frame give the same moments."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Boolean, Column, DateTime, Double, Engine, Integer, MetaData, Table, Text, create_engine, insert

from abkit.collectors import Source, collect
from abkit.errors import DataError, NotFoundError
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio, Variant
from abkit.snapshot import MetricMoments
from abkit.store.engine import open_engine

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def experiment(*metrics: object, variants: tuple[str, ...] = ("a", "b")) -> Experiment:
    arms = [Variant(name, 100 / len(variants), is_control=place == 0) for place, name in enumerate(variants)]
    return Experiment("demo", arms, metrics[0], secondary_metrics=list(metrics[1:]))


def events(seed: int = 1, units: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), rng.integers(1, 6, units))
    frame = pd.DataFrame(
        {
            "variant": np.array(["a", "b"])[unit % 2],
            "unit": [f"{u:03d}" for u in unit],
            "cost": rng.lognormal(0, 1, unit.size) + unit / units,
            "success": rng.integers(0, 2, unit.size),
            "calls": rng.integers(1, 9, unit.size),
            "before": unit / units + rng.normal(0, 0.1, unit.size),
            "good": rng.integers(0, 2, unit.size).astype(bool),
            "words": [f"{value:.3f}" for value in rng.normal(0, 1, unit.size)],
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10 * 86_400, unit.size), "s"),
            "part": np.where(rng.random(unit.size) < 0.2, None, rng.normal(3, 1, unit.size)),
        }
    )
    return frame.astype({"part": float})


TYPES = {
    "variant": Text,
    "unit": Text,
    "cost": Double,
    "success": Integer,
    "calls": Integer,
    "before": Double,
    "good": Boolean,
    "words": Text,
    "at": DateTime,
    "part": Double,
}


def stored(engine: Engine, frame: pd.DataFrame, **types: object) -> Table:
    kinds = {**TYPES, **types}
    table = Table("runs", MetaData(), *(Column(name, kinds.get(name, Double)) for name in frame.columns))
    table.create(engine)
    rows = [{key: None if value != value else value for key, value in row.items()} for row in frame.to_dict("records")]
    for row in rows:
        if isinstance(row.get("at"), pd.Timestamp):
            row["at"] = row["at"].to_pydatetime()
    with engine.begin() as connection:
        connection.execute(insert(table), rows)
    return table


@pytest.fixture
def database(database_url: str) -> Engine:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def assert_equal(got: object, expected: object) -> None:
    for name in ("units", "rows", "total_units", "rows_left_out", "contaminated_units", "incomplete_units", "as_of"):
        assert getattr(got, name) == getattr(expected, name), name
    assert got.duplicated_rows == expected.duplicated_rows
    assert list(got.series) == list(expected.series)
    pairs = [(got.metrics[name], expected.metrics[name]) for name in expected.metrics]
    pairs += [(got.series[name].moments, expected.series[name].moments) for name in expected.series]
    for left, right in pairs:
        assert type(left) is type(right)
        assert left.missing == right.missing
        if isinstance(right, MetricMoments):
            assert left.notes == right.notes
            assert left.is_rate_of_units == right.is_rate_of_units
            for one, other in zip(left.blocks, right.blocks, strict=True):
                np.testing.assert_allclose(one.n, other.n)
                np.testing.assert_allclose(one.mean, other.mean, rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-7, atol=1e-12)


METRICS = (
    Mean("cost"),
    Mean("cost", name="clipped", cap=0.9),
    Mean("cost", name="adjusted", covariate="before"),
    Proportion("success"),
    Proportion("good"),
    Ratio("cost", "calls"),
    Quantile("cost", 0.5),
    Quantile("cost", 0.9),
    Mean("words"),
    Mean("part", missing="drop"),
    Mean("part", name="filled", missing="zero"),
)
KEYS = {
    "rows": {},
    "units": {"unit": "unit"},
    "time": {"unit": "unit", "time": "at"},
    "time of rows": {"time": "at"},
    "filter": {"unit": "unit", "where": {"success": 1, "good": True}},
}


@pytest.mark.parametrize("keys", KEYS)
def test_a_database_gives_what_a_frame_gives(database: Engine, keys: str) -> None:
    frame, one = events(), experiment(*METRICS)
    stored(database, frame)
    expected = collect(one, Source.frame(frame, **KEYS[keys]), now=NOW)
    assert_equal(collect(one, Source.sql(database, "runs", **KEYS[keys]), now=NOW), expected)


def test_pairs_and_strangers(database: Engine) -> None:
    frame = events()
    both = pd.concat([frame.assign(variant="a"), frame.assign(variant="b", cost=frame["cost"] * 2)])
    stored(database, both)
    one = experiment(Mean("cost"), Quantile("cost", 0.5))
    keys = {"unit": "unit", "design": "paired"}
    assert_equal(
        collect(one, Source.sql(database, "runs", **keys), now=NOW),
        collect(one, Source.frame(both, **keys), now=NOW),
    )


def test_units_in_two_variants_are_left_out(database: Engine) -> None:
    frame = events()
    mixed = pd.concat([frame, frame[frame["unit"] == "000"].assign(variant="b")])
    stored(database, mixed)
    got = collect(experiment(Mean("cost")), Source.sql(database, "runs", unit="unit"), now=NOW)
    assert_equal(got, collect(experiment(Mean("cost")), Source.frame(mixed, unit="unit"), now=NOW))
    assert got.contaminated_units == 1


def test_a_select_is_a_table_too(database: Engine) -> None:
    frame = events()
    table = stored(database, frame)
    got = collect(experiment(Mean("cost")), Source.sql(database, table.select().where(table.c.calls > 4)), now=NOW)
    expected = collect(experiment(Mean("cost")), Source.frame(frame[frame["calls"] > 4]), now=NOW)
    assert_equal(got, expected)
    assert_equal(
        collect(experiment(Mean("cost")), Source.sql(database, table), now=NOW),
        collect(experiment(Mean("cost")), Source.frame(frame), now=NOW),
    )


def test_as_of_and_times_in_text(database: Engine) -> None:
    frame = events()
    texts = frame.assign(at=frame["at"].astype(str))
    stored(database, texts, at=Text)
    limit = datetime(2026, 1, 4, 23, 59, tzinfo=UTC)
    keys = {"unit": "unit", "time": "at"}
    got = collect(experiment(Mean("cost")), Source.sql(database, "runs", **keys), now=NOW, as_of=limit)
    assert_equal(got, collect(experiment(Mean("cost")), Source.frame(frame, **keys), now=NOW, as_of=limit))


BAD = {
    "text": (
        {"words": ["1", "2", "oops", "4"]},
        Mean("words"),
        {},
        DataError,
        "'words': 1 of 4 rows hold text.*'oops'",
    ),
    "underscore": ({"words": ["1", "2", "1_000", "4"]}, Mean("words"), {}, DataError, "'1_000'"),
    "missing": ({"cost": [1.0, None, 3, 4]}, Mean("cost"), {}, DataError, "1 of 4 rows have no value"),
    "infinite": ({"cost": [1.0, float("inf"), 3, 4]}, Mean("cost"), {}, DataError, "1 of 4 rows are infinite"),
    "time": ({"cost": [1.0] * 4, "at": ["2026-01-01"] * 3 + ["now"]}, Mean("cost"), {"time": "at"}, DataError, "time"),
    "column": ({"cost": [1.0] * 4}, Mean("costs"), {}, NotFoundError, "did you mean 'cost'"),
    "proportion": ({"cost": [1.0, 0, 1, 2]}, Proportion("cost"), {}, DataError, "other than 0 and 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_named(database: Engine, case: str) -> None:
    columns, metric, keys, kind, said = BAD[case]
    stored(database, pd.DataFrame({"variant": list("aabb"), **columns}), at=Text)
    with pytest.raises(kind, match=said):
        collect(experiment(metric), Source.sql(database, "runs", **keys), now=NOW)


def test_text_in_a_column_of_numbers_of_sqlite_is_not_zero(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (variant TEXT, cost REAL)")
        connection.exec_driver_sql("INSERT INTO runs VALUES ('a', 1), ('a', 'oops'), ('b', 0), ('b', 0)")
    with pytest.raises(DataError, match=r"1 of 4 rows hold text.*'oops'"):
        collect(experiment(Mean("cost")), Source.sql(engine, "runs"), now=NOW)
    engine.dispose()


def test_no_such_table_and_no_such_database(database: Engine) -> None:
    stored(database, events()[:4])
    with pytest.raises(NotFoundError, match="no table 'run'; did you mean 'runs'"):
        collect(experiment(Mean("cost")), Source.sql(database, "run"), now=NOW)
    with pytest.raises(DataError, match="cannot read the table runs"):
        collect(experiment(Mean("cost")), Source.sql("postgresql+psycopg://127.0.0.1:1/x", "runs"), now=NOW)


def test_hostile_names_are_names(database: Engine) -> None:
    name = 'x"; DROP TABLE runs; -- %(a)s ?:b'
    frame = events()[["variant", "cost"]].rename(columns={"cost": name})
    table = Table("runs", MetaData(), Column("variant", Text), Column(name, Double, key="hostile"))
    table.create(database)
    with database.begin() as connection:
        connection.execute(insert(table), [{"variant": v, "hostile": x} for v, x in frame.itertuples(index=False)])
    got = collect(experiment(Mean(name)), Source.sql(database, "runs"), now=NOW)
    assert_equal(got, collect(experiment(Mean(name)), Source.frame(frame), now=NOW))


def test_large_offsets_keep_their_digits(database: Engine) -> None:
    frame = events().assign(cost=lambda f: 1e8 + f["before"])
    stored(database, frame)
    one = experiment(Mean("cost"))
    assert_equal(
        collect(one, Source.sql(database, "runs", unit="unit"), now=NOW),
        collect(one, Source.frame(frame, unit="unit"), now=NOW),
    )
