"""From a source of past data to a population: the units that an experiment is planned and simulated with."""

from __future__ import annotations

from typing import Any

import numpy as np

from abkit.collectors.engines import open_source
from abkit.collectors.population_query import count_units, read_rows
from abkit.collectors.query import Rows
from abkit.collectors.source import Source
from abkit.errors import DataError, DefinitionError, NotFoundError, suggest
from abkit.models import Experiment
from abkit.snapshot import Population
from abkit.stats.moments import Array

MOST_UNITS = 100_000


def read_population(experiment: Experiment, source: Source, *, most_units: int = MOST_UNITS) -> Population:
    """Read past units, every k-th where there are more than `most_units`.

    Variants of the past are pooled: what is planned is a change to the population as it is. Only a paired design keeps
    them apart.

    Parameters
    ----------
    experiment : Experiment
        Its metrics say which columns are read.
    source : Source
        Past data; it needs no variant column unless it is paired.
    most_units : int
        Units held in memory.

    Returns
    -------
    Population

    Raises
    ------
    NotFoundError
        A column is absent, or there are no rows.
    DataError
        A metric that may not miss values does.
    DefinitionError
        Data that is already totals, or paired without a variant column.
    """
    data = source.data
    if data.summary is not None:
        raise DefinitionError("totals per variant hold no units to plan with; give rows, or baseline numbers")
    if source.event_source is not None:
        raise DefinitionError(
            f"{source.where} has events beside it, which are not added up for a plan; give a row per past unit with "
            "what its events add up to"
        )
    columns = _columns(experiment)
    with open_source(source) as engine:
        wanted = [*columns, *(name for name in (data.unit, data.time, *data.where) if name)]
        absent = [name for name in wanted if name not in engine.types]
        if absent:
            lines = (f"  - {name!r}{suggest(name, engine.types)}" for name in absent)
            raise NotFoundError("\n".join([f"{source.where} lacks columns:", *lines]))
        rows = Rows(engine.table, engine.types, data)
        values = _values(experiment, source, engine.types)
        units = int(engine.rows(count_units(rows, values))[0]["units"])
        if not units:
            raise NotFoundError(f"{source.where} holds no rows of the population that is planned with")
        step = -(-units // most_units)
        read = np.concatenate(
            [np.column_stack(part) for part in engine.batches(read_rows(rows, values, columns, step))]
        )
    return _population(experiment, source, read, columns, units)


def _columns(experiment: Experiment) -> list[str]:
    names = [name for metric, _ in experiment.metrics for name in (*metric.columns, metric.covariate) if name]
    return list(dict.fromkeys(names))


def _values(experiment: Experiment, source: Source, types: dict[str, str]) -> list[str]:
    """The variants whose rows are read, as the data calls them; none where it has no variants or all rows count."""
    data = source.data
    paired = data.design == "paired"
    if data.variant not in types:
        if paired:
            raise NotFoundError(f"{source.where} lacks the column {data.variant!r} that a paired design is read from")
        return []
    if not paired and data.variants is None:
        return []
    return list(data.values_of(variant.name for variant in experiment.variants).values())


def _population(experiment: Experiment, source: Source, read: Array, columns: list[str], all_units: int) -> Population:
    paired = source.data.design == "paired"
    if paired:
        which, place = read[:, 0].astype(np.intp), read[:, 1].astype(np.intp)
        seen = np.zeros((int(which[-1]) + 1, len(experiment.variants)), dtype=bool)
        seen[which, place] = True
        read = read[np.asarray(seen.all(axis=1))[which]]
        if not len(read):
            raise NotFoundError(f"no unit of {source.where} appears in every variant, so there is no pair to plan with")
    unit: Any = np.unique(read[:, 0], return_inverse=True)[1]
    units = int(unit[-1]) + 1
    found = dict(zip(columns, read[:, 3:].T, strict=True))
    if not source.long:
        _check(experiment, found, source.where)
    sampled = f", one in {round(all_units / units)} of {all_units:,}" if all_units >= 2 * units else ""
    return Population(
        units=units,
        unit=unit,
        columns=found,
        all_units=all_units,
        variant=read[:, 1].astype(np.intp) if paired else None,
        day=read[:, 2].astype(np.intp) if source.data.time and np.isfinite(read[:, 2]).all() else None,
        note=f"{units:,} units of {source.where}{sampled}",
    )


def _check(experiment: Experiment, found: dict[str, Array], where: str) -> None:
    problems = []
    for metric, _ in experiment.metrics:
        for name in metric.columns:
            lost = int((~np.isfinite(found[name])).sum())
            if lost and metric.missing == "error":
                problems.append(
                    f"column {name!r}: {lost:,} rows have no readable value; say what that means for "
                    f"{metric.name!r}: missing: zero, or missing: drop"
                )
            if metric.kind == "proportion" and not np.isin(found[name][np.isfinite(found[name])], (0.0, 1.0)).all():
                problems.append(f"column {name!r}: a proportion needs 0/1 values, a mean takes any")
    if problems:
        raise DataError("\n".join([f"{where} cannot be planned with as it is:", *(f"  - {one}" for one in problems)]))
