"""Twenty reports by `abkit report` against a shell loop of papermill and nbconvert on the same.

The loop renders fewer, before and after, so that a busy machine disturbs both alike. Beside the seconds of
the clock stand those of all processors.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from measure import Spent, case, main, timed

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
NOTEBOOK = ROOT / "notebooks" / "experiment_report.ipynb"


def experiments(folder: Path, number: int) -> list[str]:
    """Copies of the examples under keys of their own: two runs of one experiment would wait for each other."""
    examples = sorted(ROOT.glob("examples/*/*.yml"))
    files = []
    for place in range(number):
        example = examples[place % len(examples)]
        definition = yaml.safe_load(example.read_text())
        definition["key"] = f"{definition['key'][:50]}-{place}"
        definition["data"]["path"] = str(example.parent / definition["data"]["path"])
        file = folder / f"{definition['key']}.yml"
        file.write_text(yaml.safe_dump(definition, sort_keys=False))
        files.append(str(file))
    return files


def seconds(*commands: list[str]) -> Spent:
    """Seconds of the clock, and of all processors: those of children too."""
    return timed(lambda: [subprocess.run(command, check=True, capture_output=True) for command in commands])


def loop(file: str, out: Path) -> Spent:
    notebook = out / f"{Path(file).stem}.ipynb"
    return seconds(
        [str(BIN / "papermill"), str(NOTEBOOK), str(notebook), "-r", "experiment", file],
        [str(BIN / "jupyter"), "nbconvert", "--to", "html", "--no-input", str(notebook)],
    )


def fleet(files: list[str], out: Path, jobs: int) -> Spent:
    return seconds([str(BIN / "abkit"), "report", *files, "--out", str(out), "--jobs", str(jobs), "--json"])


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    number, jobs = options.reports, min(2, os.cpu_count() or 1)
    half = max(1, number // 7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = experiments(folder, number)
        looped = [loop(file, folder) for file in files[:half]]
        spent = fleet(files, folder / "reports", jobs)
        looped += [loop(file, folder) for file in files[:half]]
        rendered = len(list(folder.glob("reports/*/latest/report.html")))
    assert rendered == number
    own = Spent(spent.cpu / number, spent.wall / number)
    bound = Spent(*(sum(getattr(one, clock) for one in looped) / len(looped) for clock in ("cpu", "wall")))
    yield case(
        "a report, against papermill and nbconvert", own, bound, goal=0.25, clock="wall", reports=number, jobs=jobs
    )


if __name__ == "__main__":
    main(__file__, cases, __doc__)
