"""`abkit characteristics`: how often a design ships a good variant, and how often a bad one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from abkit.cli.options import named

if TYPE_CHECKING:
    from abkit.analyzer.aa import AAValidation
    from abkit.analyzer.operating import OperatingCharacteristics


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(characteristics)


def characteristics(
    target: Annotated[str, typer.Argument(help="Experiment file, or a key in the store named by ABKIT_STORE.")],
    history: Annotated[
        str, typer.Option("--history", help="CSV or Parquet file of past data, with the columns of `data:`.")
    ] = "",
    baseline: Annotated[
        list[str] | None, typer.Option("--baseline", help="NAME=LEVEL or NAME=LEVEL:SD, once per metric.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Simulated experiments per scenario, or splits.")] = 2000,
    looks: Annotated[int, typer.Option("--looks", min=0, help="Equally spaced; 0: as planned.")] = 0,
    daily_units: Annotated[float, typer.Option("--daily-units", min=0, help="New units per day; 0: unknown.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same numbers.")] = 1,
    aa: Annotated[
        bool, typer.Option("--aa", help="Split the past at random instead, and test what is nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate the design on past units: how often it ends with each verdict, scenario by scenario."""
    from abkit.controller.characteristics import aa_validation, operating_characteristics
    from abkit.controller.planning import read_target

    experiment, known = read_target(named(target), history=history, baselines=baseline or [])
    if aa:
        found: OperatingCharacteristics | AAValidation = aa_validation(experiment, known, runs=runs, seed=seed)
    else:
        found = operating_characteristics(
            experiment,
            known,
            runs=runs,
            looks=looks or None,
            daily_units=daily_units or None,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
    typer.echo(json.dumps(found.to_dict(), indent=1) if as_json else repr(found))
