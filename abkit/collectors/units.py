"""The units behind the moments of the primary metric, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from abkit.collectors.census import take_census
from abkit.collectors.collector import usable
from abkit.collectors.engines import open_source
from abkit.collectors.exposed import add_up_events
from abkit.collectors.mixed import settle_units
from abkit.collectors.observed import as_observed
from abkit.collectors.orders import read_ahead
from abkit.collectors.query import Rows, paired_units, randomized_units
from abkit.collectors.source import Source
from abkit.collectors.terms import term_of
from abkit.models import Experiment
from abkit.stats.moments import Array

Units = tuple[npt.NDArray[np.intp], Array]


def read_units(experiment: Experiment, source: Source, *, as_of: datetime | None = None) -> Iterator[Units]:
    """Read what each unit adds to the moments of the primary metric, a batch at a time.

    Parameters
    ----------
    experiment : Experiment
    source : Source
        Rows, not totals.
    as_of : datetime, optional
        As for `collect`, whose moments are those of these rows.

    Yields
    ------
    block : array (m,) of int
        Which of the metric's blocks each unit belongs to: its variant's place, or 0 where units are paired.
    rows : array (m, p)
        Its row of that block.
    """
    alone = replace(experiment, guardrail_metrics=[], secondary_metrics=[])
    with open_source(source) as engine:
        if source.long:
            alone = as_observed(alone)
        events = source.event_source
        if events is not None:
            exposed = add_up_events(engine, alone, source, events, as_of)
            alone, source = exposed.experiment, exposed.source
        limit = as_of.timestamp() if as_of and source.data.time else None
        rows = Rows(engine.table, engine.types, source.data, limit)
        census = take_census(engine, rows, alone, source.where)
        rows = settle_units(engine, rows, census, source.where)
        metric = alone.primary_metric if source.long else usable(alone.primary_metric, census)
        term = term_of(metric, "m0", rows, census, read_ahead(engine, rows, census, [metric]))
        values = list(census.values.values())
        if source.data.design != "paired":
            for places, *parts in engine.batches(randomized_units(rows, [term], values)):
                yield places.astype(np.intp), np.column_stack(parts)
            return
        variants, width = len(values), len(term.columns) + 1
        for columns in engine.batches(paired_units(rows, [term], values)):
            batch = np.column_stack(columns)
            part = batch[:, variants:].reshape(len(batch), variants, width)
            whole = (batch[:, :variants] > 0).all(axis=1) & (part[:, :, -1] > 0).all(axis=1)
            yield np.zeros(int(whole.sum()), np.intp), part[whole, :, :-1].reshape(-1, variants * (width - 1))
