"""The first call in a fresh process: `import abkit` and an analysis of a frame of a thousand rows, in CPU seconds."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

from measure import compare, main

FIRST = """
import abkit as ab, pandas as pd
frame = pd.DataFrame({"variant": ["a", "b"] * 500, "score": [float(place % 7) for place in range(1000)]})
variants = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
ab.analyze(ab.Experiment("first-call", variants, ab.Mean("score")), frame)
"""
IMPORTS = "import numpy, pandas, duckdb, scipy.special"


def run(text: str) -> None:
    subprocess.run([sys.executable, "-c", text], check=True)


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    rounds = max(options.rounds, 5)
    yield compare("import abkit", partial(run, "import abkit"), partial(run, "import numpy"), goal=1.3, rounds=rounds)
    yield compare(
        "first call: import and 1,000 rows", partial(run, FIRST), partial(run, IMPORTS), goal_seconds=2, rounds=rounds
    )


if __name__ == "__main__":
    main(__file__, cases, __doc__)
