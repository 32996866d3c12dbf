"""`abkit ...`: parse, call, print. Data on stdout, messages on stderr, failures as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from abkit import __version__
from abkit.cli import characteristics, power, reports, serve, simulate, store
from abkit.cli.options import AsOf, Out, named
from abkit.errors import AbkitError, ParameterError

app = typer.Typer(
    name="abkit",
    help="Controlled experiments on AI-agent variants: design, analyze, decide, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with the exit code of what happened."""
    try:
        code = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except AbkitError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
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

    reports.report([str(bundled("examples", "agents/warming.yml"))], out=out)
    _say("the experiment behind it: copy it with `abkit init` and change it")


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path()) -> None:
    """Copy an example experiment with its data, and the report's notebook, into a folder."""
    from abkit.bundled import bundled

    wanted = {
        "warming.yml": bundled("examples", "agents/warming.yml"),
        "humaneval_runs.csv.gz": bundled("examples", "agents/humaneval_runs.csv.gz"),
        "experiment_report.ipynb": bundled("notebooks", "experiment_report.ipynb"),
    }
    taken = [name for name in wanted if (folder / name).exists()]
    if taken:
        raise ParameterError(f"{folder / taken[0]} is there already; move it or choose another folder")
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder} is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in wanted.items():
        (folder / name).write_bytes(source.read_bytes())
        typer.echo(folder / name)
    _say(f"next: abkit report {folder / 'warming.yml'}")


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

    _, analysis = analyze_target(named(target), as_of=as_of)
    typer.echo(analysis.to_json() if as_json else repr(analysis))


characteristics.add_commands(app)
power.add_commands(app)
reports.add_commands(app)
store.add_commands(app)
serve.add_commands(app)
simulate.add_commands(app)
