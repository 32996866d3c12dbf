"""Reports that never scan raw events twice: each day's partition is reduced once to one row per unit and day.

Raw events lie in folders by the day on which they arrived (`loaded=2026-03-01`). `refresh` reduces every folder whose
files it has not seen yet, into a folder of the same name with one row per variant, unit and day of the event: counts
and sums. A mean over events is then a ratio of these sums, with the same units, so the analysis of either gives the
same numbers. What arrives late lies in a later folder and counts towards its own day; a file that is added to an old
folder makes that one folder be read again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from math import log
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import case, main, timed

import abkit as ab

START = date(2026, 3, 1)
REDUCED = """
SELECT variant, unit, min(happened) AS happened, count(*) AS runs, sum(success)::BIGINT AS success,
       sum(cost_usd) AS cost_usd, sum(tokens)::BIGINT AS tokens, sum(steps)::BIGINT AS steps
FROM read_parquet($1) GROUP BY variant, unit, happened::DATE ORDER BY unit, happened
"""
TOTALS = """
SELECT variant, unit, min(happened) AS happened, sum(runs)::BIGINT AS runs, sum(success)::BIGINT AS success,
       sum(cost_usd) AS cost_usd, sum(tokens)::BIGINT AS tokens, sum(steps)::BIGINT AS steps
FROM read_parquet($1) GROUP BY variant, unit ORDER BY unit
"""
EVENTS = ("variant", "unit", "happened", "success", "cost_usd", "tokens", "steps")
SUMS = (*EVENTS, "runs")

BY_EVENT = ab.Experiment(
    key="warming",
    variants=[ab.Variant("plain", 50, is_control=True), ab.Variant("warming", 50)],
    primary_metric=ab.Proportion("success"),
    guardrail_metrics=[ab.Mean("cost_usd", goal="minimize", margin=0.05)],
    secondary_metrics=[ab.Ratio("tokens", "steps")],
    plan=ab.Plan(inference="fixed"),
)
BY_SUM = replace(
    BY_EVENT,
    primary_metric=ab.Ratio("success", "runs", name="success"),
    guardrail_metrics=[ab.Ratio("cost_usd", "runs", name="cost_usd", goal="minimize", margin=0.05)],
)


def day_of(number: int) -> str:
    return f"loaded={START + timedelta(days=number)}"


def write_events(raw: Path, loaded: int, events: int, units: int, seed: int, late: float = 0.02) -> Path:
    """A file of one day's events: units return at random, and a few events are of one to three days before."""
    rng = np.random.default_rng([seed, loaded])
    unit = rng.integers(0, units, events)
    treated = unit % 2 == 1
    skill = np.random.default_rng(seed).normal(size=units)[unit]
    delay = np.where(rng.random(events) < late, rng.integers(1, 4, events), 0)
    days = np.maximum(loaded - delay, 0)
    seconds = days * 86_400 + rng.integers(0, 86_400, events)
    steps = 1 + rng.poisson(3, events)
    rows = {
        "variant": pa.array(np.where(treated, "warming", "plain")),
        "unit": unit,
        "happened": np.datetime64(START, "us") + seconds.astype("timedelta64[s]"),
        "success": (rng.random(events) < 1 / (1 + np.exp(-0.3 - skill - 0.05 * treated))).astype(np.int8),
        "cost_usd": np.exp(0.4 * skill + rng.normal(-3, 0.6, events)) * (1 + 0.01 * treated),
        "tokens": steps * rng.integers(50, 400, events),
        "steps": steps,
    }
    folder = raw / day_of(loaded)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"part-{seed}.parquet"
    pq.write_table(pa.table(rows), file, compression="zstd")
    return file


