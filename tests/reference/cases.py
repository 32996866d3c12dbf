"""Run the cases of a reference file through a table of methods."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    case: str
    method: str
    status: str
    message: str = ""

    def __str__(self):
        return f"{self.status:<8}{self.case}  [{self.method}]{'  ' + self.message if self.message else ''}"


def shared_file():
    """The file beside the repository, or under ABKIT_SHARED; None where neither is there."""
    beside = Path(__file__).resolve().parents[2].parent / "shared"
    path = Path(os.environ.get("ABKIT_SHARED", beside)) / "reference" / "reference_cases.json"
    return path if path.exists() else None


def load(path):
    return json.loads(Path(path).read_text())


def run_file(path, methods, behaviours):
    document = load(path)
    outcomes = [run_case(case, methods) for case in document.get("cases", [])]
    return outcomes + [run_behaviour(case, behaviours) for case in document.get("behaviour_cases", [])]


def run_case(case, methods):
    method = case["method"]
    if method not in methods:
        return Outcome(case["id"], method, SKIPPED, "no method of this name")
    try:
        got = methods[method](case["inputs"])
        wrong = [text for name, wanted in case["expected"].items() for text in compare(name, wanted, got)]
    except Exception as error:  # whatever goes wrong in a case is that case's failure, not the run's
        wrong = [f"{type(error).__name__}: {error}"]
    return Outcome(case["id"], method, FAILED if wrong else PASSED, "; ".join(wrong))


def run_behaviour(case, behaviours):
    area, kind = case["area"], case.get("kind", "edge")
    check = behaviours.get(area) or behaviours.get(kind)
    if check is None:
        return Outcome(case["id"], area, SKIPPED, "no check for this area")
    try:
        got = check(case["given"], case["required"])
        if got is None:
            return Outcome(case["id"], area, SKIPPED, "nothing here answers this")
        wrong = [
            f"{name}: got {got.get(name, 'nothing')!r}, required {wanted!r}"
            for name, wanted in case["required"].items()
            if name not in got or not same_meaning(got[name], wanted)
        ]
    except Exception as error:
        wrong = [f"{type(error).__name__}: {error}"]
    return Outcome(case["id"], area, FAILED if wrong else PASSED, "; ".join(wrong))


def compare(name, wanted, got):
    """Texts of what is wrong; nothing when it agrees."""
    if name not in got:
        return [f"{name}: not computed"]
    if not isinstance(wanted, dict) or "value" not in wanted:
        wanted = {"value": wanted, "rel_tol": 1e-6, "abs_tol": 1e-9}
    tolerance = (wanted.get("rel_tol", 0.0), wanted.get("abs_tol", 0.0))
    close = agrees(plain(got[name]), wanted["value"], *tolerance)
    return [] if close else [f"{name}: got {plain(got[name])!r}, expected {wanted['value']!r}"]


def agrees(got, value, rel_tol, abs_tol):
    if value is None:
        return got is None
    if isinstance(value, list):
        same_length = isinstance(got, list) and len(got) == len(value)
        return same_length and all(agrees(g, v, rel_tol, abs_tol) for g, v in zip(got, value, strict=True))
    if isinstance(value, dict):
        return isinstance(got, dict) and all(
            key in got and agrees(got[key], item, rel_tol, abs_tol) for key, item in value.items()
        )
    if isinstance(value, (bool, str)):
        return got == value
    if got is None or isinstance(got, (str, list, dict)):
        return False
    # Beyond the stated tolerance only what the file's own decimals and a whole number in floating point leave open.
    return abs(got - value) <= abs_tol + rel_tol * abs(value) + 4e-16 * abs(value)


def plain(value):
    """Python lists and numbers; infinite and NaN are "not defined"."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def same_meaning(got, wanted):
    got = plain(got)
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        return isinstance(got, (int, float)) and math.isclose(got, wanted, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(same_meaning, got, wanted))
    return got == wanted
