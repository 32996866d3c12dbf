"""The primary metric by days since each unit's first row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from abkit.collectors.census import Census
from abkit.collectors.daily_query import days_since_first
from abkit.collectors.engines import Engine
from abkit.collectors.query import Rows
from abkit.collectors.terms import Reading, level_of, term_of
from abkit.models import Quantile
from abkit.models.metric import Metric
from abkit.snapshot import NotCollected, Snapshot, Tenure
from abkit.stats import Moments

_MOST_DAYS = 14
_FEWEST_DAYS, _FEWEST_UNITS = 3, 10


def collect_tenure(
    engine: Engine, rows: Rows, snapshot: Snapshot, metric: Metric, census: Census, reading: Reading
) -> Tenure | str:
    """Add up the first two weeks of every unit day by day, or say why that cannot be done."""
    reason = _why_not(rows, snapshot, metric)
    if reason is not None:
        return reason
    plain = replace(metric, covariate=None)
    term = term_of(plain, "m0", rows, census, reading)
    values = list(census.values.values())
    moments: list[Moments | None] = [None] * len(values)
    seen = np.zeros((len(values), _MOST_DAYS), dtype=np.int64)
    for places, *parts in engine.batches(days_since_first(rows, term, values, _MOST_DAYS)):
        batch = np.column_stack(parts)
        for place in range(len(values)):
            found = batch[places == place]
            if len(found):
                seen[place] += (found[:, 1::2] != 0).sum(axis=0)
                added, before = Moments.from_rows(found), moments[place]
                moments[place] = added if before is None else before + added
    days = [day for day in range(_MOST_DAYS) if seen[:, day].min() >= _FEWEST_UNITS]
    blocks = [block for block in moments if block is not None]
    if len(days) < _FEWEST_DAYS or len(blocks) < len(values):
        return (
            f"fewer than {_FEWEST_DAYS} days since their first row have {_FEWEST_UNITS} units or more in every variant"
        )
    columns = [column for day in days for column in (2 * day, 2 * day + 1)]
    units = {name: tuple(int(seen[i, day]) for day in days) for i, name in enumerate(census.values)}
    return Tenure(
        tuple(days), units, tuple(block.columns(columns) for block in blocks), level_of(metric, census, reading, blocks)
    )


def _why_not(rows: Rows, snapshot: Snapshot, metric: Metric) -> str | None:
    if rows.data.time is None:
        return "the data has no time, so the days since a unit's first row are not known"
    if rows.data.design == "paired":
        return "paired design: a unit's days are not days of one variant"
    if rows.data.unit is None or snapshot.rows == snapshot.units:
        return "every unit is one row, so none comes back on a later day"
    if isinstance(metric, Quantile):
        return "the primary metric is a quantile, which has no totals by day"
    collected = snapshot.metrics[metric.name]
    return collected.reason if isinstance(collected, NotCollected) else None
