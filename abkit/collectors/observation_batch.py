"""Rows as columns that can be stored, and what is wrong with the rows that cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import uuid4

import numpy as np

from abkit.collectors.observation_files import Line, Unreadable
from abkit.collectors.observation_rows import FIELDS, LONGEST_ID, LONGEST_NAME, BadRowError, Observation, read_row
from abkit.collectors.observation_writes import Keys, key_statement

BadRow = tuple[int, str, Any]
_UNDATED = (
    "event_id and observed_at: both are missing, so that a second event cannot be told from the same one sent twice; "
    "give one of them, or say that all rows are new"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Observations of one experiment, as columns, with the line that each came from."""

    experiment_id: str
    lines: list[int]
    user_id: list[str]
    metric_type: list[str]
    value: list[float]
    variant_id: list[str | None]
    observed_at: list[int | None]
    event_id: list[str | None]

    def __len__(self) -> int:
        return len(self.lines)

    @classmethod
    def of(cls, group: Sequence[tuple[int, Observation]]) -> Batch:
        """Return observations of one experiment as a batch."""
        columns = ([getattr(one, name) for _, one in group] for name in FIELDS[1:])
        return cls(group[0][1].experiment_id, [line for line, _ in group], *columns)

    def row(self, place: int) -> dict[str, Any]:
        """One observation as JSON can hold it."""
        found = {name: getattr(self, name)[place] for name in FIELDS[1:]}
        return {"experiment_id": self.experiment_id, **found}

    def taken(self, places: Sequence[int]) -> Batch:
        """The observations at these places."""
        columns = ([getattr(self, name)[place] for place in places] for name in ("lines", *FIELDS[1:]))
        return Batch(self.experiment_id, *columns)

    def keys(self, database: Any) -> tuple[Keys, Keys]:
        """Return event and payload keys, computed in a DuckDB database."""
        import pyarrow as pa

        table = pa.table(
            {
                "user_id": pa.array(self.user_id, pa.string()),
                "metric_type": pa.array(self.metric_type, pa.string()).dictionary_encode(),
                "bits": pa.array(np.array(self.value, dtype=np.float64).view(np.int64)),
                "given_at": pa.array(self.observed_at, pa.int64()),
                "event_id": pa.array(self.event_id, pa.string()),
            }
        )
        with database.cursor() as connection:  # threads share a database, never a connection
            connection.register("batch", table)
            found = connection.execute(key_statement()).fetchnumpy()
        payload = np.asarray(found["payload_key"]).view(np.int64)
        event = np.ma.filled(found["event_key"].astype(np.uint64), 0).view(np.int64)
        named = np.array([name is not None for name in self.event_id], dtype=bool)
        return np.where(named, event, payload), payload


def chunks(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Yield lists of at most `size` lines."""
    source = iter(lines)
    while chunk := list(islice(source, size)):
        yield chunk


def grouped(rows: Iterable[tuple[int, Observation]]) -> list[list[tuple[int, Observation]]]:
    """Return observations by experiment."""
    groups: dict[str, list[tuple[int, Observation]]] = {}
    for line, one in rows:
        groups.setdefault(one.experiment_id, []).append((line, one))
    return list(groups.values())


def read_chunk(chunk: Sequence[Line], experiment_id: str | None, *, as_new: bool) -> tuple[list[Batch], list[BadRow]]:
    """Return the rows that can be stored, by experiment, and the others with what is wrong with them."""
    usual = None if as_new else _usual(chunk, experiment_id)
    if usual is not None:
        return [usual], []
    good: list[tuple[int, Observation]] = []
    bad: list[BadRow] = []
    for line, row in chunk:
        try:
            if isinstance(row, Unreadable):
                raise BadRowError(row.reason)
            found = read_row(row, experiment_id)
            if found.event_id is None and found.observed_at is None:
                if not as_new:
                    raise BadRowError(_UNDATED)
                found = replace(found, event_id=uuid4().hex)
            good.append((line, found))
        except BadRowError as error:
            bad.append((line, str(error), row.text if isinstance(row, Unreadable) else row))
    return [Batch.of(group) for group in grouped(good)], bad


def _usual(chunk: Sequence[Line], experiment_id: str | None) -> Batch | None:
    """Read rows at once where all of them are as they should be: text is text, numbers are finite; else None."""
    import pyarrow as pa

    rows = [row for _, row in chunk]
    if not all(type(row) is dict for row in rows) or not set().union(*rows) <= set(FIELDS):
        return None
    columns = {name: [row.get(name) for row in rows] for name in FIELDS}
    experiments = set(columns["experiment_id"])
    if len(experiments) > 1 or not (experiments := experiments - {None, ""} or {experiment_id}):
        return None
    try:
        values = _values(columns["value"])
        times = _times(columns["observed_at"])
        texts = [
            _are_texts(pa.array(columns[name], pa.string()), longest, optional=name in FIELDS[4:])
            for name, longest in zip(("user_id", "metric_type", "variant_id", "event_id"), _LONGEST, strict=True)
        ]
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        return None
    dated = times is not None and None not in times
    if not (
        values is not None and np.isfinite(values).all() and all(texts) and (dated or None not in columns["event_id"])
    ):
        return None
    (named,) = experiments
    if not isinstance(named, str) or not 0 < len(named) <= LONGEST_NAME or not named.isascii() or times is None:
        return None
    lines = [line for line, _ in chunk]
    return Batch(
        named,
        lines,
        columns["user_id"],
        columns["metric_type"],
        values.tolist(),
        columns["variant_id"],
        times,
        columns["event_id"],
    )


_LONGEST = (LONGEST_ID, LONGEST_NAME, LONGEST_NAME, LONGEST_ID)


def _values(values: list[Any]) -> Any:
    import pyarrow as pa

    if values and isinstance(values[0], str):
        found = pa.array(values, pa.string()).cast(pa.float64())  # Python would take 1_000 for a number
    else:
        found = pa.array(values, pa.float64())
    return None if found.null_count else found.to_numpy()


def _times(values: list[Any]) -> list[int | None] | None:
    """Microseconds since 1970, or None where a look at each row is needed."""
    import pyarrow as pa

    first = next((value for value in values if value is not None), None)
    if isinstance(first, str):
        column = pa.array(values, pa.string())
        zoned = pa.timestamp("us", "UTC") if first.endswith(("Z", "+00:00")) else pa.timestamp("us")
        column = column.cast(zoned)
    else:
        column = pa.array(values, pa.timestamp("us", "UTC"))
    found: list[int | None] = column.cast(pa.int64()).to_pylist()
    known = [value for value in found if value is not None]
    inside = not known or (min(known) >= 0 and max(known) < _LATEST)
    return found if inside else None


_LATEST = 7_258_118_400_000_000  # the year 2200


def _are_texts(column: Any, longest: int, *, optional: bool) -> bool:
    import pyarrow.compute as pc

    if column.null_count and not optional:
        return False
    length = pc.binary_length(column)
    shortest, largest = pc.min(length).as_py(), pc.max(length).as_py()
    whole = shortest is None or (shortest > 0 and largest <= longest)
    return bool(whole and not pc.any(pc.match_substring(column, "\0")).as_py())
