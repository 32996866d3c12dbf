"""Read a definition from a YAML file, strictly: nothing is guessed, nothing is lost without a word."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from abkit.bundled import bundled
from abkit.errors import DefinitionError, NotFoundError, suggest


def read_definition(source: str | PathLike[str]) -> tuple[Mapping[str, Any], Path | None]:
    """Return what a YAML file (or YAML text of more than one line) says, and the file's folder.

    Raises
    ------
    NotFoundError
        There is no such file.
    DefinitionError
        It is not YAML, not a mapping, or has a key twice.
    """
    is_text = isinstance(source, str) and "\n" in source
    path = Path() if is_text else _locate(Path(source))
    what = "the text" if is_text else str(source)
    try:
        data = yaml.load(str(source) if is_text else _read(path), _UniqueKeys)
    except RecursionError:
        raise DefinitionError(f"{what} is nested too deep for an experiment") from None
    except yaml.YAMLError as error:
        raise DefinitionError(
            f"{what} is not YAML: {error}\nput text that holds any of : , [ ] {{ }} # % @ in quotes"
        ) from None
    if not isinstance(data, Mapping):
        raise DefinitionError(f"{what} holds no experiment: expected keys such as `key:` and `variants:`")
    return data, None if is_text else path.resolve().parent


class _UniqueKeys(yaml.SafeLoader):
    """Of two equal keys YAML would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, and refuse a key that is there twice."""
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if isinstance(key, str) and key in seen:
                raise DefinitionError(f"the key {key!r} is there twice, in lines {seen[key]} and {line}; remove one")
            if isinstance(key, str):
                seen[key] = line
        return super().construct_mapping(node, deep)


def _locate(path: Path) -> Path:
    if path.parts[:1] == ("examples",) and not path.exists():
        with contextlib.suppress(NotFoundError):
            return bundled("examples", "/".join(path.parts[1:]))
    return path


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DefinitionError(f"{path} is not UTF-8 text, so it is not an experiment file") from None
    except OSError as error:
        near = [str(found) for found in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise NotFoundError(
            f"no experiment file {str(path)!r} ({error.strerror}){suggest(str(path), near)}; the path is relative to "
            f"{Path.cwd()}"
        ) from None
