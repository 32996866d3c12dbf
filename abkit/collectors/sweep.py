"""One pass over rows that need no care, in the engine that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from abkit.collectors.breakdown import Cells, Label, break_down
from abkit.collectors.census_query import count_all
from abkit.collectors.engines import Engine
from abkit.collectors.frame_batches import Careful
from abkit.collectors.gram import Gram, Grams, Layout, Swept, is_added
from abkit.collectors.query import Rows
from abkit.collectors.sweep_query import pilot, sums_by_row, sums_by_unit
from abkit.collectors.unit_sums import Close, add_up_units
from abkit.models import Experiment
from abkit.stats.moments import Array

_MOST_GROUPS = 1_000


def sweep(engine: Engine, rows: Rows, experiment: Experiment) -> Swept | None:
    """Count the rows and add up all columns of all variants, and of all days where rows are units, in one statement.

    A pilot over a few rows goes before it.

    Parameters
    ----------
    engine : Engine
    rows : Rows
        Of a randomized experiment.
    experiment : Experiment

    Returns
    -------
    Swept or None
        None where something has to be read with more care: text among numbers, missing or infinite values, blanks
        around a variant's name, rows of no variant, units in two of them.
    """
    data = rows.data
    layout = Layout.of(experiment, has_units=data.unit is not None)
    if data.design == "paired" or not all(map(rows.is_numeric, layout.columns)):
        return None
    if not (rows.is_text(data.variant) or rows.is_whole(data.variant)):
        return None
    shift = _shift(engine, rows, layout)
    values = data.values_of(variant.name for variant in experiment.variants)
    shifted = rows, layout, shift
    close = Close.of(engine, rows, layout)
    if close is not None:
        return _from_units(engine, rows, experiment, layout, shift, values, close)
    if data.unit is not None:
        grams = _merge(engine.rows(sums_by_unit(*shifted, list(values.values()))), engine, rows, values, layout, shift)
        return None if grams is None else grams.reduce(experiment)
    by_day = data.time is not None and all(is_added(metric) for metric, _ in experiment.metrics)
    read = engine.rows(sums_by_row(*shifted, sorts=engine.sorts, by_day=by_day))
    grams = _merge(read, engine, rows, values, layout, shift)
    swept = None if grams is None else grams.reduce(experiment)
    if grams is None or swept is None or not by_day:
        return swept
    segments = None if data.segments else dict[str, Cells]()
    return replace(swept, breakdowns=break_down(experiment, grams, swept.census, _by_day(read, grams), segments))


def _by_day(read: Sequence[Mapping[str, Any]], grams: Grams) -> Cells:
    """The sums of each day, of rows that were judged already."""
    values = list(grams.values.values())
    days: dict[Label, Array] = {}
    for row in read:
        if (value := _label(row)) in values:
            cells = days.setdefault(int(row["day"]), np.zeros((len(values), grams.layout.width)))
            cells[values.index(value)] += _cell(row, grams.layout)
    return days


def _from_units(
    engine: Engine,
    rows: Rows,
    experiment: Experiment,
    layout: Layout,
    shift: Sequence[float],
    values: dict[str, str],
    close: Close,
) -> Swept | None:
    try:
        found = add_up_units(engine, rows, layout, shift, list(values.values()), close)
    except Careful:
        return None
    kept = sum(int(gram.rows) for gram in found.by_value.values())
    grams = Grams(layout, np.asarray(shift), found.by_value, values, close.rows - kept, *found.ends)
    swept = grams.reduce(experiment)
    return None if swept is None else replace(swept, first_part=found.first_part)


def _shift(engine: Engine, rows: Rows, layout: Layout) -> list[float]:
    """A constant near the mean of each column; rates are small whole sums and need none."""
    if not layout.columns:
        return []
    found = engine.rows(pilot(rows, layout.columns))[0]
    numbers = [float(found[f"c{at}"] or 0.0) for at in range(len(layout.columns))]
    return [
        0.0 if name in layout.rates or not np.isfinite(number) else number
        for name, number in zip(layout.columns, numbers, strict=True)
    ]


@np.errstate(over="ignore", invalid="ignore")  # what is not finite shows in the sums
def _merge(
    read: Sequence[Mapping[str, Any]],
    engine: Engine,
    rows: Rows,
    values: dict[str, str],
    layout: Layout,
    shift: Sequence[float],
) -> Grams | None:
    data, has_units = rows.data, rows.data.unit is not None
    found: dict[str, Gram] = {}
    timed, strangers = [], 0
    if not has_units and len({row["label"] for row in read}) > _MOST_GROUPS:
        return None
    for row in read:
        label = _label_of(row, list(values.values())) if has_units else _label(row)
        if label is None:
            return None
        if label not in values.values():
            if data.variants is None:
                return None
            strangers += int(row["rows"])
            continue
        if row["sound"] != row["rows"] or (has_units and row.get("known", row["units"]) != row["units"]):
            return None  # SQLite knows no sum of an infinite number and its opposite
        gram = _gram(row, layout, has_units=has_units)
        found[label] = found[label] + gram if label in found else gram
        timed += [(float(row["first_second"]), float(row["last_second"]))] if data.time else []
    if len(found) < len(values) or not all(np.isfinite(gram.sums).all() for gram in found.values()):
        return None
    kept = sum(int(gram.rows) for gram in found.values())
    narrowed = bool(data.where) or rows.as_of is not None or (has_units and data.variants is not None)
    everything = int(engine.rows(count_all(rows))[0]["rows"]) if narrowed else kept + strangers
    return Grams(
        layout,
        np.asarray(shift),
        found,
        values,
        rows_left_out=everything - kept,
        first_second=min((first for first, _ in timed), default=None),
        last_second=max((last for _, last in timed), default=None),
    )


def _label(row: Mapping[str, Any]) -> str | None:
    """The variant of a group of rows; None where there is none."""
    return None if row["label"] is None else str(row["label"]).strip(" ") or None


def _label_of(row: Mapping[str, Any], values: Sequence[str]) -> str | None:
    """The variant of a group of units; None where they are of two, or of one that is not as the values say."""
    place = int(row["first"])
    return values[place] if place == row["last"] and place < len(values) else None


def _gram(row: Mapping[str, Any], layout: Layout, *, has_units: bool) -> Gram:
    if not has_units:
        return layout.gram(_cell(row, layout))
    size = 1 + len(layout.columns)
    sums: Array = np.array([float(row["rows"]), *(float(row[f"sum_{at}"]) for at in range(1, size))])
    products = np.full((size, size), np.nan)
    for one, other in layout.pairs:
        products[one, other] = products[other, one] = float(row[f"product_{one}_{other}"])
    return Gram(int(row["units"]), int(row["rows"]), sums, products)


def _cell(row: Mapping[str, Any], layout: Layout) -> Array:
    names = ["rows", *(f"sum_{at}" for at in range(1, 1 + len(layout.columns)))]
    for one, other in layout.row_pairs:
        names.append(f"sum_{one}" if layout.is_rate(one, other) else f"product_{one}_{other}")
    return np.array([np.nan if row[name] is None else float(row[name]) for name in names])
