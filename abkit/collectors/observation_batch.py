"""Rows as columns that can be stored, and what is wrong with the rows that cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from abkit.collectors.observation_columns import columns_of
from abkit.collectors.observation_files import Piece, Unreadable
from abkit.collectors.observation_rows import FIELDS, BadRowError, Observation, read_row

BadRow = tuple[int, str, Any]
_UNDATED = (
    "event_id and observed_at: both are missing, so that a second event cannot be told from the same one sent twice; "
    "give one of them, or say that all rows are new"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Observations of one experiment.

    Parameters
    ----------
    experiment_id : str
    lines : sequence of int
        The line that each came from.
    columns : Arrow table
        The other fields of an `Observation`; times are int64.
    """

    experiment_id: str
    lines: Sequence[int]
    columns: Any

    def __len__(self) -> int:
        return len(self.lines)

    @classmethod
    def of(cls, group: Sequence[tuple[int, Observation]]) -> Batch:
        """Return observations of one experiment as a batch."""
        import pyarrow as pa

        columns = {name: pa.array([getattr(one, name) for _, one in group], _kind(name)) for name in FIELDS[1:]}
        return cls(group[0][1].experiment_id, [line for line, _ in group], pa.table(columns))

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Return batches of one experiment as one."""
        import pyarrow as pa

        lines = [line for batch in batches for line in batch.lines]
        return cls(
            batches[0].experiment_id, lines, pa.concat_tables([batch.columns for batch in batches]).combine_chunks()
        )

    def row(self, place: int) -> dict[str, Any]:
        """One observation as JSON can hold it."""
        return {"experiment_id": self.experiment_id, **self.columns.slice(place, 1).to_pylist()[0]}


def _kind(name: str) -> Any:
    import pyarrow as pa

    return {"value": pa.float64(), "observed_at": pa.int64()}.get(name, pa.string())


def grouped(rows: Iterable[tuple[int, Observation]]) -> list[list[tuple[int, Observation]]]:
    """Return observations by experiment."""
    groups: dict[str, list[tuple[int, Observation]]] = {}
    for line, one in rows:
        groups.setdefault(one.experiment_id, []).append((line, one))
    return list(groups.values())


def read_piece(piece: Piece, experiment_id: str | None, *, as_new: bool) -> tuple[list[Batch], list[BadRow]]:
    """Return the rows that can be stored, by experiment, and the others with what is wrong with them."""
    usual = None if as_new else columns_of(piece.rows, experiment_id)
    if usual is not None:
        named, columns = usual
        return [Batch(named, piece.lines, columns)], []
    good: list[tuple[int, Observation]] = []
    bad: list[BadRow] = []
    rows = piece.rows if isinstance(piece.rows, list) else piece.rows.to_pylist()
    for line, row in zip(piece.lines, rows, strict=True):
        try:
            good.append((line, _read(row, experiment_id, as_new)))
        except BadRowError as error:
            bad.append((line, str(error), row.text if isinstance(row, Unreadable) else row))
    return [Batch.of(group) for group in grouped(good)], bad


def _read(row: Any, experiment_id: str | None, as_new: bool) -> Observation:
    if isinstance(row, Unreadable):
        raise BadRowError(row.reason)
    found = read_row(row, experiment_id)
    if found.event_id is not None or found.observed_at is not None:
        return found
    if not as_new:
        raise BadRowError(_UNDATED)
    return replace(found, event_id=uuid4().hex)


class Pending:
    """Batches that wait until there are enough rows of an experiment to be stored together.

    Parameters
    ----------
    most_rows, most_bytes : int
        With as many of an experiment's it is complete; with as many of all experiments', all are.
    """

    def __init__(self, most_rows: int, most_bytes: int) -> None:
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._waiting: dict[str, list[Batch]] = {}

    def add(self, batch: Batch) -> list[Batch]:
        """Take a batch, and return those that are complete."""
        waiting = self._waiting.setdefault(batch.experiment_id, [])
        waiting.append(batch)
        if sum(one.columns.nbytes for parts in self._waiting.values() for one in parts) >= self._most_bytes:
            return self.rest()
        if sum(map(len, waiting)) >= self._most_rows:
            return [Batch.joined(self._waiting.pop(batch.experiment_id))]
        return []

    def rest(self) -> list[Batch]:
        """Return all that still wait."""
        found = [Batch.joined(waiting) for waiting in self._waiting.values()]
        self._waiting.clear()
        return found
