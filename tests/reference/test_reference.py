"""Every case of the shared reference file, at its stated tolerance."""

import json

import pytest

from tests.reference import cases
from tests.reference.__main__ import main
from tests.reference.methods import BEHAVIOURS, METHODS

FILE = cases.shared_file()
DOCUMENT = cases.load(FILE) if FILE else {}
OUTCOMES = [(case, cases.run_case, METHODS) for case in DOCUMENT.get("cases", [])]
OUTCOMES += [(case, cases.run_behaviour, BEHAVIOURS) for case in DOCUMENT.get("behaviour_cases", [])]
NEEDS_FILE = pytest.mark.skipif(FILE is None, reason="no shared reference file beside the repository")


@NEEDS_FILE
@pytest.mark.parametrize(("case", "run", "table"), OUTCOMES, ids=[case["id"] for case, _, _ in OUTCOMES])
def test_case(case, run, table):
    outcome = run(case, table)
    if outcome.status == cases.SKIPPED:
        pytest.skip(outcome.message)
    assert outcome.status == cases.PASSED, outcome.message


def test_runner_tells_passed_failed_and_skipped(tmp_path, capsys):
    wrong = {"id": "b", "method": "design_effect_of_nothing", "inputs": {}, "expected": {}}
    welch = {"control": [1.2, 1.9], "treatment": [3.1, 2.4], "confidence": 0.95}
    right = {"id": "a", "method": "welch_t", "inputs": welch, "expected": {"df": {"value": 2, "abs_tol": 1e-9}}}
    off = {**right, "id": "c", "expected": {"df": {"value": 2.1, "abs_tol": 1e-9}}}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": [right, wrong, off]}))
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 1 skipped"


def test_a_number_is_never_taken_for_undefined():
    assert cases.agrees(None, None, 0, 0)
    assert not cases.agrees(0.0, None, 0, 0)
    assert not cases.agrees(None, 0.0, 0, 1)
    assert not cases.agrees([1.0], [1.0, 2.0], 0, 0)
