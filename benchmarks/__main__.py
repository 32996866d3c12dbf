"""`python benchmarks [options]`: every script in a process of its own, then the figures and the table of docs/speed.md.

Options are those of the scripts (`python benchmarks/analysis.py --help`); a release is measured with
`--users 10000000 --events 100000000 --runs 10000 --rows 1000000 --reports 20 --largest 8`.
"""

import subprocess
import sys
from pathlib import Path

SHARED = ("__main__", "measure", "bounds", "tables", "page")

if __name__ == "__main__":
    folder = Path(__file__).parent
    failed = []
    for script in sorted(folder.glob("*.py")):
        if script.stem in SHARED:
            continue
        print(f"== benchmarks/{script.name}", flush=True)
        if subprocess.run([sys.executable, str(script), *sys.argv[1:]], check=False).returncode:
            failed.append(script.name)
    if not {"--only", "--help", "-h"} & set(sys.argv):
        subprocess.run([sys.executable, str(folder / "page.py"), *sys.argv[1:]], check=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
