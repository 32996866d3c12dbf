"""Cost and memory over the number of rows in Parquet: seconds must grow linearly, and memory not at all."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import tables
from analysis import analysis
from measure import compare, main

import abkit as ab


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    experiment = tables.six_metrics(2)
    for power in range(4, options.largest + 1):
        with tempfile.TemporaryDirectory() as folder:
            file = tables.write_parquet(tables.chunks(10**power, 2), Path(folder) / "users.parquet")
            own = partial(analysis, experiment, ab.Source.parquet(file))
            yield compare(f"{10**power:,} rows in Parquet", own, rounds=options.rounds, rows=10**power)


if __name__ == "__main__":
    main(__file__, cases, __doc__)
