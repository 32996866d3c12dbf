"""`ab.analyze` as a person types it, against the least that gives the same numbers: six metrics, two and five variants.

abkit's side does all that it does by default. The bounds check nothing and count nothing but what they need.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import bounds
import duckdb
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy
import tables
from measure import compare, main

import abkit as ab

Plans = Iterator[dict[str, Any]]


def analysis(experiment: ab.Experiment, data: Any) -> ab.Analysis:
    """What is measured; the one place where it is called."""
    return ab.analyze(experiment, data)


def check(found: ab.Analysis, theirs: list[tuple[float, ...]]) -> None:
    """The bound gives the same differences and p-values: else it bounds nothing."""
    pairs = [(one.difference.value, metric.name) for metric in found.metrics for one in metric.comparisons]
    values = sorted(value for value, _ in pairs if value is not None)
    assert np.allclose(values, sorted(one[0] for one in theirs), rtol=1e-6, atol=1e-9), (values, theirs)


def numpy_bound(table: pa.Table, variants: int) -> Callable[[], list[tuple[float, ...]]]:
    columns = [table[name].to_numpy() for name in bounds.COLUMNS]
    codes = np.asarray(table["variant"].combine_chunks().indices)
    return lambda: bounds.compared(bounds.one_pass(columns, codes, variants))


def sql_bound(run: Callable[[str], list[Any]], table: str) -> list[tuple[float, ...]]:
    return bounds.compared(bounds.from_sums(run(bounds.sums_sql(table))))


def duckdb_rows(connection: duckdb.DuckDBPyConnection, statement: str) -> list[Any]:
    return connection.execute(statement).fetchall()


def frames(size: int, variants: int, **limits: Any) -> Plans:
    table = tables.users(size, variants)
    experiment, bound = tables.six_metrics(variants), numpy_bound(table, variants)
    kinds = {"pandas": table.to_pandas(), "Arrow": table}
    for kind, frame in kinds.items():
        check(analysis(experiment, frame), bound())
        name = f"{kind} frame, {variants} variants"
        own = partial(analysis, experiment, frame)
        yield compare(name, own, bound, goal=1.3, goal_mib=32, users=size, **limits)


def notebook(variants: int = 2, size: int = 10_000, **limits: Any) -> Plans:
    frame = tables.users(size, variants)
    bound, name = numpy_bound(frame, variants), "10,000 users in a pandas frame"
    own = partial(analysis, tables.six_metrics(variants), frame.to_pandas())
    # Several calls, because the garbage that is collected before them leaves the caches of the processor empty.
    yield compare(name, own, bound, goal_seconds=0.005, calls=10, users=size, **limits)


def parquet(size: int, variants: int, folder: Path, **limits: Any) -> Plans:
    experiment = tables.six_metrics(variants)
    file = tables.write_parquet(tables.chunks(size, variants), folder / f"users_{variants}.parquet")
    copy = folder / f"duckdb_{variants}.parquet"
    connection = duckdb.connect(config={"threads": 1})
    connection.read_parquet(str(file)).write_parquet(str(copy))
    for kind, path in (("Parquet", file), ("Parquet written by DuckDB", copy)):
        bound = partial(sql_bound, partial(duckdb_rows, connection), f"read_parquet('{path}')")
        own = partial(analysis, experiment, ab.Source.parquet(path))
        check(own(), bound())
        name = f"{kind}, {variants} variants"
        yield compare(name, own, bound, goal=1.15, users=size, **limits)


def sqlite(size: int, variants: int, folder: Path, **limits: Any) -> Plans:
    url = tables.write_sqlite(tables.chunks(size, variants), folder / f"users_{variants}.db")
    engine, name = sqlalchemy.create_engine(url), f"SQLite, {variants} variants"

    def rows(statement: str) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.exec_driver_sql(statement))

    own = partial(analysis, tables.six_metrics(variants), ab.Source.sql(engine, "users"))
    bound = partial(sql_bound, rows, "users")
    check(own(), bound())
    yield compare(name, own, bound, goal=1.1, users=size, **limits)


def postgresql(size: int, variants: int, url: str, **limits: Any) -> Plans:
    """Against a SELECT with the server's own settings, which may use several workers, and against one with one."""
    tables.write_postgresql(tables.chunks(size, variants), url)
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    own = partial(analysis, tables.six_metrics(variants), ab.Source.sql(engine, "users"))
    for kind, setting in (("", ""), (", SELECT by one worker", "SET max_parallel_workers_per_gather = 0")):
        connection = psycopg.connect(url, autocommit=True)
        if setting:
            connection.execute(setting)
        bound = partial(sql_bound, lambda statement, one=connection: one.execute(statement).fetchall(), "users")
        check(own(), bound())
        name = f"PostgreSQL, {variants} variants{kind}"
        yield compare(name, own, bound, goal=1.1, clock="wall", users=size, **limits)
        connection.close()
    engine.dispose()


