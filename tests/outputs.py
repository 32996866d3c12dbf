"""Outputs of notebooks are compared as people see them: numbers for programs differ in the last digit by machine."""

from collections.abc import Sequence

import pytest


class _Skipped(tuple[str, ...]):
    """What nbval leaves out, and the JSON of abkit's results."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or str(key).startswith("application/vnd.abkit.")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for notebook in {item.parent for item in items if hasattr(item.parent, "skip_compare")}:
        notebook.skip_compare = _Skipped(notebook.skip_compare)  # type: ignore[union-attr]
