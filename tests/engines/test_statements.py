"""How many statements an analysis takes, and how often they read the data: numbers that must not grow unseen."""

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
    "looks at rows": (MEANS, {"time": "at"}, False),
    "quantiles of segments": ((*MEANS, Quantile("cost", 0.5)), {"unit": "unit", "segments": ["country"]}, False),
    "all parts": (MEANS, {"unit": "unit", "time": "at", "segments": ["country"]}, True),
}


def hashed(numbers: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """One scan less where equal rows are looked for: by their hashes."""
    return {case: (count, scans - ("unit" in CASES[case][1])) for case, (count, scans) in numbers.items()}


_PERCENTILE = {
    "moments of rows": (2, 2),
    "moments of units": (3, 4),
    "quantiles of units": (5, 6),
    "looks": (4, 5),
    "looks at rows": (2, 2),
    "quantiles of segments": (10, 14),
    "all parts": (12, 21),
}
# Without percentile_cont each metric's values are ranked by themselves.
_RANK = _PERCENTILE | {"quantiles of units": (5, 7), "all parts": (12, 24)}
# Frames are ordered by numpy, but for their segments.
_FRAME = {
    "moments of rows": (0, 0),
    "looks at rows": (0, 0),
    "quantiles of units": (1, 1),
    "quantiles of segments": (6, 9),
}
PLAIN = {"arrow": hashed(_PERCENTILE) | _FRAME, "postgresql": _PERCENTILE, "sqlite": _RANK}
_PERCENTILE_WITH_CARE = {
    "moments of rows": (3, 3),
    "moments of units": (4, 5),
    "quantiles of units": (6, 9),
    "looks": (5, 6),
    "looks at rows": (4, 4),
    "quantiles of segments": (11, 17),
    "all parts": (13, 22),
}
# The units that count are looked up for each metric.
_RANK_WITH_CARE = _PERCENTILE_WITH_CARE | {"quantiles of units": (6, 11), "all parts": (13, 25)}
WITH_CARE = {"arrow": hashed(_PERCENTILE_WITH_CARE), "postgresql": _PERCENTILE_WITH_CARE, "sqlite": _RANK_WITH_CARE}


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each statement that is run from here on, how often it reads the data."""
    found: list[int] = []
    for kind in (DuckDB, Database):
        for name in ("rows", "batches"):
            monkeypatch.setattr(kind, name, counting(found, getattr(kind, name)))
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("place", "engine"), [(name, name) for name in PLAIN], indirect=["place"], ids=list(PLAIN))
def test_an_analysis_reads_the_data_so_often(
    place: Place, engine: str, case: str, scans: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, keys, details = CASES[case]
    given = place(rows(), **keys)
    collect(experiment(*metrics), given, now=NOW, details=details)
    assert (len(scans), sum(scans)) == PLAIN[engine][case]
    scans.clear()
    monkeypatch.setattr("abkit.collectors.collector.read_frame", lambda *_: None)
    monkeypatch.setattr("abkit.collectors.collector.read_clusters", lambda *_: None)
    monkeypatch.setattr("abkit.collectors.collector.sweep", lambda *_: None)
    collect(experiment(*metrics), given, now=NOW, details=details)
    assert (len(scans), sum(scans)) == WITH_CARE[engine][case]
