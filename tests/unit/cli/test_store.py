import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from abkit.cli.store import add_commands
from abkit.controller.connection import connect
from abkit.errors import AbkitError, ConflictError, DataError, NotFoundError, ParameterError, StoreError

FILE = """
key: warming-vs-plain
agent_id: code-writer
variants:
  - {name: plain, traffic_percentage: 50, is_control: true}
  - {name: warming, traffic_percentage: 50, config: {temperature: rising}}
primary_metric: {kind: proportion, column: success}
"""
Run = Callable[..., str]


@pytest.fixture
def run(
    sqlite_store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command as the shell would, on a store of its own, and returns what it printed on stdout."""
    monkeypatch.setenv("ABKIT_STORE", sqlite_store_url)
    app = typer.Typer()
    add_commands(app)
    (tmp_path / "experiment.yml").write_text(FILE)

    def call(*arguments: str) -> str:
        capsys.readouterr()
        app([part.format(folder=tmp_path) for part in arguments], standalone_mode=False)
        return capsys.readouterr().out

    return call


def created(run: Run, *steps: str) -> None:
    run("create", "{folder}/experiment.yml")
    for step in steps:
        run(step, "warming-vs-plain")


def test_the_life_of_an_experiment(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("create", "{folder}/experiment.yml", "--actor", "ana")
    assert made == "warming-vs-plain: draft on the agent code-writer (version 1)\n"
    assert run("start", "warming-vs-plain", "--reason", "go").startswith("warming-vs-plain: running")
    assert run("assign", "code-writer", "user-7") in {"plain\n", "warming\n"}
    assert run("pause", "warming-vs-plain").startswith("warming-vs-plain: paused")
    run("resume", "warming-vs-plain")
    told = run("status", "warming-vs-plain")
    assert "1 of 1,000 planned users" in told
    assert "plain (control):" in told
    assert run("list", "--status", "running").startswith("warming-vs-plain  running  code-writer  ")
    assert run("list", "--agent", "another") == ""
    run("complete", "warming-vs-plain", "--actor", "bo")
    trail = run("audit", "warming-vs-plain").splitlines()
    assert [line.split("Z  ")[1].split("  ")[1] for line in trail] == [
        "create - → draft",
        "start draft → running: go",
        "pause running → paused",
        "resume paused → running",
        "complete running → completed",
    ]
    assert trail[-1].split("Z  ")[1].startswith("bo  ")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["status", "warming-vs-plain", "--json"], {"key": "warming-vs-plain", "status": "running", "total": 0}),
        (["list", "--json"], {"next_cursor": None}),
        (["audit", "--json"], {"next_cursor": None}),
        (["audit", "warming-vs-plain", "--json"], {"next_cursor": None}),
        (["pause", "warming-vs-plain", "--json"], {"status": "paused", "version": 3}),
        (["cancel", "warming-vs-plain", "--json"], {"status": "cancelled"}),
        (["complete", "warming-vs-plain", "--json"], {"status": "completed", "winner": None}),
    ],
)
def test_json(run: Run, arguments: list[str], found: dict[str, Any]) -> None:
    created(run, "start")
    told = json.loads(run(*arguments))
    assert told | found == told


def test_ingesting_a_file_twice_adds_it_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    created(run, "start")
    (tmp_path / "rows.csv").write_text("user_id,metric_type,value,event_id\nu1,success,1,a\nu2,success,0,b\nu3,,1,c\n")
    load = ("ingest", "{folder}/rows.csv", "--experiment", "warming-vs-plain")
    assert run(*load) == "3 rows, 2 added, 0 repeated, 0 quarantined, 1 rejected\n"
    told = json.loads(run(*load, "--json", "--reject-file", "{folder}/bad.jsonl"))
    assert (told["added"], told["repeated"], told["rejected"]) == (0, 2, 1)
    assert json.loads((tmp_path / "bad.jsonl").read_text())["line"] == 4
    with pytest.raises(DataError, match="more than the 0 allowed"):
        run(*load, "--max-errors", "0")


def test_assign_says_what_it_found_as_json(run: Run) -> None:
    created(run)
    assert json.loads(run("assign", "code-writer", "u", "--json")) == {"experiment_id": None, "variant": None}
    run("start", "warming-vs-plain")
    assert json.loads(run("assign", "code-writer", "u", "--json"))["variant"] in {"plain", "warming"}


def test_pages(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in range(3):
        (tmp_path / f"{place}.yml").write_text(FILE.replace("warming-vs-plain", f"e{place}"))
        run("create", f"{tmp_path}/{place}.yml")
    first = json.loads(run("list", "--limit", "2", "--json"))
    second = json.loads(run("list", "--limit", "2", "--json", "--cursor", first["next_cursor"]))
    assert [one["key"] for one in first["items"] + second["items"]] == ["e2", "e1", "e0"]
    assert second["next_cursor"] is None


def test_keys(run: Run, sqlite_url: str) -> None:
    text = run("keys", "create", "ci", "--scope", "ingest", "--scope", "read", "--expires", "2099-01-01").strip()
    made = json.loads(run("keys", "create", "other", "--json"))
    assert made["scopes"] == ["read"]
    public = text.split("_")[1]
    assert f"{public}  valid  read,ingest  ci" in run("keys", "list")
    assert run("keys", "revoke", public) == f"{public}: revoked\n"
    listed = run("keys", "list", "--json")
    assert [key["revoked_at"] is None for key in json.loads(listed)] == [False, True]
    assert text.split("_")[2] not in listed


def test_shipping_and_rolling_back(run: Run, tmp_path: Path) -> None:
    (tmp_path / "agent.json").write_text('{{"model": "m"}}'.format())
    run("create", "{folder}/experiment.yml", "--agent-config", "{folder}/agent.json")
    run("start", "warming-vs-plain")
    with pytest.raises(ConflictError, match="does not say to ship"):
        run("complete", "warming-vs-plain", "--ship-winner")
    run("complete", "warming-vs-plain")
    why = ("--variant", "warming", "--override-reason", "cheaper")
    assert run("ship", "warming-vs-plain", *why) == 'code-writer: {"model": "m", "temperature": "rising"}\n'
    assert json.loads(run("rollback", "code-writer", "--json"))["config"] == {"model": "m"}


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["start", "warming-vs-plan"], NotFoundError, "did you mean 'warming-vs-plain'"),
        (["resume", "warming-vs-plain"], ConflictError, "cannot resume an experiment that is draft"),
        (["create", "{folder}/experiment.yml"], ConflictError, "choose another key"),
        (["create", "{folder}/absent.yml"], NotFoundError, "no experiment file"),
        (["list", "--status", "runing"], ParameterError, "did you mean 'running'"),
        (["list", "--limit", "0"], ParameterError, "1 to 500"),
        (["list", "--cursor", "x"], ParameterError, "not a cursor"),
        (["list", "--store", "mysql://a@b/c"], ParameterError, "SQLite or PostgreSQL"),
        (["list", "--store", "sqlite:////nowhere/abkit.db"], StoreError, "no folder"),
        (["keys", "create", "ci", "--scope", "write"], ParameterError, "no scope 'write'"),
        (["keys", "create", "ci", "--expires", "2001-01-01"], ParameterError, "expired"),
        (["keys", "revoke", "abcd"], NotFoundError, "no key"),
        (["rollback", "code-writer"], ConflictError, "no earlier configuration"),
        (["status", "warming-vs-plain", "--organization", "acme"], NotFoundError, "no experiment"),
        (["create", "{folder}/experiment.yml", "--agent-config", "{folder}/no.json"], ParameterError, "agent-config"),
        (["create", "{folder}/experiment.yml", "--agent-config", "{folder}/list.json"], ParameterError, "JSON object"),
    ],
)
def test_failures_say_what_to_do(
    run: Run, tmp_path: Path, arguments: list[str], error: type[AbkitError], said: str
) -> None:
    created(run)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(error, match=said):
        run(*arguments)


def test_a_terminal_is_not_steered_by_what_is_stored(run: Run, sqlite_url: str) -> None:
    created(run)
    with connect(sqlite_url) as lab:
        lab.start("warming-vs-plain", actor="\x1b[2J\u202eana", reason="a\rb")
    assert "\x1b" not in run("audit")
    assert r"\x1b[2J\u202eana" in run("audit")
