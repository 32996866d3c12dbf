"""Exposures and events: from two tables to one row per exposed unit, which is then read like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import true

from abkit.collectors.census import columns_asked, moment_of, require_columns
from abkit.collectors.census_query import first_unreadable
from abkit.collectors.duplicates import count_duplicates
from abkit.collectors.engines import Engine
from abkit.collectors.exposed_query import Part, add_up, count_events, count_used
from abkit.collectors.query import Rows
from abkit.collectors.source import Source
from abkit.errors import DataError, DefinitionError
from abkit.models import Experiment, Metric, Proportion, Ratio
from abkit.plain import iso
from abkit.snapshot import NotCollected, Snapshot

COUNT = "events"


@dataclass(frozen=True, slots=True)
class Exposed:
    """What is read in place of exposures and events, and what no row of it tells.

    Parameters
    ----------
    experiment : Experiment
        Its metrics name the columns of totals.
    source : Source
        Its data names the columns of exposed units.
    last_second : float
        Time of the last event or exposure that is read.
    left_out : int
        Events of units that were not exposed, or before their exposure, or after every window.
    duplicates : int
        Events that are equal to another one in every column.
    still_open : dict
        Metric → units whose window is not over at the last time.
    """

    experiment: Experiment
    source: Source
    last_second: float
    left_out: int
    duplicates: int
    still_open: Mapping[str, int]

    def describe(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot of the totals as one of the exposures and events."""
        units, metrics = sum(snapshot.units.values()), dict(snapshot.metrics)
        for metric, _ in self.experiment.metrics:
            collected, waiting = metrics[metric.name], self.still_open.get(metric.name, 0)
            if waiting and not isinstance(collected, NotCollected):
                note = f"the {metric.window:g} days of {waiting:,} of {units:,} units are not over yet"
                metrics[metric.name] = replace(collected, notes=(*collected.notes, note))
        return replace(
            snapshot,
            as_of=max(snapshot.as_of, iso(moment_of(self.last_second))),
            rows_left_out=snapshot.rows_left_out + self.left_out,
            duplicated_rows=self.duplicates,
            metrics=metrics,
        )


def check_windows(experiment: Experiment, source: Source) -> None:
    """Raise where a metric has a window and there is no exposure to count it from.

    Raises
    ------
    DefinitionError
    """
    named = [repr(metric.name) for metric, _ in experiment.metrics if metric.window is not None]
    if named and source.event_source is None:
        raise DefinitionError(
            f"{', '.join(named)}: a window counts days from the exposure, and {source.where} has no events beside "
            "exposures; say where they are (data.events, or source.with_events(...)), or leave `window` out"
        )


def add_up_events(
    engine: Engine, experiment: Experiment, source: Source, events: Source, as_of: datetime | None = None
) -> Exposed:
    """Add up the events of each exposed unit, once, in the engine; what is left is a row per unit.

    A mean is of what each exposed unit adds up to, units without events included, a proportion the share of units that
    had an event with a 1, a ratio the sum over the sum, a quantile one of the units' totals.

    Parameters
    ----------
    engine : Engine
        Of the exposures.
    experiment : Experiment
    source : Source
        Of the exposures.
    events : Source
        What units did; it may lie elsewhere in the engine.
    as_of : datetime, optional
        Exposures and events after it do not count.

    Raises
    ------
    NotFoundError
        A column is absent.
    DataError
        Events without a readable time or number; no event of an exposed unit.
    """
    limit = as_of.timestamp() if as_of else None
    exposures = Rows(engine.table, engine.types, source.data, limit)
    happened, found = _open_events(engine, experiment, events, limit)
    covariates = list(dict.fromkeys(metric.covariate for metric, _ in experiment.metrics if metric.covariate))
    _check_exposures(exposures, covariates, source)
    parts = {part: None for metric, _ in experiment.metrics for part in _parts(metric)}
    kept, types = engine.keep(add_up(exposures, happened, list(parts), source.data.segments, covariates))
    engine.table, engine.types = kept, types
    windows = sorted({metric.window for metric, _ in experiment.metrics if metric.window is not None})
    latest = limit if limit is not None else float(found["last"] or 0.0)
    used = engine.rows(count_used(kept, source.data.unit or "", source.data.time or "", windows, latest))[0]
    if found["events"] and used["units"] and not used["events"]:
        raise DataError(
            f"no event of {events.where} is one of a unit of {source.where} after its exposure: compare "
            "how the two write units (7 and 7.0 are different) and times"
        )
    still_open = {window: int(used[f"open_{at}"]) for at, window in enumerate(windows)}
    return Exposed(
        experiment.with_metrics(_of_totals),
        replace(source, data=replace(source.data, where={})),
        float(used["last"]),
        int(found["events"]) - int(used["events"] or 0),
        count_duplicates(engine, happened.table, true(), int(found["events"])),
        {metric.name: still_open[metric.window] for metric, _ in experiment.metrics if metric.window is not None},
    )


def _open_events(
    engine: Engine, experiment: Experiment, source: Source, limit: float | None
) -> tuple[Rows, Mapping[str, Any]]:
    """Open the events and refuse what adding up would pass over."""
    table, types = engine.open(source)
    asked = [(source.data.unit, "data.events.unit"), (source.data.time, "data.events.time")]
    columns = [
        (name, f"{role} metric {metric.name!r}") for metric, role in experiment.metrics for name in metric.columns
    ]
    asked += [(name, asker) for name, asker in columns if name != COUNT]
    require_columns(types, asked, source.where)
    events = Rows(table, types, source.data, limit)
    texts = [name for name in dict.fromkeys(name for name, _ in columns) if name in types and events.is_text(name)]
    found = engine.rows(count_events(events, texts))[0]
    problems = []
    if found["timeless"]:
        problems.append(f"column {source.data.time!r}: {found['timeless']:,} rows have no readable time")
    for at, name in enumerate(texts):
        if found[f"unreadable_{at}"]:
            example = engine.rows(first_unreadable(events, name))[0]["value"]
            problems.append(f"column {name!r}: {found[f'unreadable_{at}']:,} rows hold text, such as {example!r}")
    if problems:
        raise DataError(
            "\n".join([f"{source.where} cannot be added up as it is:", *(f"  - {one}" for one in problems)])
        )
    return events, found


def _check_exposures(exposures: Rows, covariates: list[str], source: Source) -> None:
    asked = [*columns_asked(source.data), *((name, "a covariate") for name in covariates)]
    require_columns(exposures.types, asked, source.where)


def _parts(metric: Metric) -> list[Part]:
    return [Part(name, metric.window, isinstance(metric, Proportion)) for name in metric.columns]


def _of_totals(metric: Any) -> Any:
    names = [part.name for part in _parts(metric)]
    if isinstance(metric, Ratio):
        return replace(metric, numerator=names[0], denominator=names[1])
    return replace(metric, column=names[0])
