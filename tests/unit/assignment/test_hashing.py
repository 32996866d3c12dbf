import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats
from sqlalchemy import String, column, select
from sqlalchemy.dialects import postgresql, sqlite

from abkit.assignment.expression import bucket_expression, duckdb_sql, spark_sql, variant_expression
from abkit.assignment.hashing import Split, bucket, buckets, text_of
from abkit.errors import ParameterError
from abkit.models import Variant

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors.json").read_text(encoding="utf-8"))
CASES = [(v["about"], v["experiment_id"], v["user_id"] * v.get("repeat", 1), v["bucket"]) for v in VECTORS["buckets"]]
EXPERIMENT = "2c4e1b1e-8f5f-4d0a-9a61-0b7f0c3f6a11"


def variants(*shares: float) -> list[Variant]:
    return [Variant(f"v{place}", share, is_control=place == 0) for place, share in enumerate(shares)]


@pytest.mark.parametrize(("experiment_id", "user_id", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_frozen_vectors(experiment_id: str, user_id: str, expected: int) -> None:
    assert bucket(experiment_id, user_id) == expected
    assert buckets(experiment_id, [user_id]).tolist() == [expected]


def test_frozen_splits() -> None:
    for vector in VECTORS["splits"]:
        assert list(Split.between("e", variants(*vector["traffic"])).bounds) == vector["bounds"], vector


def test_the_batch_and_duckdb_give_the_buckets_of_the_scalar() -> None:
    users = [user for _, experiment_id, user, _ in CASES if experiment_id == EXPERIMENT]
    users += [f"user-{i}" for i in range(5000)]
    expected = [bucket(EXPERIMENT, user) for user in users]
    for form in (list, pd.Series, pl.Series, pa.array, lambda u: np.array(u, dtype=object), tuple):
        assert buckets(EXPERIMENT, form(users)).tolist() == expected
    statement, values = duckdb_sql(EXPERIMENT, "t", "user id")
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"user id": users}))
        assert [row[0] for row in connection.execute(statement, values).fetchall()] == expected


def test_categories_views_and_slices_of_series_are_read_by_position() -> None:
    users = [f"user-{i % 7}" for i in range(100)]
    expected = [bucket(EXPERIMENT, user) for user in users]
    series = pd.Series(users, index=range(1000, 900, -1))
    assert buckets(EXPERIMENT, series).tolist() == expected
    assert buckets(EXPERIMENT, series.astype("category")).tolist() == expected
    assert buckets(EXPERIMENT, pa.array(users).dictionary_encode()).tolist() == expected
    assert buckets(EXPERIMENT, pa.chunked_array([users[:30], users[30:]])).tolist() == expected
    assert buckets(EXPERIMENT, np.array(users)).tolist() == expected


def test_whole_numbers_stand_for_their_digits() -> None:
    expected = [bucket(EXPERIMENT, text) for text in ("7", "-1", "123456789012")]
    for form in (list, pd.Series, pl.Series, np.array, lambda u: np.array(u, dtype=object)):
        assert buckets(EXPERIMENT, form([7, -1, 123456789012])).tolist() == expected
    assert buckets(EXPERIMENT, [7, "007", 2**70]).tolist() == [bucket(EXPERIMENT, t) for t in ("7", "007", str(2**70))]
    assert text_of(np.int64(7)) == "7"


@pytest.mark.parametrize("bad", [1.0, None, True, b"x", "\ud800", float("nan")])
def test_what_is_no_id_is_refused_by_both(bad: object) -> None:
    with pytest.raises(ParameterError):
        text_of(bad)
    for users in ([bad], ["user-1", bad], pd.Series(["user-1", bad], dtype=object)):
        with pytest.raises(ParameterError):
            buckets(EXPERIMENT, users)


@pytest.mark.parametrize("bad", ["", "a\0b", "x" * 1025, "\U0001f642" * 257])
def test_what_no_store_can_keep_is_refused(bad: str) -> None:
    with pytest.raises(ParameterError, match="cannot be stored"):
        text_of(bad)


def test_each_of_fifty_experiments_splits_evenly() -> None:
    users = pa.array([f"user-{i}" for i in range(20_000)])
    p_values = []
    for number in range(50):
        counts = np.bincount(buckets(f"experiment-{number:02d}", users) // 100, minlength=100)
        p_values.append(stats.chisquare(counts).pvalue)
    assert min(p_values) > 1e-4
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_fifty_experiments_are_independent_even_one_character_apart() -> None:
    users = pa.array([str(i) for i in range(20_000)])
    keys = [f"checkout-{number:02d}" for number in range(50)]
    points = np.stack([buckets(key, users) for key in keys]).astype(float)
    correlation = np.corrcoef(points) - np.eye(len(keys))
    assert np.abs(correlation).max() < 0.05
    halves = np.corrcoef(points < 5000) - np.eye(len(keys))
    assert np.abs(halves).max() < 0.05


def test_a_growing_share_never_moves_a_user_who_stays_inside_it() -> None:
    users = pa.array([f"user-{i}" for i in range(20_000)])
    inside = np.zeros(len(users), bool)
    for share in (0.01, 0.5, 1, 5, 10, 33.33, 50, 75, 99.99, 100):
        now = Split.between(EXPERIMENT, variants(share, round(100 - share, 2))).codes(users) == 0
        assert now[inside].all()
        assert abs(now.mean() - share / 100) < 0.015
        inside = now


def test_the_split_gives_each_user_the_same_variant_one_by_one_and_at_once() -> None:
    users = [f"user-{i}" for i in range(2000)]
    split = Split.between(EXPERIMENT, variants(0, 10.5, 0, 39.5, 50, 0))
    assert [split.names[code] for code in split.codes(users)] == [split.variant(user) for user in users]
    assert set(split.by_bucket) == {"v1", "v3", "v4"}
    statement = select(
        variant_expression(split.experiment_id, split.names, split.bounds, column("user_id", String)).label("variant")
    )
    assert "CASE WHEN" in str(statement.compile(dialect=postgresql.dialect()))


def test_no_user_is_without_a_variant_where_traffic_sums_to_a_little_less() -> None:
    assert set(Split.between("e", variants(33.33, 33.33, 33.33)).by_bucket) == {"v0", "v1", "v2"}


def test_spark_sql_keeps_names_names_and_values_values() -> None:
    text = spark_sql(variant_expression("it's\\", ("a'", "b"), (5000, 10000), column("user`id")))
    assert "concat('it\\'s\\\\:', `user``id`)" in text
    assert "THEN 'a\\''" in text


def test_a_database_without_sha256_is_told_about() -> None:
    with pytest.raises(ParameterError, match="no sha256"):
        str(select(bucket_expression("e", column("u"))).compile(dialect=sqlite.dialect()))
