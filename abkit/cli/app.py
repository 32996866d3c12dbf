"""`abkit ...`: parse, call, print. Data on stdout, messages on stderr, failures as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit import __version__
from abkit.cli import power, serve, simulate, store
from abkit.errors import AbkitError, ParameterError, suggest

if TYPE_CHECKING:
    from abkit.report import Report

app = typer.Typer(
    name="abkit",
    help="Controlled experiments on AI-agent variants: design, analyze, decide, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_GATES = (
    "srm",
    "contamination",
    "duplicates",
    "missing",
    "units",
    "variance",
    "pairs",
    "guardrail",
    "primary",
    "invalid",
)
_GATE_FIRED = 4

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...", help="Experiment files with a `data:` section, or keys in the store named by ABKIT_STORE."
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder of all reports.")]
AsOf = Annotated[str, typer.Option("--as-of", help="ISO date or time up to which rows count.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with the exit code of what happened."""
    try:
        code = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except AbkitError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(130)
    except OSError as error:
        _say(f"error: {error.strerror or error}: {error.filename or 'while reading or writing'}")
        sys.exit(1)
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    typer.echo(message, err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"abkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


@app.command()
def demo(out: Out = Path("reports")) -> None:
    """Render the report of an experiment that comes with abkit: real agent runs, nothing to set up."""
    from abkit.bundled import bundled

    _render([str(bundled("examples", "agents/warming.yml"))], out, as_of="", parameters={}, jobs=1, timeout=600)
    _say("the experiment behind it: copy it with `abkit init` and change it")


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path()) -> None:
    """Copy abkit's notebooks and an example design with its data into a folder."""
    from abkit.bundled import bundled, notebooks

    wanted = {
        "warming.yml": bundled("examples", "agents/warming.yml"),
        "humaneval_runs.csv.gz": bundled("examples", "agents/humaneval_runs.csv.gz"),
        **notebooks(),
    }
    taken = [name for name in wanted if (folder / name).exists()]
    if taken:
        raise ParameterError(f"{folder / taken[0]} is there already; move it or choose another folder")
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder} is a file; name a folder")
    for name, source in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(source.read_bytes())
        typer.echo(folder / name)
    _say(f"next: abkit report {folder / 'warming.yml'}, or jupyter lab {folder}")


@app.command()
def doctor() -> None:
    """Say whether everything that abkit needs is here and works."""
    from abkit.report.doctor import examine

    findings = examine()
    for name, good, text in findings:
        typer.echo(f"{'ok  ' if good else 'FAIL'}  {name}: {text}")
    if not all(good for _, good, _ in findings):
        raise typer.Exit(1)


@app.command()
def analyze(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="Experiment file with a `data:` section, or a key in the store named by ABKIT_STORE."
        ),
    ],
    as_of: AsOf = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the analysis JSON.")] = False,
) -> None:
    """Analyze an experiment and print what was found."""
    from abkit.controller.targets import analyze_target

    _, analysis = analyze_target(_named(target), as_of=as_of)
    typer.echo(analysis.to_json() if as_json else analysis.to_text())


@app.command()
def report(
    targets: Targets,
    out: Out = Path("reports"),
    as_of: AsOf = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per report.")] = False,
    fail_on: Annotated[str, typer.Option("--fail-on", help=f"Comma-separated gates: {', '.join(_GATES)}.")] = "",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE for the notebook.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Reports to render at once.")] = 1,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds allowed for one report.")] = 600,
) -> None:
    """Render one self-contained HTML report per experiment into OUT/KEY/RUN and point OUT/KEY/latest at it."""
    gates = [gate.strip() for gate in fail_on.split(",") if gate.strip()]
    for gate in gates:
        if gate not in _GATES:
            raise ParameterError(f"--fail-on: no gate {gate!r}{suggest(gate, _GATES)}")
    reports = _render(
        targets, out, as_of=as_of, parameters=_parameters(parameter or []), jobs=jobs, timeout=timeout, as_json=as_json
    )
    fired = [f"{done.key}: {gate}" for done in reports for gate in _fired(done.analysis, gates)]
    if fired:
        _say(f"gates that fired: {', '.join(fired)}")
        raise typer.Exit(_GATE_FIRED)


power.add_commands(app)
store.add_commands(app)
serve.add_commands(app)
simulate.add_commands(app)


def _named(target: str) -> str:
    """An empty word would mean the bundled example; on a command line it is a variable that was not set."""
    if not target.strip():
        raise ParameterError("the target is empty: name an experiment file, or a key in the store")
    return target


def _parameters(pairs: Iterable[str]) -> dict[str, str]:
    """Values stay text: guessing types turns keys such as 2024_11 into numbers."""
    given = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.isidentifier():
            raise ParameterError(f"--parameter {pair!r}: expected NAME=VALUE")
        given[name] = value
    return given


def _render(
    targets: Sequence[str],
    out: Path,
    *,
    as_of: str,
    parameters: dict[str, str],
    jobs: int,
    timeout: float,
    as_json: bool = False,
) -> list[Report]:
    """Render all targets, tell each as it is done; the first failure is raised after the others are through."""
    from tqdm import tqdm

    from abkit.controller.targets import find_experiment
    from abkit.report.fleet import render_all

    experiments = {target: find_experiment(_named(target)) for target in targets}
    reports: list[Report] = []
    failures: list[AbkitError] = []
    outcomes = render_all(
        targets, out, as_of=as_of, parameters=parameters, jobs=jobs, timeout=timeout, experiments=experiments
    )
    quiet = len(targets) == 1 or not sys.stderr.isatty()
    for target, outcome in tqdm(outcomes, total=len(targets), unit="report", disable=quiet, file=sys.stderr):
        if isinstance(outcome, AbkitError):
            failures.append(outcome)
            _say(f"error: {target}: {outcome}")
            continue
        reports.append(outcome)
        typer.echo(_as_json(outcome) if as_json else f"{outcome.headline}\n  {outcome.html}")
    if failures:
        raise typer.Exit(failures[0].exit_code)
    return reports


def _as_json(done: Report) -> str:
    import json

    facts: dict[str, Any] = {"key": done.key, "verdict": done.verdict, "report": str(done.html)}
    return json.dumps({**facts, "decision": done.analysis["decision"]}, ensure_ascii=False)


def _fired(analysis: dict[str, Any], gates: Sequence[str]) -> list[str]:
    failed = {check["name"] for check in analysis["checks"] if check["status"] == "fail"}
    reasons = analysis["decision"]["reasons"]
    failed |= {reason["gate"] for reason in reasons if reason["passed"] is False}
    if analysis["decision"]["verdict"] == "invalid":
        failed.add("invalid")
    return [gate for gate in gates if gate in failed]
