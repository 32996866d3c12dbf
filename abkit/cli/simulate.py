"""`abkit simulate`: a traffic split before launch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.errors import ParameterError, suggest

if TYPE_CHECKING:
    from abkit.models import Experiment

_GATE_FIRED = 4
_CHECKS = (
    "assigner",
    "shares",
    "buckets",
    "order",
    "srm",
    "independence",
    "ramp",
    "clusters",
    "contamination",
    "duration",
)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(simulate)


def simulate(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="Experiment file, or a key in the store named by ABKIT_STORE."),
    ],
    users: Annotated[int, typer.Option("--users", min=0, help="Users to make up; default 100,000.")] = 0,
    ids: Annotated[str, typer.Option("--ids", help="File with ids of your own: lines, or CSV or Parquet.")] = "",
    cluster: Annotated[str, typer.Option("--cluster", help="Column of that file with each user's group.")] = "",
    days: Annotated[int, typer.Option("--days", min=0, help="Days over which they come; default 14.")] = 0,
    arrival: Annotated[
        str, typer.Option("--arrival", help="uniform, weekly, decaying, or new users of each day: 500,400,300.")
    ] = "uniform",
    returning: Annotated[float, typer.Option("--returning", help="Chance that a user comes back on a day.")] = 0.0,
    id_shape: Annotated[str, typer.Option("--id-shape", help="Made-up ids: uuid, integer or email.")] = "uuid",
    id_change_share: Annotated[
        float, typer.Option("--id-change-share", help="Share of people who come back under another id.")
    ] = 0.0,
    icc: Annotated[float, typer.Option("--icc", help="Correlation of outcomes within a cluster.")] = 0.05,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same one gives the same result.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_report: Annotated[bool, typer.Option("--report", help="Render a pre-launch report, too.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder of all reports.")] = Path("reports"),
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds allowed for the report.")] = 600,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help=f"Comma-separated checks, or `any`: {', '.join(_CHECKS)}.")
    ] = "",
) -> None:
    """Split made-up or real users as the experiment will, and check the split before launch."""
    if not target.strip():
        raise ParameterError("the target is empty: name an experiment file, or a key in the store")
    gates = _gates(fail_on)
    options: dict[str, Any] = {
        "users": users,
        "ids": ids,
        "cluster": cluster,
        "days": days,
        "arrival": arrival,
        "returning": returning,
        "id_shape": id_shape,
        "id_change_share": id_change_share,
        "icc": icc,
        "seed": seed,
    }
    found = _report(target, options, out, timeout, as_json) if as_report else _print(target, options, as_json)
    fired = [check["name"] for check in found["checks"] if check["status"] == "fail" and check["name"] in gates]
    if fired:
        typer.echo(f"gates that fired: {', '.join(fired)}", err=True)
        raise typer.Exit(_GATE_FIRED)


def _gates(fail_on: str) -> tuple[str, ...]:
    gates = tuple(gate.strip() for gate in fail_on.split(",") if gate.strip())
    for gate in gates:
        if gate not in (*_CHECKS, "any"):
            raise ParameterError(f"--fail-on: no check {gate!r}{suggest(gate, _CHECKS)}")
    return _CHECKS if "any" in gates else gates


def _print(target: str, options: dict[str, Any], as_json: bool) -> dict[str, Any]:
    from abkit.cli.options import shown
    from abkit.controller.simulation import simulate_target

    _, simulation = simulate_target(target, **options)
    if as_json:
        typer.echo(simulation.to_json())
    else:
        typer.echo("\n".join(shown(line) for line in simulation.to_text().splitlines()))
    return simulation.to_dict()


def _report(target: str, options: dict[str, Any], out: Path, timeout: float, as_json: bool) -> dict[str, Any]:
    import json

    from abkit.cli.options import shown
    from abkit.controller.targets import find_experiment
    from abkit.report.prelaunch import render_prelaunch

    experiment: Experiment = find_experiment(target)
    done = render_prelaunch(target, out, experiment=experiment, parameters=options, timeout=timeout)
    if as_json:
        facts = {"key": done.key, "status": done.simulation["status"], "report": str(done.html)}
        typer.echo(json.dumps({**facts, "checks": done.simulation["checks"]}, ensure_ascii=False))
    else:
        typer.echo(f"{shown(done.simulation['headline'])}\n  {done.html}")
    return done.simulation
