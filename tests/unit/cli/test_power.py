import json

import pandas as pd
import pytest

from tests.unit.cli.test_app import abkit


def test_an_experiment_file_is_planned_with_its_own_data(root):
    done = abkit("power", str(root / "examples/agents/warming.yml"), "--sizes", "164,1000", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    plan = json.loads(done.stdout)
    assert plan["schema"] == "abkit.plan/1"
    assert [at["units"] for at in plan["metrics"][0]["mde"]] == [164, 1000]


def test_history_and_baselines_stand_in_for_data(tmp_path, root):
    target = str(root / "examples/bandit/bandit-policy.yml")
    pd.DataFrame({"click": [0, 0, 0, 1] * 500, "campaign": "men"}).assign(timestamp="2026-01-01").to_csv(
        tmp_path / "past.csv", index=False
    )
    past = abkit("power", target, "--history", str(tmp_path / "past.csv"), "--daily-units", "500")
    assert past.returncode == 0, past.stderr
    assert "25.00%" in past.stdout
    assert "At 500 new units a day" in past.stdout
    given = abkit("power", target, "--baseline", "click=0.25")
    assert "25.00%" in given.stdout


def test_a_few_numbers_are_enough():
    done = abkit("power", "--baseline", "0.2", "--mde", "0.25", "--json")
    assert json.loads(done.stdout)[0]["n_control"] == 1094
    guarded = abkit("power", "--baseline", "0.2", "--mde", "0.25", "--guardrails", "3")
    assert "0.950" in guarded.stdout
    assert "each guardrail needs its own size" in guarded.stdout
    detected = abkit("power", "--baseline", "10", "--sd", "12", "--sizes", "10000", "--json")
    assert json.loads(detected.stdout)[0]["lift"] == pytest.approx(0.0673, abs=1e-3)
    days = abkit("power", "--baseline", "0.2", "--mde", "0.25", "--daily-units", "1000")
    assert days.stdout.splitlines()[-1] == "3 days at 1,000 units a day"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name an experiment, or give numbers"),
        (["absent.yml"], 3, "no experiment file"),
        (["--baseline", "lots", "--mde", "0.1"], 2, "one number"),
        (["--baseline", "1.2", "--mde", "0.1"], 2, "rate must be in (0, 1)"),
        (["--baseline", "0.2", "--sizes", "many"], 2, "whole numbers separated by commas"),
        (["{warming}", "--mde", "0.1"], 2, "belongs to the calculator"),
        (["{warming}", "--baseline", "0.3"], 2, "say of which metric"),
        (["{warming}", "--baseline", "success=high"], 2, "both numbers"),
        (["{warming}", "--baseline", "success=0.3"], 2, "'cost_usd' has no baseline"),
        (["{warming}", "--history", "absent.csv"], 3, "no data file"),
        (["{warming}", "--history", "a.csv", "--baseline", "success=0.3"], 2, "not both"),
        (["{warming}", "--sizes", "1"], 2, "4 or more"),
    ],
)
def test_exit_codes_and_messages(tmp_path, root, arguments, code, said):
    warming = root / "examples/agents/warming.yml"
    done = abkit("power", *(part.format(warming=warming) for part in arguments), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
