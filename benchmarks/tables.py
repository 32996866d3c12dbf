"""Made-up users and events, and where they lie: Parquet, SQLite, PostgreSQL."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import abkit as ab

NAMES = ("a", "b", "c", "d", "e")
_CHUNK = 500_000
_TYPES = {"string": "text", "double": "double precision", "int8": "smallint", "int32": "integer", "int64": "bigint"}


def six_metrics(variants: int) -> ab.Experiment:
    """Two rates, two means, a ratio and a mean with a covariate, judged once."""
    share = 100 / variants
    return ab.Experiment(
        "six-metrics",
        [ab.Variant(name, share, is_control=name == "a") for name in NAMES[:variants]],
        ab.Proportion("converted"),
        secondary_metrics=[
            ab.Proportion("clicked"),
            ab.Mean("revenue"),
            ab.Mean("duration"),
            ab.Ratio("orders", "sessions"),
            ab.Mean("spend", covariate="pre_spend"),
        ],
        plan=ab.Plan(inference="fixed"),
    )


def users_chunk(rng: np.random.Generator, size: int, variants: int) -> dict[str, np.ndarray | pa.Array]:
    code = rng.integers(0, variants, size, dtype=np.int8)
    lift, before = 1 + 0.01 * code, rng.gamma(2.0, 10.0, size)
    return {
        "variant": pa.DictionaryArray.from_arrays(code, NAMES[:variants]),
        "converted": (rng.random(size) < 0.05 * lift).astype(np.int8),
        "clicked": (rng.random(size) < 0.20 * lift).astype(np.int8),
        "revenue": np.where(rng.random(size) < 0.08, rng.lognormal(3.0, 1.0, size), 0.0) * lift,
        "duration": rng.lognormal(4.0, 0.8, size),
        "orders": rng.poisson(0.6 * lift).astype(np.int32),
        "sessions": (1 + rng.poisson(2.0, size)).astype(np.int32),
        "spend": 0.7 * before * lift + rng.gamma(2.0, 4.0, size),
        "pre_spend": before,
    }


def users(size: int, variants: int, seed: int = 1) -> pa.Table:
    """Wide rows, one per user."""
    return pa.concat_tables(chunks(size, variants, seed)).combine_chunks()


def chunks(size: int, variants: int, seed: int = 1) -> Iterator[pa.Table]:
    rng = np.random.default_rng(seed)
    for start in range(0, size, _CHUNK):
        yield pa.table(users_chunk(rng, min(_CHUNK, size - start), variants))


def events(rows: int, seed: int = 2, per_unit: int = 20) -> Iterator[pa.Table]:
    """Long rows, twenty per unit; a unit's values are alike."""
    rng, units = np.random.default_rng(seed), max(rows // per_unit, 10)
    effect = rng.normal(0, 0.5, units)
    for start in range(0, rows, _CHUNK):
        size = min(_CHUNK, rows - start)
        unit = rng.integers(0, units, size)
        code = (unit % 2).astype(np.int8)
        value = np.exp(4 + effect[unit] + rng.normal(0, 0.7, size)) * (1 + 0.01 * code)
        variant = pa.DictionaryArray.from_arrays(code, NAMES[:2])
        yield pa.table({"variant": variant, "unit": unit, "value": value, "steps": 1 + rng.poisson(2.0, size)})


def write_parquet(parts: Iterator[pa.Table] | list[pa.Table], file: Path) -> Path:
    writer = None
    for part in parts:
        writer = writer or pq.ParquetWriter(file, part.schema, compression="zstd")
        writer.write_table(part)
    assert writer is not None
    writer.close()
    return file


def _plain(part: pa.Table) -> pa.Table:
    return part.set_column(0, "variant", part["variant"].cast(pa.string()))


def write_sqlite(parts: Iterator[pa.Table] | list[pa.Table], file: Path) -> str:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for place, part in enumerate(map(_plain, parts)):
            if place == 0:
                names = ", ".join(f"{one.name} {_TYPES[str(one.type)]}" for one in part.schema)
                connection.execute(f"CREATE TABLE users ({names})")
            marks = ", ".join("?" * part.num_columns)
            rows = zip(*(column.to_pylist() for column in part.columns), strict=True)
            connection.executemany(f"INSERT INTO users VALUES ({marks})", rows)
    return f"sqlite:///{file}"


def write_postgresql(parts: Iterator[pa.Table] | list[pa.Table], url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS users")
        for place, part in enumerate(map(_plain, parts)):
            if place == 0:
                names = ", ".join(f"{one.name} {_TYPES[str(one.type)]}" for one in part.schema)
                connection.execute(f"CREATE TABLE users ({names})")  # type: ignore[call-overload]
            text = io.BytesIO()
            pyarrow.csv.write_csv(part, text, pyarrow.csv.WriteOptions(include_header=False))
            with connection.cursor().copy("COPY users FROM STDIN (FORMAT csv)") as copy:
                copy.write(text.getbuffer())
        connection.execute("VACUUM ANALYZE users")


@contextlib.contextmanager
def postgresql(url: str | None) -> Iterator[str | None]:
    """The server given, or one that is started as the tests start theirs; None where there is no program for it."""
    if url:
        yield url
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.databases import Server, _programs

    programs = _programs()
    if programs is None:
        yield None
        return
    server = Server(programs)
    try:
        yield server.url()
    finally:
        server.remove()
