"""The assignment rule as SQL, run by the engines themselves: PostgreSQL, DuckDB and Spark."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from sqlalchemy import String, column, create_engine, select, values

from abkit.assignment.expression import bucket_expression, duckdb_sql, spark_sql, variant_expression
from abkit.assignment.hashing import Split, bucket
from abkit.models import Variant

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors.json").read_text(encoding="utf-8"))["buckets"]
Found = Mapping[tuple[str, str], int]


def expected(*, nul: bool) -> Found:
    """The frozen buckets by experiment and user; PostgreSQL holds no text with NUL in it."""
    cases = {(v["experiment_id"], v["user_id"] * v.get("repeat", 1)): v["bucket"] for v in VECTORS}
    cases |= {("e-1", f"user-{n}"): bucket("e-1", f"user-{n}") for n in range(500)}
    return {case: found for case, found in cases.items() if nul or "\0" not in case[1]}


def by_experiment(cases: Found, ask: Callable[[str, list[str]], list[tuple[str, int]]]) -> Found:
    users: dict[str, list[str]] = {}
    for experiment_id, user_id in cases:
        users.setdefault(experiment_id, []).append(user_id)
    return {(name, user): found for name, theirs in users.items() for user, found in ask(name, theirs)}


def split() -> Split:
    return Split.between("it's\\", [Variant("o'b\\", 10.5, is_control=True), Variant("Ω", 0), Variant('"%s"', 89.5)])


def test_postgresql_gives_the_frozen_buckets(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    cases = expected(nul=False)
    parts = split()
    with engine.connect() as connection:

        def ask(experiment_id: str, users: list[str]) -> list[tuple[str, int]]:
            rows = values(column("user id", String), name="t").data([(user,) for user in users])
            asked = select(rows.c["user id"], bucket_expression(experiment_id, rows.c["user id"]))
            return [tuple(row) for row in connection.execute(asked)]

        assert by_experiment(cases, ask) == cases
        rows = values(column("u", String), name="t").data([(f"user-{n}",) for n in range(500)])
        variant = variant_expression(parts.experiment_id, parts.names, parts.bounds, rows.c.u)
        chosen = [tuple(row) for row in connection.execute(select(rows.c.u, variant))]
    engine.dispose()
    assert dict(chosen) == parts.by_user([f"user-{n}" for n in range(500)])


def test_duckdb_gives_the_frozen_buckets() -> None:
    cases = expected(nul=True)
    with duckdb.connect() as connection:

        def ask(experiment_id: str, users: list[str]) -> list[tuple[str, int]]:
            connection.register("t", pa.table({"user id": users}))
            statement, bound = duckdb_sql(experiment_id, "t", "user id")
            return list(zip(users, (row[0] for row in connection.execute(statement, bound).fetchall()), strict=True))

        assert by_experiment(cases, ask) == cases


@pytest.mark.spark
def test_spark_gives_the_frozen_buckets(spark: Any) -> None:
    cases = expected(nul=True)

    def ask(experiment_id: str, users: list[str]) -> list[tuple[str, int]]:
        rows = spark.createDataFrame([(user,) for user in users], "`user id` string").repartition(2)
        found = rows.selectExpr("`user id`", spark_sql(bucket_expression(experiment_id, column("user id"))))
        return [tuple(row) for row in found.collect()]

    assert by_experiment(cases, ask) == cases


@pytest.mark.spark
def test_spark_gives_the_variants_whatever_they_are_called(spark: Any) -> None:
    parts = split()
    users = [f"user-{n}" for n in range(500)]
    rows = spark.createDataFrame([(user,) for user in users], "`a``b` string").repartition(2)
    variant = spark_sql(variant_expression(parts.experiment_id, parts.names, parts.bounds, column("a`b")))
    found = rows.selectExpr("`a``b`", f"{variant} AS variant")
    assert dict(tuple(row) for row in found.collect()) == parts.by_user(users)
    counted = dict(tuple(row) for row in found.groupBy("variant").count().collect())
    assert counted == {name: list(parts.by_user(users).values()).count(name) for name in ("o'b\\", '"%s"')}
