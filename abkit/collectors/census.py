"""What is in the data and what is wrong with it, told in full before anything is computed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from abkit.collectors.census_query import count_all, count_rows, first_unreadable
from abkit.collectors.engines import Engine
from abkit.collectors.query import Rows
from abkit.errors import DataError, NotFoundError, suggest
from abkit.models import Data, Experiment, Proportion
from abkit.models.metric import Metric

_SHOWN = 8
_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True, slots=True)
class Census:
    """Counts of the rows that will be analyzed.

    Parameters
    ----------
    values : dict
        Variant name → its value in the data.
    rows : dict
        Variant name → rows.
    rows_left_out : int
        Rows of other variants.
    present, totals : dict
        Column → variant name → rows with a value, and their sum.
    first_second, last_second : float or None
        Earliest and latest time, in seconds since 1970.
    together : dict
        Name of a metric of several columns → variant name → rows with a value in all of them.
    """

    values: dict[str, str]
    rows: dict[str, int]
    rows_left_out: int
    present: dict[str, dict[str, int]]
    totals: dict[str, dict[str, float]]
    first_second: float | None
    last_second: float | None
    together: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for end in (self.first_second, self.last_second):
            if end is not None:
                moment_of(end)

    @property
    def days(self) -> float | None:
        """From the hour of the first row to that of the last, both in full; whole days where there are only dates."""
        if self.first_second is None or self.last_second is None:
            return None
        if self.first_second % _DAY == 0 and self.last_second % _DAY == 0:
            return (self.last_second - self.first_second) / _DAY + 1
        return (math.floor(self.last_second / _HOUR) + 1 - math.floor(self.first_second / _HOUR)) * _HOUR / _DAY

    def without(self, column: str) -> dict[str, int]:
        """Rows without a value in the column, by variant."""
        return {name: rows - self.present[column][name] for name, rows in self.rows.items()}

    def mean(self, column: str) -> float:
        """Mean of a column's values over all variants; 0 where there are none."""
        count = sum(self.present[column].values())
        return sum(self.totals[column].values()) / count if count else 0.0

    def missing(self, metric: Metric) -> dict[str, int]:
        """Rows without a value of the metric, by variant."""
        if metric.name in self.together:
            return {name: rows - self.together[metric.name][name] for name, rows in self.rows.items()}
        return {
            name: max(rows - self.present[column][name] for column in metric.columns)
            for name, rows in self.rows.items()
        }


def check_columns(types: Mapping[str, str], experiment: Experiment, data: Data, where: str) -> None:
    """Raise unless every column that is named exists.

    Raises
    ------
    NotFoundError
        Naming every absent column, who asks for it, and the nearest one there is.
    """
    asked = columns_asked(data)
    for metric, role in experiment.metrics:
        asked += [(name, f"{role} metric {metric.name!r}") for name in metric.columns]
        asked.append((metric.covariate, f"covariate of {metric.name!r}"))
    require_columns(types, asked, where)


def columns_asked(data: Data) -> list[tuple[str | None, str]]:
    """Return the columns that the data's meaning names, and beside each of them where."""
    asked = [(data.variant, "data.variant"), (data.unit, "data.unit"), (data.time, "data.time")]
    return asked + [(name, "data.where") for name in data.where] + [(name, "data.segments") for name in data.segments]


def require_columns(types: Mapping[str, str], asked: Sequence[tuple[str | None, str]], where: str) -> None:
    """Raise unless there is every column that is asked for; beside it stands by whom.

    Raises
    ------
    NotFoundError
    """
    absent = {name: asker for name, asker in reversed(asked) if name is not None and name not in types}
    if absent:
        lines = [f"  - {name!r} (for {asker}){suggest(name, types)}" for name, asker in reversed(absent.items())]
        raise NotFoundError("\n".join([f"{where} lacks columns:", *lines]))


def take_census(engine: Engine, rows: Rows, experiment: Experiment, where: str) -> Census:
    """Count the rows and raise with everything that keeps them from being analyzed.

    Raises
    ------
    NotFoundError
        No rows, or none of a variant.
    DataError
        Values that cannot be analyzed; all kinds of them in one message, with column and row count.
    """
    columns = number_columns(experiment)
    several = [metric for metric, _ in experiment.metrics if len(metric.columns) > 1]
    counted = engine.rows(count_rows(rows, columns, [metric.columns for metric in several]))
    if not counted:
        filters = f" where {dict(rows.data.where)}" if rows.data.where else ""
        raise NotFoundError(f"{where} holds no rows{filters}{' up to that time' if rows.as_of is not None else ''}")
    by_value = {row["variant"]: row for row in counted}
    values = rows.data.values_of(variant.name for variant in experiment.variants)
    absent = [name for name, value in values.items() if value not in by_value]
    if absent:
        raise NotFoundError("\n".join(_absent_variants(absent, values, by_value, rows.data, where)))
    chosen = {name: by_value[value] for name, value in values.items()}
    problems = [
        *_row_problems(by_value, values, rows.data),
        *_column_problems(chosen, experiment, columns, engine, rows),
    ]
    if problems:
        raise DataError("\n".join([f"{where} cannot be analyzed as it is:", *(f"  - {line}" for line in problems)]))
    kept = sum(row["rows"] for row in chosen.values())
    left_out = engine.rows(count_all(rows))[0]["rows"] - kept
    timed = list(chosen.values()) if rows.data.time else []
    return Census(
        values=values,
        rows={name: row["rows"] for name, row in chosen.items()},
        rows_left_out=left_out,
        present={
            column: {name: row[f"present_{i}"] for name, row in chosen.items()} for i, column in enumerate(columns)
        },
        totals={
            column: {name: row[f"total_{i}"] or 0.0 for name, row in chosen.items()} for i, column in enumerate(columns)
        },
        first_second=min((row["first_second"] for row in timed), default=None),
        last_second=max((row["last_second"] for row in timed), default=None),
        together={
            metric.name: {name: row[f"together_{i}"] for name, row in chosen.items()}
            for i, metric in enumerate(several)
        },
    )


