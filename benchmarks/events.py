"""Many rows per unit: means of units' sums, and quantiles with units as clusters, from Parquet and from memory."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import bounds
import duckdb
import numpy as np
import pyarrow as pa
import tables
from analysis import analysis
from measure import compare, main

import abkit as ab

SHIFT = 85.0
PLAN = ab.Plan(inference="fixed")
VARIANTS = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
SUMS = """
SELECT variant, count(*), sum(n), sum(n * n), sum(v), sum(v * v), sum(n * v), sum(s), sum(s * s), sum(n * s), sum(v * s)
FROM (SELECT variant, unit, count(*) AS n, sum(value - {shift}) AS v, sum(steps) AS s FROM {table} GROUP BY 1, 2)
GROUP BY 1 ORDER BY 1
"""


def two_levels(connection: duckdb.DuckDBPyConnection, table: str) -> list[float]:
    """Levels of the mean and the ratio with their standard errors, by hand."""
    found = []
    for _, units, *totals in connection.execute(SUMS.format(table=table, shift=SHIFT)).fetchall():
        n, nn, v, vv, nv, s, ss, ns, vs = (float(total) for total in totals)
        mean, ratio = v / n, (v + SHIFT * n) / s
        spread = vv - 2 * mean * nv + mean**2 * nn
        found += [SHIFT + mean, sqrt(max(spread, 0.0) * units / (units - 1)) / n]
        spread = vv + SHIFT**2 * nn + ratio**2 * ss + 2 * SHIFT * nv - 2 * ratio * vs - 2 * SHIFT * ratio * ns
        found += [ratio, sqrt(max(spread, 0.0) * units / (units - 1)) / s]
    return found


def three_scans(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[float, ...]]:
    points, counts, levels = bounds.quantile_scans(table)
    at = {variant: values for variant, _, values in connection.execute(points).fetchall()}
    below = [f"value <= CASE variant WHEN 'a' THEN {at['a'][place]!r} ELSE {at['b'][place]!r} END" for place in (0, 1)]
    found = []
    for variant, units, n, nn, *sums in connection.execute(counts.format(a=below[0], b=below[1])).fetchall():
        wanted = []
        for share, (total, square, product) in zip((0.5, 0.95), (sums[:3], sums[3:]), strict=True):
            part = float(total) / float(n)
            spread = float(square) - 2 * part * float(product) + part**2 * float(nn)
            half = 1.96 * sqrt(max(spread, 0.0) * units / (units - 1)) / float(n)
            wanted += [share - half, share + half]
        (low, high, *rest), *_ = connection.execute(levels.format(levels=wanted, variant=variant)).fetchone()
        found += [(at[variant][0], low, high), (at[variant][1], *rest)]
    return found


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    limits = {"rounds": options.rounds, "events": options.events}
    connection = duckdb.connect(config={"threads": 1})
    means = ab.Experiment(
        "events", VARIANTS, ab.Mean("value"), secondary_metrics=[ab.Ratio("value", "steps")], plan=PLAN
    )
    quantiles = ab.Experiment(
        "latency", VARIANTS, ab.Quantile("value", 0.5), secondary_metrics=[ab.Quantile("value", 0.95)], plan=PLAN
    )
    with tempfile.TemporaryDirectory() as folder:
        file = tables.write_parquet(tables.events(options.events), Path(folder) / "events.parquet")
        where, source = f"read_parquet('{file}')", ab.Source.parquet(file, unit="unit")
        yield compare(
            "events in Parquet, sums per unit",
            partial(analysis, means, source),
            partial(two_levels, connection, where),
            goal=1.3,
            goal_mib=3072,
            **limits,
        )
        yield compare(
            "clustered p50 and p95, Parquet, against three scans of SQL",
            partial(analysis, quantiles, source),
            partial(three_scans, connection, where),
            goal=1.1,
            **limits,
        )
        table = pa.concat_tables(tables.events(min(options.events, 10_000_000))).combine_chunks()
        value, unit = table["value"].to_numpy(), table["unit"].to_numpy()
        codes = np.asarray(table["variant"].combine_chunks().indices)
        yield compare(
            "clustered p50 and p95, in memory, against numpy",
            partial(analysis, quantiles, ab.Source.frame(table, unit="unit")),
            partial(bounds.clustered_quantiles, value, unit, codes, int(unit.max()) + 1),
            goal=1.5,
            **limits,
        )


if __name__ == "__main__":
    main(__file__, cases, __doc__)
