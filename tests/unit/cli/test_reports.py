"""`abkit report` over a whole store, `abkit verify`, `abkit report check`, and a planted secret."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from abkit.cli import main
from abkit.controller.connection import connect
from abkit.models import Experiment, Mean, Plan, Variant
from abkit.report.publish import locked

SECRET = "planted-0815-Word"
pytestmark = pytest.mark.usefixtures("forked")


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The command line in this process: its exit code, stdout and stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def outcomes(text: str) -> dict[str, dict[str, object]]:
    return {str(one["target"]): one for one in map(json.loads, text.splitlines())}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One running experiment with data, one without, one draft."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    fill(url)
    return url


def fill(url: str) -> None:
    with connect(url) as lab:
        for key in ("with-data", "without-data", "draft"):
            variants = [Variant("a", 50, is_control=True), Variant("b", 50)]
            plan = Plan(inference="fixed")
            lab.create(Experiment(key, variants, Mean("score"), agent_id=key, min_sample_size=40, plan=plan))
            if key != "draft":
                lab.start(key)
    record(url, 0, 60)


def record(url: str, first: int, last: int) -> None:
    with connect(url) as lab:
        given = lab.assign_batch("with-data", [f"u{number}" for number in range(first, last)])
        for number, variant in zip(range(first, last), given.variant, strict=True):
            value = number % 7 + (3.0 if variant == "b" else 0.0)
            lab.record("with-data", f"u{number}", "score", value, event_id=f"e{number}")


def test_a_store_is_rendered_with_typed_outcomes_an_index_and_a_summary(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ABKIT_STORE", store)
    call = ("report", "--all", "--out", str(tmp_path / "out"), "--summary", str(tmp_path / "summary.md"), "--json")
    code, out, err = run(*call, "--jobs", "2", "--due", "--every", "24h", capsys=capsys)
    assert (code, err) == (0, "")
    found = outcomes(out)
    assert sorted(found) == ["with-data", "without-data"]
    assert found["with-data"]["outcome"] == "rendered"
    assert found["without-data"]["outcome"] == "skipped"
    assert "with-data/latest/report.html" in (tmp_path / "out" / "index.html").read_text()
    assert "1 rendered, 1 skipped, 0 failed" in (tmp_path / "summary.md").read_text()

    code, out, _ = run(*call, "--due", capsys=capsys)
    assert str(outcomes(out)["with-data"]["reason"]).startswith("no new data since")
    code, out, _ = run(*call, "--due", "--every", "0m", capsys=capsys)
    assert outcomes(out)["with-data"]["outcome"] == "rendered"
    record(store, 60, 62)
    code, out, _ = run(*call, "--running", "--due", capsys=capsys)
    assert outcomes(out)["with-data"]["outcome"] == "rendered"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["report", "--all"], 3, "name one in ABKIT_STORE"),
        (["report", "--all", "x.yml"], 2, "not both"),
        (["report", "x.yml", "--every", "24h"], 2, "goes with --due"),
        (["report", "x.yml", "--due", "--every", "soon"], 2, "no interval such as"),
        (["report", "check"], 2, "whose key is 'check' is reported by its id"),
        (["report", "check", "absent.html"], 3, "no page absent.html"),
        (["verify", "absent"], 3, "no folder of a report"),
        (["report", f"postgresql://me:{SECRET}@host/db"], 2, "an address with a password"),
        (["analyze", f"postgresql://me:{SECRET}@host/db"], 2, "an address with a password"),
        (["report", "{sound}", "-p", f"password={SECRET}"], 2, "looks like"),
        (["list", "--store", f"postgresql:/me:{SECRET}@host/db"], 2, "not the address of a store"),
    ],
)
def test_failures_say_what_to_do_and_no_secret(
    root: Path,
    arguments: list[str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("ABKIT_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    sound = root / "examples/headline/headline-sound.yml"
    found, out, err = run(*(part.format(sound=sound) for part in arguments), capsys=capsys)
    assert (found, out) == (code, "")
    assert said in err
    assert SECRET not in err


def test_a_target_that_is_not_found_is_an_outcome_where_asked(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = str(root / "examples/headline/headline-sound.yml")
    with locked(tmp_path / "headline-sound"):
        call = ("report", "absent.yml", sound, "--out", str(tmp_path), "--json", "--continue-on-error")
        code, out, err = run(*call, capsys=capsys)
    found = outcomes(out)
    assert code == 3
    assert found["absent.yml"] | {"outcome": "failed", "exit_code": 3, "error": "NotFoundError"} == found["absent.yml"]
    assert found[sound] | {"outcome": "failed", "exit_code": 75, "error": "LockedError"} == found[sound]
    assert "try again when it is done" in err


def test_two_at_once_and_the_second_is_told_to_come_back(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / "headline-sound"):
        code, _, err = run(
            "report", str(root / "examples/headline/headline-sound.yml"), "--out", str(tmp_path), capsys=capsys
        )
    assert code == 75
    assert "another process renders" in err


def test_a_planted_secret_is_in_no_file_and_no_message(postgresql_url: str, tmp_path: Path) -> None:
    url = postgresql_url.replace("abkit@", f"abkit:{SECRET}@")
    fill(url)
    environment = {"ABKIT_STORE": url, "PLANTED_TOKEN": SECRET, "PATH": "", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "abkit", "report", "with-data", "nope", "--out", "out", "--summary", "s.md"]
    done = subprocess.run(
        [*command, "--json", "--continue-on-error"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 3, done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"report.html", "report.ipynb", "analysis.json", "manifest.json", "index.html", "s.md"} <= names
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr.startswith("error: nope: ")


def test_check_and_verify_a_report(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("headline-sound.yml", "upworthy_exploratory_arms.csv.gz"):
        (tmp_path / name).write_bytes((root / "examples/headline" / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert run("report", "headline-sound.yml", "--as-of", "", capsys=capsys)[0] == 0
    latest = tmp_path / "reports/headline-sound/latest"
    code, out, _ = run("report", "check", str(latest / "report.html"), "reports/index.html", capsys=capsys)
    assert (code, out.count("ok  "), out.count("FAIL")) == (0, 18, 0)
    page = (latest / "report.html").read_text()
    (tmp_path / "bad.html").write_text(page.replace("<h1>", "<script>1</script><h1>"))
    code, out, _ = run("report", "check", "bad.html", "--json", capsys=capsys)
    assert (code, json.loads(out)["passed"]) == (4, False)

    code, out, _ = run("verify", str(latest), "--json", capsys=capsys)
    found = json.loads(out)
    assert (code, found["equal"], found["differences"], found["tolerance"]) == (0, True, [], 0.0)
    assert found["compared"] > 100

    analysis = json.loads((latest / "analysis.json").read_text())
    analysis["metrics"][0]["comparisons"][0]["lift"]["value"] *= 1 + 1e-15
    (latest / "analysis.json").write_text(json.dumps(analysis))
    text = (tmp_path / "headline-sound.yml").read_text()
    (tmp_path / "headline-sound.yml").write_text(re.sub("min_sample_size: .*", "min_sample_size: 20000", text))
    code, out, _ = run("verify", str(latest), capsys=capsys)
    assert code == 4
    assert "number: metrics[0].comparisons[0].lift.value: " in out
    assert "plan: hash: sha256:" in out
    assert "data: fingerprint" not in out
