"""The commands around reports: render many, check a page, run one again."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.cli.options import AsOf, Json, Out, named, shown
from abkit.errors import ParameterError, suggest

if TYPE_CHECKING:
    from abkit.controller.fleet import Order
    from abkit.report.fleet import Outcome

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
_CHECK = "check"

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET...",
        help="Experiment files with a `data:` section, or keys in the store named by ABKIT_STORE; "
        "or: check FILE..., which looks at rendered pages.",
        show_default=False,
    ),
]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds allowed for one report.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(report)
    app.command()(verify)


def report(
    targets: Targets = None,
    all_stored: Annotated[bool, typer.Option("--all", help="Every experiment of the store.")] = False,
    running: Annotated[bool, typer.Option("--running", help="Only those of the store that run.")] = False,
    due: Annotated[bool, typer.Option("--due", help="Only those with new data or a changed plan.")] = False,
    every: Annotated[
        str, typer.Option("--every", help="With --due: also those whose report is as old as 90m, 24h or 7d.")
    ] = "",
    out: Out = Path("reports"),
    as_of: AsOf = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per outcome.")] = False,
    summary: Annotated[Path | None, typer.Option("--summary", help="Write a table of verdicts in Markdown.")] = None,
    fail_on: Annotated[str, typer.Option("--fail-on", help=f"Comma-separated gates: {', '.join(_GATES)}.")] = "",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE for the notebook.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Reports to render at once.")] = 1,
    continue_on_error: Annotated[
        bool, typer.Option("--continue-on-error", help="Go on, too, where a target is not found or not usable.")
    ] = False,
    timeout: Timeout = 600,
) -> None:
    """Render one self-contained HTML report per experiment into OUT/KEY/RUN and point OUT/KEY/latest at it.

    OUT/index.html shows all of them, the newest first. `abkit report check FILE...` looks at rendered pages instead.
    """
    if targets and targets[0] == _CHECK:
        check([Path(file) for file in targets[1:]], as_json)
        return
    gates = _gates(fail_on)
    from abkit.controller.fleet import Order, parse_interval

    if every and not due:
        raise ParameterError("--every says when a report is due: it goes with --due")
    order = Order(
        out=out,
        as_of=as_of,
        parameters=_parameters(parameter or []),
        timeout=timeout,
        jobs=jobs,
        due=due,
        every=parse_interval(every) if every else None,
        lenient=continue_on_error,
    )
    outcomes = _run(order, _wanted(targets, all_stored, running), stored=all_stored or running, as_json=as_json)
    code = _written(outcomes, out, summary)
    _end(outcomes, gates, code)


def _wanted(targets: Sequence[str] | None, all_stored: bool, running: bool) -> list[str]:
    if (all_stored or running) and targets:
        raise ParameterError("name targets, or take them from the store with --all or --running, not both")
    if all_stored or running:
        from abkit.controller.fleet import stored_targets

        return stored_targets(running=running)
    if not targets:
        raise typer.BadParameter(
            "Missing argument 'TARGET...': name experiment files or keys, or say --all or --running"
        )
    return list(dict.fromkeys(named(target) for target in targets))


def _run(order: Order, targets: Sequence[str], *, stored: bool, as_json: bool) -> list[Outcome]:
    from tqdm import tqdm

    from abkit.controller.fleet import carry_out

    outcomes = []
    quiet = len(targets) < 2 or not sys.stderr.isatty()
    with _ended_by_signals():
        found = carry_out(order, targets, stored=stored)
        for outcome in tqdm(found, total=len(targets), unit="report", disable=quiet, file=sys.stderr):
            outcomes.append(outcome)
            _tell(outcome, as_json)
    return outcomes


def _tell(outcome: Outcome, as_json: bool) -> None:
    from abkit.report.fleet import Failed, Rendered

    if as_json:
        typer.echo(json.dumps(outcome.to_dict(), ensure_ascii=False))
    if isinstance(outcome, Failed):
        typer.echo(f"error: {shown(outcome.target)}: {outcome.error}", err=True)
    elif isinstance(outcome, Rendered) and not as_json:
        typer.echo(f"{outcome.report.headline}\n  {outcome.report.html}")
    elif not isinstance(outcome, Rendered) and not as_json:
        typer.echo(f"{outcome.target}: skipped: {outcome.reason}")


def _written(outcomes: Sequence[Outcome], out: Path, summary: Path | None) -> int:
    """Write index and summary; reports that are published stay so if that fails."""
    from abkit.report.fleet import Rendered
    from abkit.report.overview import summarize, write_index
    from abkit.report.publish import replace_text

    try:
        if any(isinstance(outcome, Rendered) for outcome in outcomes):
            write_index(out)
        if summary is not None:
            replace_text(summary, summarize(outcomes, summary.parent))
    except OSError as error:
        typer.echo(f"error: the reports are there, index or summary could not be written: {error}", err=True)
        return 1
    return 0


def _end(outcomes: Sequence[Outcome], gates: Sequence[str], code: int) -> None:
    from abkit.report.fleet import Failed, Rendered

    failures = [outcome.exit_code for outcome in outcomes if isinstance(outcome, Failed)]
    if failures or code:
        raise typer.Exit(failures[0] if failures else code)
    reports = [outcome.report for outcome in outcomes if isinstance(outcome, Rendered)]
    fired = [f"{done.key}: {gate}" for done in reports for gate in _fired(done.analysis, gates)]
    if fired:
        typer.echo(f"gates that fired: {', '.join(fired)}", err=True)
        raise typer.Exit(_GATE_FIRED)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A scheduler's SIGTERM ends the notebooks' processes, too, and the process with 143."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check(files: Sequence[Path], as_json: bool) -> None:
    """Look at rendered pages: requests, links, scripts, policy, alternative text, headings, tables, size, secrets."""
    from abkit.report.inspection import inspect_page

    if not files:
        raise ParameterError(
            "abkit report check FILE...: name the pages to look at; a stored experiment whose key is 'check' is "
            "reported by its id, see abkit list --json"
        )
    good = True
    for file in files:
        findings = inspect_page(file)
        good = good and all(passed for _, passed, _ in findings)
        if as_json:
            told = [{"check": name, "passed": passed, "found": text} for name, passed, text in findings]
            typer.echo(json.dumps({"file": str(file), "passed": all(p for _, p, _ in findings), "checks": told}))
            continue
        typer.echo(str(file))
        for name, passed, text in findings:
            typer.echo(f"  {'ok  ' if passed else 'FAIL'}  {name}: {shown(text)}")
    if not good:
        raise typer.Exit(_GATE_FIRED)


def verify(
    folder: Annotated[Path, typer.Argument(metavar="REPORT_DIR", help="Folder of a report, as reports/KEY/latest.")],
    as_json: Json = False,
    timeout: Timeout = 600,
) -> None:
    """Run a report again with what its manifest recorded, compare every number, and name what differs.

    Ends with 0 where data, plan and numbers are the same, and with 4 where they are not.
    """
    from abkit.controller.verification import verify_report

    found = verify_report(folder, timeout=timeout)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        for difference in found.differences:
            typer.echo(shown(difference))
        how = f"within a relative {found.tolerance:g}, since versions differ" if found.tolerance else "exactly"
        typer.echo(f"{found.compared} values compared {how}: {'equal' if found.is_equal else 'not equal'}")
    if not found.is_equal:
        raise typer.Exit(_GATE_FIRED)


def _gates(text: str) -> list[str]:
    gates = [gate.strip() for gate in text.split(",") if gate.strip()]
    for gate in gates:
        if gate not in _GATES:
            raise ParameterError(f"--fail-on: no gate {gate!r}{suggest(gate, _GATES)}")
    return gates


def _parameters(pairs: Iterable[str]) -> dict[str, str]:
    """Values stay text: guessing types turns keys such as 2024_11 into numbers."""
    given = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.isidentifier():
            raise ParameterError("--parameter: expected NAME=VALUE, where NAME is a parameter of the notebook")
        given[name] = value
    return given


def _fired(analysis: dict[str, Any], gates: Sequence[str]) -> list[str]:
    failed = {check["name"] for check in analysis["checks"] if check["status"] == "fail"}
    reasons = analysis["decision"]["reasons"]
    failed |= {reason["gate"] for reason in reasons if reason["passed"] is False}
    if analysis["decision"]["verdict"] == "invalid":
        failed.add("invalid")
    return [gate for gate in gates if gate in failed]
