import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from abkit.cli import main


def process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line as a person calls it."""
    command = [sys.executable, "-m", "abkit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def abkit(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has loaded everything."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or "."),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main(arguments)
    return subprocess.CompletedProcess(arguments, int(end.value.code or 0), out.getvalue(), err.getvalue())


def test_analyze_prints_data_on_stdout_and_nothing_on_stderr(root: Path) -> None:
    done = process("analyze", str(root / "examples/agents/warming.yml"), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["decision"]["verdict"] == "do_not_ship"


def test_analyze_prints_a_table(root: Path) -> None:
    done = abkit("analyze", str(root / "examples/headline/headline-cached.yml"))
    assert done.returncode == 0
    assert done.stdout.startswith("headline-cached: ✕ Invalid")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["analyze", "absent.yml"], 3, "no experiment file 'absent.yml'"),
        (["report", "absent.yml"], 3, "no experiment file"),
        (["report"], 2, "Missing argument"),
        (["reprot"], 2, "No such command"),
        (["report", "x.yml", "--fail-on", "srn"], 2, "did you mean 'srm'"),
        (["analyze", "{warming}", "--as-of", "soon"], 2, "not an ISO date"),
        (["report", "{warming}", "-p", "no sign"], 2, "expected NAME=VALUE"),
        (["report", "{warming}", "-p", "asof=2026-01-01"], 2, "did you mean 'as_of'"),
        (["report", "{warming}", "-p", "experiment=other.yml"], 2, "set by the call itself"),
        (["init", "{bad}"], 2, "is a file"),
        (["report", "{warming}", "--timeout", "1"], 6, "ran longer than 1 s"),
        (["analyze", "{bad}"], 2, "must sum to 100"),
        (["report", "{empty}"], 3, "is empty"),
        (["--version"], 0, ""),
    ],
)
def test_exit_codes_and_messages(tmp_path: Path, root: Path, arguments: list[str], code: int, said: str) -> None:
    warming = root / "examples/agents/warming.yml"
    text = warming.read_text()
    (tmp_path / "bad.yml").write_text(text.replace("traffic_percentage: 50,", "traffic_percentage: 40,"))
    (tmp_path / "empty.yml").write_text(text.replace("humaneval_runs.csv.gz", "empty.csv"))
    (tmp_path / "empty.csv").write_text("")
    places = {"warming": warming, "bad": tmp_path / "bad.yml", "empty": tmp_path / "empty.yml"}
    done = abkit(*(part.format(**places) for part in arguments), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert done.stdout == ""


def test_an_error_is_the_exit_code_of_the_process_and_no_traceback(tmp_path: Path) -> None:
    done = process("analyze", "absent.yml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: no experiment file 'absent.yml'")


@pytest.mark.usefixtures("forked")
def test_a_gate_that_fires_is_an_exit_code_of_its_own(tmp_path: Path, root: Path) -> None:
    target = str(root / "examples/headline/headline-cached.yml")
    done = abkit("report", target, "--out", str(tmp_path), "--fail-on", "srm,guardrail", "--json")
    assert done.returncode == 4
    told = json.loads(done.stdout)
    assert told["verdict"] == "invalid"
    assert Path(told["report"]).is_file()
    assert "headline-cached: srm" in done.stderr


def test_one_bad_target_does_not_keep_the_others_from_being_rendered(tmp_path: Path, root: Path) -> None:
    text = (root / "examples/headline/headline-sound.yml").read_text()
    (tmp_path / "bad.yml").write_text(text.replace("key: headline-sound", "key: broken"))
    good = str(root / "examples/headline/headline-sound.yml")
    done = abkit("report", str(tmp_path / "bad.yml"), good, "--out", str(tmp_path / "out"), "--jobs", "2")
    assert done.returncode == 3
    assert "headline-sound: ▲ Ship" in done.stdout
    assert (tmp_path / "out/headline-sound/latest/report.html").is_file()


@pytest.mark.usefixtures("forked")
def test_init_then_report_in_an_empty_folder(tmp_path: Path) -> None:
    assert abkit("init", cwd=tmp_path).returncode == 0
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    wanted = {"explore.ipynb", "experiment_report.ipynb", "plan.ipynb", "tutorials/which_agent.ipynb", "warming.yml"}
    assert wanted <= made
    assert "humaneval_runs.csv.gz" in made
    assert abkit("report", "warming.yml", cwd=tmp_path).returncode == 0
    assert (tmp_path / "reports/warming/latest/report.html").is_file()
    again = abkit("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_doctor_finds_nothing_wrong_here() -> None:
    done = abkit("doctor")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
