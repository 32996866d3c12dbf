"""How many statements rows that need care take, and how often they read the data: numbers that must not grow unseen."""

from typing import Any

import pytest

from abkit.collectors import collect
from abkit.collectors.engines import Database, DuckDB
from abkit.models import Mean, Proportion, Quantile
from tests.engines.conftest import Place
from tests.engines.plans import counting
from tests.engines.test_same_numbers import NOW, experiment, rows

MEANS = (Mean("cost"), Proportion("success"))
CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any], bool]] = {
    "moments of rows": (MEANS, {}, False),
    "moments of units": (MEANS, {"unit": "unit"}, False),
    "quantiles of units": ((*MEANS, Quantile("cost", 0.5), Quantile("before", 0.5)), {"unit": "unit"}, False),
    "looks": (MEANS, {"unit": "unit", "time": "at"}, False),
    "all parts": (MEANS, {"unit": "unit", "time": "at", "segments": ["country"]}, True),
}
STATEMENTS_AND_SCANS = {
    "arrow": {
        "moments of rows": (3, 3),
        "moments of units": (4, 5),
        "quantiles of units": (6, 9),
        "looks": (6, 7),
        "all parts": (14, 23),
    },
    # Without percentile_cont each group of quantiles is ranked by itself, the units that count looked up each time.
    "sqlite": {
        "moments of rows": (3, 3),
        "moments of units": (4, 5),
        "quantiles of units": (6, 15),
        "looks": (6, 7),
        "all parts": (14, 34),
    },
}


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each statement that is run from here on, how often it reads the data."""
    found: list[int] = []
    monkeypatch.setattr("abkit.collectors.collector.read_frame", lambda *_: None)
    monkeypatch.setattr("abkit.collectors.collector.sweep", lambda *_: None)
    for kind in (DuckDB, Database):
        for name in ("rows", "batches"):
            monkeypatch.setattr(kind, name, counting(found, getattr(kind, name)))
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("place", "engine"), [(name, name) for name in STATEMENTS_AND_SCANS], indirect=["place"], ids=STATEMENTS_AND_SCANS
)
def test_rows_that_need_care_are_read_so_often(place: Place, engine: str, case: str, scans: list[int]) -> None:
    metrics, keys, details = CASES[case]
    collect(experiment(*metrics), place(rows(), **keys), now=NOW, details=details)
    assert (len(scans), sum(scans)) == STATEMENTS_AND_SCANS[engine][case]
