"""METHODS: from the name of a method in a reference file to a function of the case's inputs.

Each `methods_*.py` beside this file has a part of the table; BEHAVIOURS is the same for edge cases, by their area.
"""

import importlib
from pathlib import Path

METHODS = {}
BEHAVIOURS = {}

for path in sorted(Path(__file__).parent.glob("methods_*.py")):
    part = importlib.import_module(f"tests.reference.{path.stem}")
    METHODS.update(getattr(part, "METHODS", {}))
    BEHAVIOURS.update(getattr(part, "BEHAVIOURS", {}))
