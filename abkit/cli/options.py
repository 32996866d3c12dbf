"""What the store's commands share: options, opening the store, printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.errors import ParameterError

if TYPE_CHECKING:
    from abkit.controller.experiments import ExperimentController

DEFAULT_STORE = "sqlite:///abkit.db"

Store = Annotated[
    str,
    typer.Option("--store", envvar="ABKIT_STORE", help="Address of the store: a SQLite file or a PostgreSQL database."),
]
Organization = Annotated[str, typer.Option("--organization", envvar="ABKIT_ORGANIZATION", help="Whose experiments.")]
Actor = Annotated[str, typer.Option("--actor", help="Who does it, for the audit log; default: your login name.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of all reports.")]
AsOf = Annotated[str, typer.Option("--as-of", help="ISO date or time up to which rows count.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def opened(store: str, organization: str) -> Iterator[ExperimentController]:
    """Open the store for an organization; it is created where it is not there."""
    from abkit.controller.connection import connect

    with connect(store, organization) as lab:
        yield lab


def named(target: str) -> str:
    """Return the target; an empty word would mean the bundled example, and is a variable that was not set."""
    if not target.strip():
        raise ParameterError("the target is empty: name an experiment file, or a key in the store")
    return target


def print_json(record: Any) -> None:
    """Print a record as JSON."""
    from abkit.store.records import plain

    typer.echo(json.dumps(plain(record), indent=1, ensure_ascii=not _is_unicode_terminal()))


def _is_unicode_terminal() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def shown(text: object) -> str:
    r"""Return text with what a terminal would obey, or show in another place, made visible.

    Examples
    --------
    >>> shown("plain Größe"), shown("a" + chr(27) + "[31m")
    ('plain Größe', 'a\\x1b[31m')
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text))