def moment_of(seconds: float) -> datetime:
    """Return the moment that many seconds after 1970.

    Raises
    ------
    DataError
        It is in no year from 1 to 9999.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise DataError(
            f"the column of times: {seconds:.6g} seconds since 1970 are in no year from 1 to 9999; a number is taken "
            "for seconds: divide milliseconds by 1,000, or make them times"
        ) from None


def number_columns(experiment: Experiment) -> list[str]:
    """Return the columns of numbers that the experiment's metrics read, each once."""
    return list(dict.fromkeys(name for metric, _ in experiment.metrics for name in metric.columns_read))


def _absent_variants(
    absent: Sequence[str], values: Mapping[str, str], by_value: Mapping[Any, Any], data: Data, where: str
) -> Iterator[str]:
    present = [str(value) for value in by_value if value is not None]
    yield f"{where} has no rows for a variant (column {data.variant!r}):"
    for name in absent:
        yield f"  - {name!r}, looked for as {values[name]!r}{suggest(values[name], present)}"
    if data.variants is None:
        yield "map names to values with `variants: {name: value}` where they differ"


def _row_problems(by_value: Mapping[Any, Any], values: Mapping[str, str], data: Data) -> Iterator[str]:
    if None in by_value:
        yield f"column {data.variant!r}: {by_value[None]['rows']:,} rows name no variant; remove them or mend them"
    strangers = {value: row["rows"] for value, row in by_value.items() if value not in {*values.values(), None}}
    if strangers and data.variants is None:
        shown = ", ".join(f"{value!r} ({count:,} rows)" for value, count in list(strangers.items())[:_SHOWN])
        more = f" and {len(strangers) - _SHOWN:,} more" if len(strangers) > _SHOWN else ""
        yield (
            f"column {data.variant!r} holds variants that the experiment lacks: {shown}{more}; add them to the "
            "experiment, or name the values to keep with `variants: {name: value}`"
        )
    chosen = [by_value[value] for value in values.values()]
    for kind, column in (("unit", data.unit), ("time", data.time)):
        lost = sum(row.get(f"without_{kind}", 0) for row in chosen)
        if lost:
            yield f"column {column!r}: {lost:,} rows have no readable {kind}; remove them or mend them"


def _column_problems(
    chosen: Mapping[str, Any], experiment: Experiment, columns: Sequence[str], engine: Engine, rows: Rows
) -> Iterator[str]:
    total = sum(row["rows"] for row in chosen.values())
    rates = {metric.column for metric, _ in experiment.metrics if isinstance(metric, Proportion)}
    for index, column in enumerate(columns):
        counts = {kind: sum(row[f"{kind}_{index}"] for row in chosen.values()) for kind in _KINDS}
        if counts["unreadable"]:
            example = engine.rows(first_unreadable(rows, column))
            shown = _way_out(str(example[0]["value"]), column, column in rates) if example else ""
            yield f"column {column!r}: {counts['unreadable']:,} of {total:,} rows hold text, not a number{shown}"
        if counts["infinite"]:
            yield f"column {column!r}: {counts['infinite']:,} of {total:,} rows are infinite; remove them or mend them"
        if column in rates and counts["other_than_01"]:
            yield (
                f"column {column!r}: {counts['other_than_01']:,} of {total:,} rows hold values other than 0 and 1; "
                "a proportion needs 0/1 values, a mean takes any"
            )
    for metric, _ in experiment.metrics:
        yield from _missing_problem(metric, chosen, columns, total)


def _way_out(text: str, column: str, is_rate: bool) -> str:
    """An example of what cannot be read as a number, and how it becomes one."""
    if _DECIMAL_COMMA.fullmatch(text.strip()):
        way = "; write a point instead of the comma (pandas.read_csv(..., decimal=',') reads it)"
    elif text.strip().endswith("%"):
        way = "; remove the percent sign"
    elif is_rate:
        way = f"; a proportion takes 0 and 1, or true and false: in a frame, frame[{column!r}] == {text!r}"
    else:
        way = ""
    return f", for example {text!r}{way}"


_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_KINDS = ("unreadable", "infinite", "other_than_01")


def _missing_problem(metric: Metric, chosen: Mapping[str, Any], columns: Sequence[str], total: int) -> Iterator[str]:
    if metric.missing != "error":
        return
    for column in metric.columns:
        place = columns.index(column)
        lost = {
            name: row["rows"] - row[f"present_{place}"] - row[f"unreadable_{place}"] for name, row in chosen.items()
        }
        if sum(lost.values()):
            by_variant = ", ".join(f"{name} {count:,}" for name, count in lost.items())
            yield (
                f"column {column!r}: {sum(lost.values()):,} of {total:,} rows have no value ({by_variant}); "
                f"say what that means for {metric.name!r}: missing: zero, or missing: drop (in Python missing='drop')"
            )
