"""Twenty reports by `abkit report` against a shell loop of papermill and nbconvert on the same. JSON on stdout.

The loop renders fewer (`--loop`), before and after, so that a busy machine disturbs both alike. Beside the seconds of
the clock stand those of all processors.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

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


class Seconds(NamedTuple):
    wall: float
    cpu: float


def cpu() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def seconds(*commands: list[str]) -> Seconds:
    start, before = time.perf_counter(), cpu()
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return Seconds(time.perf_counter() - start, cpu() - before)


def loop(file: str, out: Path) -> Seconds:
    notebook = out / f"{Path(file).stem}.ipynb"
    return seconds(
        [str(BIN / "papermill"), str(NOTEBOOK), str(notebook), "-r", "experiment", file],
        [str(BIN / "jupyter"), "nbconvert", "--to", "html", "--no-input", str(notebook)],
    )


def fleet(files: list[str], out: Path, jobs: int) -> Seconds:
    return seconds([str(BIN / "abkit"), "report", *files, "--out", str(out), "--jobs", str(jobs), "--json"])


def measure(number: int, looped: int, jobs: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = experiments(folder, number)
        half = looped // 2
        before = [loop(file, folder) for file in files[:half]]
        load = os.getloadavg()[0]
        spent = fleet(files, folder / "reports", jobs)
        after = [loop(file, folder) for file in files[half:looped]]
        sizes = [page.stat().st_size for page in folder.glob("reports/*/latest/report.html")]
        rendered = len(sizes)
    wall, work = (sum(part) / looped for part in zip(*before, *after, strict=True))
    return {
        "goals": {"seconds": 60, "ratio": 4},
        "cores": os.cpu_count(),
        "load_average": round(load, 1),
        "jobs": jobs,
        "reports": rendered,
        "mean_bytes": sum(sizes) // rendered,
        "seconds": round(spent.wall, 1),
        "seconds_per_report": round(spent.wall / rendered, 2),
        "loop_seconds_per_report": round(wall, 2),
        "ratio": round(wall / (spent.wall / rendered), 2),
        "cpu_seconds_per_report": round(spent.cpu / rendered, 2),
        "loop_cpu_seconds_per_report": round(work, 2),
        "cpu_ratio": round(work / (spent.cpu / rendered), 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20)
    parser.add_argument("--loop", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(json.dumps(measure(options.reports, options.loop, options.jobs), indent=1))
