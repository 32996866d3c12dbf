"""The reference of the command line, from its commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from markdown_table import code, table

from abkit.cli.app import app

_HEAD = """# Command line

`abkit COMMAND --help` says the same. Data goes to stdout, messages to stderr. Exit codes: 0 done (whatever the
verdict), 1 unexpected, 2 usage or definition, 3 no such experiment or data, 4 a `--fail-on` gate fired, 5 a notebook
cell failed, 6 time limit, 7 the notebook's process died, 75 locked by another process.
"""


def commands() -> dict[str, Any]:
    """Return every command by its full name, those of groups included."""
    return dict(_walk("abkit", typer.main.get_command(app)))


def page() -> str:
    """Return the page: a section per command with its arguments and options."""
    return "\n".join([_HEAD, *(_section(name, command) for name, command in commands().items())])


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _walk(f"{name} {word}", one)


def _section(name: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option"]
    usage = " ".join([name, *(_word(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"## {name}\n", f"{command.help or ''}\n", f"```text\n{usage}\n```\n"]
    if arguments:
        parts.append(table(("argument", "meaning"), [(code(_word(one)), one.help or "") for one in arguments]))
    if options:
        parts.append(table(("option", "meaning", "default"), [_option(one) for one in options]))
    return "\n".join(parts)


def _word(argument: Any) -> str:
    return str(argument.metavar or (argument.name.upper() if argument.required else f"[{argument.name.upper()}]"))


def _option(option: Any) -> tuple[str, str, str]:
    names = ", ".join(code(name) for name in option.opts)
    variable = f" Environment: {code(option.envvar)}." if option.envvar else ""
    return names, f"{option.help or ''}{variable}", _default(option)


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or option.default in ("", False) or callable(option.default):
        return ""
    given = option.default
    return code(", ".join(map(str, given)) if isinstance(given, list | tuple) else given)