def five_against_two(size: int, **limits: Any) -> Plans:
    two, five = (
        partial(analysis, tables.six_metrics(variants), tables.users(size, variants).to_pandas()) for variants in (2, 5)
    )
    name = "five variants against two, pandas"
    yield compare(name, five, two, goal=1.15, users=size, **limits)


def looks(size: int, days: int = 60, **limits: Any) -> Plans:
    frame = tables.users(size, 2).to_pandas()
    seconds = np.sort(np.random.default_rng(3).integers(0, days * 86_400, size))
    frame["seen"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(seconds, unit="s")
    experiment, name = tables.six_metrics(2), f"{days} daily looks against one"
    own = partial(analysis, experiment, ab.Source.frame(frame, time="seen"))
    bound = partial(analysis, experiment, ab.Source.frame(frame))
    yield compare(name, own, bound, goal=3, users=size, **limits)


def segments(size: int, number: int = 50, **limits: Any) -> Plans:
    rng = np.random.default_rng(4)
    names = [f"m{place}" for place in range(10)]
    frame = pd.DataFrame(rng.gamma(2.0, 5.0, (size, len(names))), columns=names)
    frame["variant"] = pd.Categorical.from_codes(rng.integers(0, 2, size), ["a", "b"])
    frame["region"] = pd.Categorical.from_codes(rng.integers(0, number, size), [f"r{one}" for one in range(number)])
    primary, *others = (ab.Mean(name) for name in names)
    variants = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
    plan = ab.Plan(inference="fixed")
    experiment = ab.Experiment("segments", variants, primary, secondary_metrics=others, plan=plan)
    name = f"{number} segments and 10 metrics against no segments"
    own = partial(analysis, experiment, ab.Source.frame(frame, segments=["region"]))
    bound = partial(analysis, experiment, ab.Source.frame(frame))
    yield compare(name, own, bound, goal=2, users=size, **limits)


def sections(options: argparse.Namespace, folder: Path, url: str | None) -> Iterator[tuple[str, Callable[[], Plans]]]:
    size, limits = options.users, {"rounds": options.rounds}
    yield "10,000 users", partial(notebook, rounds=max(options.rounds, 7))
    for variants in (2, 5):
        tail = f", {variants} variants"
        yield f"frames{tail}", partial(frames, size, variants, **limits)
        yield f"Parquet{tail}", partial(parquet, size, variants, folder, **limits)
        yield f"SQLite{tail}", partial(sqlite, size, variants, folder, **limits)
        if url is not None:
            yield f"PostgreSQL{tail}", partial(postgresql, size, variants, url, **limits)
    yield "five variants against two", partial(five_against_two, size, **limits)
    yield "daily looks", partial(looks, size, **limits)
    yield "segments", partial(segments, size, **limits)


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = not options.only or "PostgreSQL" in options.only
        url = stack.enter_context(tables.postgresql(options.postgresql)) if server else None
        for name, section in sections(options, folder, url):
            if options.only in name:
                yield from section()


if __name__ == "__main__":
    main(__file__, cases, __doc__)
