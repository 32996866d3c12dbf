"""`abkit power`: plan an experiment, or calculate a size from a few numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.errors import ParameterError

if TYPE_CHECKING:
    from abkit.stats import PowerAnalysis

_QUICK = "Without TARGET: "


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(power)


def power(
    target: Annotated[
        str,
        typer.Argument(metavar="[TARGET]", help="Experiment file, or a key in the store named by ABKIT_STORE."),
    ] = "",
    history: Annotated[
        str, typer.Option("--history", help="CSV or Parquet file of past data, with the columns of `data:`.")
    ] = "",
    baseline: Annotated[
        list[str] | None,
        typer.Option("--baseline", help="NAME=LEVEL or NAME=LEVEL:SD, once per metric; without TARGET: LEVEL."),
    ] = None,
    sizes: Annotated[str, typer.Option("--sizes", help="Units over all variants, such as 1000,5000.")] = "",
    daily_units: Annotated[float, typer.Option("--daily-units", min=0, help="New units per day; 0: as seen.")] = 0.0,
    mde: Annotated[float, typer.Option("--mde", help=f"{_QUICK}smallest relative effect that matters.")] = 0.0,
    sd: Annotated[float, typer.Option("--sd", help=f"{_QUICK}of a unit's value; none: a rate.")] = 0.0,
    guardrails: Annotated[int, typer.Option("--guardrails", min=0, help=f"{_QUICK}how many have to pass.")] = 0,
    treatments: Annotated[int, typer.Option("--treatments", min=1, help=f"{_QUICK}compared with control.")] = 1,
    target_power: Annotated[float, typer.Option("--power", help=f"{_QUICK}of the decision.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help=f"{_QUICK}two-sided.")] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how many units an experiment needs, what it can detect, and how often it would ship a good variant."""
    given = baseline or []
    quick = {"--mde": mde, "--sd": sd, "--guardrails": guardrails}
    if target.strip():
        stray = [name for name, value in quick.items() if value]
        if stray:
            raise ParameterError(f"{stray[0]} belongs to the calculator without TARGET; the experiment says its own")
        from abkit.controller.planning import plan_target

        plan = plan_target(target, history=history, baselines=given, sizes=sizes, daily_units=daily_units)
        typer.echo(plan.to_json() if as_json else plan.to_text())
        return
    if history or len(given) != 1 or not (mde or sizes):
        raise ParameterError("name an experiment, or give numbers: abkit power --baseline 0.3 --mde 0.05")
    import numpy as np

    found = _calculate(_number(given[0]), mde, sd, sizes, guardrails, alpha, target_power, treatments)
    rows = [{name: np.asarray(value).item() for name, value in row.items()} for row in found.rows()]
    typer.echo(json.dumps(rows, indent=1) if as_json else _told(found, guardrails, target_power))
    if daily_units and not as_json:
        typer.echo(f"{-(-float(found.rows()[0]['n_total']) // daily_units):,.0f} days at {daily_units:,g} units a day")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"--baseline {text!r}: without an experiment it is one number, the level") from None


def _calculate(
    level: float, effect: float, sd: float, sizes: str, guardrails: int, alpha: float, power: float, treatments: int
) -> PowerAnalysis:
    """Units for the effect; with sizes, the effect that each of them detects."""
    from abkit.controller.planning import read_sizes
    from abkit.stats import mde, power_each, sample_size

    options: Any = {"mean": level, "sd": sd} if sd else {"rate": level}
    options |= {"alpha": alpha, "treatments": treatments, "power": float(power_each(power, guardrails))}
    options["alternative"] = "two-sided"
    given = read_sizes(sizes)
    if given:
        return mde([size / (1 + treatments) for size in given], **options)
    return sample_size(lift=effect, **options)


def _told(found: PowerAnalysis, guardrails: int, power: float) -> str:
    lines = [found.to_text()]
    if guardrails:
        lines.append(
            f"power is that of the primary metric: with {guardrails} guardrails it takes 1 - {1 - power:g} / "
            f"{guardrails + 1} of each, so that all pass together with {power:g}; each guardrail needs its own size"
        )
    return "\n".join(lines)
