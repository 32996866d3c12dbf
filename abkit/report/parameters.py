"""Parameters as they arrived in a notebook: they mean what was written, or nothing is rendered."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from abkit.errors import ParameterError, suggest
from abkit.report.credentials import refuse_credentials

_INJECTED = "# Parameters\n"


def require_text(cells: Sequence[str], **given: object) -> None:
    r"""Raise unless every parameter is text and every injected name is one of them.

    Papermill guesses types (`-p experiment 2024_11` arrives as the number 202411), YAML files do too (`no` arrives as
    False), and a misspelt name is only logged: the report would be rendered with the defaults.

    Parameters
    ----------
    cells : sequence of str
        The cells that ran so far, as IPython keeps them in `In`.
    **given
        The notebook's parameters.

    Raises
    ------
    ParameterError
        Says what arrived and how to pass it instead.

    Examples
    --------
    >>> require_text(["", "# Parameters\\nas_of = '2026-11-22'"], experiment="warming", as_of="2026-11-22")
    """
    for cell in cells:
        for name in _assigned(cell) if cell.startswith(_INJECTED) else ():
            if name not in given:
                raise ParameterError(f"this notebook has no parameter {name!r}{suggest(name, given)}")
    for name, value in given.items():
        if not isinstance(value, str):
            raise ParameterError(
                f"the parameter {name!r} must be text, and arrived as {value!r} ({type(value).__name__}): papermill's "
                f"-p and YAML guess types. Pass it raw: papermill -r {name} VALUE; in YAML, put it in quotes"
            )
    refuse_credentials(given)


def _assigned(cell: str) -> list[str]:
    return [
        target.id
        for node in ast.parse(cell).body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Name)
    ]
