import json
from pathlib import Path

import pytest

from tests.unit.cli.test_app import abkit

SMALL = """key: small
agent_id: bot
variants:
  - {name: plain, traffic_percentage: 50, is_control: true}
  - {name: warming, traffic_percentage: 50}
primary_metric: {kind: mean, column: score}
min_sample_size: 4000
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    (tmp_path / "small.yml").write_text(SMALL)
    return str(tmp_path / "small.yml")


def test_json_on_stdout_and_nothing_on_stderr(target: str) -> None:
    done = abkit("simulate", target, "--users", "5000", "--seed", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["schema"], found["status"], found["users"]) == ("abkit.split/1", "pass", 5000)
    assert abkit("simulate", target, "--users", "5000", "--seed", "3", "--json").stdout == done.stdout


def test_a_failed_check_is_no_failure_unless_it_is_asked_to_be(target: str) -> None:
    done = abkit("simulate", target, "--users", "3000")
    assert done.returncode == 0
    assert done.stdout.startswith("small: ✕ not ready to launch: duration")
    for gate in ("duration", "any", "srm,duration"):
        fired = abkit("simulate", target, "--users", "3000", "--fail-on", gate)
        assert fired.returncode == 4
        assert "gates that fired: duration" in fired.stderr
    assert abkit("simulate", target, "--users", "3000", "--fail-on", "shares,srm").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["absent.yml"], 3, "no experiment file"),
        ([""], 2, "target is empty"),
        (["{target}", "--fail-on", "share"], 2, "did you mean 'shares'"),
        (["{target}", "--arrival", "weakly"], 2, "did you mean 'weekly'"),
        (["{target}", "--ids", "absent.txt"], 3, "no file of ids"),
        (["{target}", "--users", "-1"], 2, "greater than or equal to 0"),
        (["{target}", "--report", "--id-shape", "uid"], 2, "did you mean 'uuid'"),
    ],
)
def test_exit_codes_and_messages(tmp_path: Path, target: str, arguments: list[str], code: int, said: str) -> None:
    done = abkit("simulate", *(part.format(target=target) for part in arguments), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.usefixtures("forked")
def test_a_report_of_own_ids_lies_beside_the_experiments_reports(tmp_path: Path, target: str) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("user_id,team\n" + "".join(f"user-{number},team-{number % 90}\n" for number in range(4500)))
    done = abkit("simulate", target, "--ids", str(ids), "--cluster", "team", "--report", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    folder = tmp_path / "reports/small/simulation/latest"
    assert told["status"] == "pass"
    assert (tmp_path / told["report"]).samefile(folder / "report.html")
    page = (folder / "report.html").read_text()
    assert "Ready to launch" in page
    assert "user-17" not in page
    numbers = json.loads((folder / "simulation.json").read_text())
    assert numbers["clusters"]["clusters"] == 90
    assert json.loads((folder / "manifest.json").read_text())["data_fingerprint"] == numbers["fingerprint"]
    assert not (tmp_path / "reports/small/latest").exists()
