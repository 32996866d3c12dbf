"""The same rows in every engine."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    MetaData,
    Numeric,
    Table,
    Text,
    create_engine,
    insert,
)

from abkit.collectors import Source

FRAMES = {"pandas": pa.Table.to_pandas, "polars": pl.from_arrow, "arrow": lambda rows: rows}
FILES = ("parquet", "glob", "folder", "csv")
DATABASES = ("sqlite", "postgresql")
WITHOUT_SPARK = (*FRAMES, *FILES, *DATABASES)
ENGINES = (*WITHOUT_SPARK, pytest.param("spark", marks=pytest.mark.spark))
ENGINES_IN_FULL = (*WITHOUT_SPARK, pytest.param("spark", marks=[pytest.mark.spark, pytest.mark.full]))
SKETCHING = tuple(engine for engine in ENGINES if engine not in DATABASES)


class Place(Protocol):
    def __call__(self, rows: pa.Table, /, called: str = "runs", **keys: Any) -> Source: ...


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Puts an Arrow table into the engine that the test names, and describes it there."""
    engine: str = request.param
    if engine in FRAMES:
        yield lambda rows, called="runs", **keys: Source.frame(FRAMES[engine](rows), **keys)
    elif engine in FILES:
        yield lambda rows, called="runs", **keys: _in_files(engine, tmp_path / called, rows, keys)
    elif engine == "spark":
        session = request.getfixturevalue("spark")
        yield lambda rows, called="runs", **keys: Source.spark(
            session, session.createDataFrame(_in_utc(rows)).repartition(2), **keys
        )
        assert session.conf.get("spark.sql.session.timeZone") == "America/New_York"
        assert not [view.name for view in session.catalog.listTables() if view.isTemporary]
    else:
        url = str(request.getfixturevalue(f"{engine}_url")).replace("postgresql:", "postgresql+psycopg:")
        database = create_engine(url)
        yield lambda rows, called="runs", **keys: Source.sql(database, _stored(database, called, rows), **keys)
        database.dispose()


def _in_utc(rows: pa.Table) -> pa.Table:
    """The same times with a zone: Spark takes those without one to be in the session's."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            rows = rows.set_column(place, field.name, rows[place].cast(pa.timestamp("us", "UTC")))
    return rows


def _in_files(kind: str, folder: Path, rows: pa.Table, keys: dict[str, Any]) -> Source:
    folder.mkdir()
    if kind == "csv":
        with open(folder / "rows.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(rows.column_names)
            writer.writerows(zip(*(column.to_pylist() for column in rows.columns), strict=True))
        return Source.csv(folder / "rows.csv", **keys)
    if kind == "parquet":
        pq.write_table(rows, folder / "rows.parquet")
        return Source.parquet(folder / "rows.parquet", **keys)
    if kind == "glob":
        half = len(rows) // 2
        for name, part in (("1", rows[:half]), ("2", rows[half:])):
            pq.write_table(part, folder / f"rows-{name}.parquet")
        return Source.parquet(folder / "rows-*.parquet", **keys)
    pq.write_to_dataset(rows, folder / "rows", partition_cols=["variant"] if "variant" in rows.column_names else None)
    (folder / "rows" / "_SUCCESS").touch()
    return Source.parquet(folder / "rows", **keys)


_TYPES: list[tuple[Callable[[pa.DataType], bool], Any]] = [
    (pa.types.is_string, Text()),
    (pa.types.is_large_string, Text()),
    (pa.types.is_boolean, Boolean()),
    (pa.types.is_integer, BigInteger()),
    (pa.types.is_floating, Double()),
    (pa.types.is_timestamp, DateTime()),
]


def _stored(database: Any, called: str, rows: pa.Table) -> Table:
    """SQLite has no decimals: they are floats there, as they are in every SQLite table."""
    decimal = Double() if database.dialect.name == "sqlite" else Numeric(20, 2)
    kinds = [next((kind for test, kind in _TYPES if test(field.type)), decimal) for field in rows.schema]
    columns = [Column(name, kind) for name, kind in zip(rows.column_names, kinds, strict=True)]
    table = Table(called, MetaData(), *columns)
    table.create(database)
    listed = rows.to_pylist()
    if database.dialect.name == "sqlite":
        floats = [column.name for column in columns if column.type is decimal]
        listed = [{**row, **{name: float(row[name]) for name in floats}} for row in listed]
    with database.begin() as connection:
        connection.execute(insert(table), listed)
    return table
