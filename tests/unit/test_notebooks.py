"""What every notebook holds to: short cells, templates without outputs, tutorials with outputs that are compared."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ALL = sorted(path.relative_to(NOTEBOOKS).as_posix() for path in NOTEBOOKS.rglob("*.ipynb"))
TUTORIALS = [name for name in ALL if name.startswith("tutorials/")]


def cells(name: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads((NOTEBOOKS / name).read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", ALL)
def test_cells_are_short_and_only_tutorials_have_outputs(name: str) -> None:
    for cell in cells(name):
        assert len("".join(cell["source"]).splitlines()) <= 10 or "parameters" in cell["metadata"]["tags"]
        assert name in TUTORIALS or (cell["outputs"] == [] and cell.get("execution_count") is None)


@pytest.mark.parametrize("name", TUTORIALS)
def test_what_a_tutorial_shows_is_compared_unless_it_is_a_figure(name: str) -> None:
    for cell in cells(name):
        assert cell["outputs"], cell["source"]
        kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
        has_figure = "image/png" in kinds
        assert has_figure != ("nbval-check-output" in cell["metadata"].get("tags", [])), cell["source"]
        assert not any(output["output_type"] == "error" or output.get("name") == "stderr" for output in cell["outputs"])
        assert not any(kind.startswith("application/vnd.abkit") for kind in kinds)