def refresh(raw: Path, reduced: Path) -> list[str]:
    """Reduce the folders whose files are not those of the last time; returns their names."""
    done = []
    with duckdb.connect(config={"threads": 1}) as connection:
        for folder in sorted(raw.glob("loaded=*")):
            files = sorted(folder.glob("*.parquet"))
            seen = json.dumps([[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files])
            target = reduced / folder.name
            note = target / "seen.json"
            if note.exists() and note.read_text() == seen:
                continue
            target.mkdir(parents=True, exist_ok=True)
            _write(connection, REDUCED, files, target / "units.parquet")
            note.write_text(seen)
            done.append(folder.name)
    return done


def total(reduced: Path, file: Path) -> None:
    """One row per unit, of all days: what a report reads that shows no days."""
    with duckdb.connect(config={"threads": 1}) as connection:
        _write(connection, TOTALS, sorted(reduced.glob("*/*.parquet")), file)


def _write(connection: duckdb.DuckDBPyConnection, statement: str, files: list[Path], to: Path) -> None:
    """Whole or not at all: a report that reads meanwhile finds the old file."""
    partial = to.with_suffix(".partial")
    connection.sql(statement, params=[[str(file) for file in files]]).write_parquet(str(partial), compression="zstd")
    os.replace(partial, to)


def analysis(experiment: ab.Experiment, pattern: Path, **keys: Any) -> ab.Analysis:
    return ab.analyze(experiment, ab.Source.parquet(pattern, unit="unit", time="happened"), **keys)


def numbers(found: ab.Analysis) -> dict[str, float | None]:
    """Everything that was computed of every metric."""
    values: dict[str, float | None] = {f"units {one.name}": one.units for one in found.variants}
    for metric in found.metrics:
        for name, level in metric.levels.items():
            values |= {f"{metric.name} {name} level": level.value, f"{metric.name} {name} se": level.se}
        for one in metric.comparisons:
            for kind, interval in (("difference", one.difference), ("lift", one.lift)):
                for bound in ("value", "low", "high"):
                    values[f"{metric.name} {one.variant} {kind} {bound}"] = getattr(interval, bound)
            # Of a p-value of 1e-200, rounding of the statistic leaves fewer digits than of its logarithm.
            logarithm = log(one.p_value) if one.p_value else one.p_value
            values |= {f"{metric.name} {one.variant} log p": logarithm, f"{metric.name} {one.variant} df": one.df}
    return values


def widest_gap(one: ab.Analysis, other: ab.Analysis) -> float:
    """Largest relative difference of any number; infinite where one of them lacks it."""
    mine, theirs = numbers(one), numbers(other)
    assert mine.keys() == theirs.keys()
    gaps = [0.0]
    for name, value in mine.items():
        match = theirs[name]
        if value is None or match is None:
            gaps.append(0.0 if value is match else float("inf"))
        elif value != match:
            gaps.append(abs(value - match) / max(abs(value), abs(match)))
    return max(gaps)


def scanned(files: list[Path], columns: tuple[str, ...]) -> tuple[int, int]:
    """Rows, and compressed bytes of the columns that are read."""
    rows = size = 0
    for file in files:
        metadata = pq.ParquetFile(file).metadata
        rows += metadata.num_rows
        for group in range(metadata.num_row_groups):
            chunks = (metadata.row_group(group).column(place) for place in range(metadata.num_columns))
            size += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in columns)
    return rows, size


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    days, units = 14, max(options.events // 140, 100)
    with tempfile.TemporaryDirectory() as name:
        raw, reduced, totals = Path(name) / "raw", Path(name) / "reduced", Path(name) / "totals.parquet"
        for number in range(days):
            write_events(raw, number, options.events // days, units, seed=1)
        catching_up = timed(lambda: refresh(raw, reduced))
        total(reduced, totals)
        full = timed(lambda: analysis(BY_EVENT, raw / "*/*.parquet"))
        last = analysis(BY_EVENT, raw / "*/*.parquet")
        read = {
            "events": (sorted(raw.glob("*/*.parquet")), EVENTS),
            "unit_days": (sorted(reduced.glob("*/*.parquet")), SUMS),
            "units": ([totals], SUMS),
        }
        size: dict[str, int] = {"days": days}
        for what, (files, columns) in read.items():
            size[f"{what}_rows"], size[f"{what}_bytes"] = scanned(files, columns)
        yield case("all days reduced once", catching_up, **size)
        for what, pattern in (("unit and day", reduced / "*/*.parquet"), ("unit", totals)):
            own = timed(lambda pattern=pattern: analysis(BY_SUM, pattern))
            gap = widest_gap(analysis(BY_SUM, pattern), last)
            assert gap < 1e-9, f"the sums per {what} give other numbers: {gap}"
            yield case(f"a report from sums per {what}, against one from all events", own, full, gap=gap, **size)


if __name__ == "__main__":
    main(__file__, cases, __doc__)
