"""Storing a batch: its users assigned, its repeated observations found, the rest appended, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection

from abkit.collectors.event_keys import Distinct, EventKeys
from abkit.collectors.key_ledger import KeyLedger
from abkit.collectors.key_query import Places, Run, next_batch
from abkit.collectors.observation_batch import Batch
from abkit.collectors.observation_writes import ObservationTables, add_observations, add_quarantined
from abkit.collectors.stream import stream_of

_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch; refused rows by their place in it, with the reason."""

    added: int
    repeated: int
    quarantined: int
    refused: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A batch, and what is known of it before its transaction begins."""

    batch: Batch
    users: Any
    variants: Any
    keys: EventKeys
    distinct: Distinct


Assign = Callable[[Connection, str, Sequence[str]], Mapping[str, str]]
Transaction = Callable[[], AbstractContextManager[Connection]]
Attempt = Callable[[Callable[[], Outcome]], Outcome]


class ObservationStore:
    """Where batches go; see `MetricsCollector` for the parameters."""

    def __init__(
        self,
        organization_id: str,
        tables: ObservationTables,
        writing: Transaction,
        assign: Assign,
        clock: Callable[[], datetime],
        attempt: Attempt,
    ) -> None:
        self._organization_id, self._tables = organization_id, tables
        self._writing, self._assign, self._clock, self._attempt = writing, assign, clock, attempt
        self._variants: dict[str, dict[str, str]] = {}
        self._ledger = KeyLedger(tables.key_runs, tables.key_pieces)

    def prepared(self, batch: Batch) -> Callable[[], Outcome]:
        """Return what stores a batch; done a second time, or with the same observations, it adds nothing."""
        users = batch.columns["user_id"].combine_chunks().dictionary_encode()
        variants = _variants_of(users, self._variants.get(batch.experiment_id, {}))
        keys = EventKeys.of(batch.columns)
        ready = _Ready(batch, users, variants, keys, keys.distinct())
        return lambda: self._attempt(lambda: self._add(ready))

    def _add(self, ready: _Ready) -> Outcome:
        batch, tables = ready.batch, self._tables
        ids = (self._organization_id, batch.experiment_id)
        stream = stream_of(*ids)
        with self._writing() as connection:
            number = next_batch(connection, tables.streams, ids, stream)
            assigned, variants = self._assigned(connection, ready)
            refused = _refused(batch.columns["variant_id"], variants)
            places = np.delete(np.arange(len(batch)), [place for place, _ in refused])
            known = ready.keys.taken(places).distinct() if refused else ready.distinct
            new, disputed, runs = self._add_keys(connection, stream, number, known)
            new, disputed = places[new], places[disputed]
            self._append(connection, stream, batch, variants, new)
            now = self._now()
            rows = [_aside(batch, place, stream, ready.keys, now) for place in disputed.tolist()]
            add_quarantined(connection, tables.quarantine, rows)
        self._ledger.stored(stream, number, runs)
        self._remember(batch.experiment_id, assigned)
        return Outcome(len(new), len(places) - len(new) - len(disputed), len(disputed), refused)

    def _now(self) -> int:
        return int(self._clock().timestamp() * 1_000_000)

    def _assigned(self, connection: Connection, ready: _Ready) -> tuple[Mapping[str, str], Any]:
        """Variants assigned here, because recording is an exposure, and those of all observations."""
        if not ready.variants.null_count:
            return {}, ready.variants
        experiment_id = ready.batch.experiment_id
        known = self._variants.get(experiment_id, {})
        unknown = [user for user in ready.users.dictionary.to_pylist() if user not in known]
        given = self._assign(connection, experiment_id, unknown) if unknown else {}
        return given, _variants_of(ready.users, {**known, **given})

    def _remember(self, experiment_id: str, variants: Mapping[str, str]) -> None:
        if sum(map(len, self._variants.values())) + len(variants) > _REMEMBERED:
            self._variants.clear()
        self._variants.setdefault(experiment_id, {}).update(variants)

    def _add_keys(
        self, connection: Connection, stream: int, number: int, known: Distinct
    ) -> tuple[Places, Places, list[Run]]:
        """Keep the keys of new observations; return the places of these and of disputed ones, and the runs of keys."""
        runs = self._ledger.runs(connection, stream, number)
        is_stored, marks = self._ledger.find(connection, stream, number, runs, known.events)
        left = self._ledger.add(connection, stream, number, runs, known.events.taken(~is_stored))
        is_new = np.zeros(len(known.group), bool)
        is_new[known.first[~is_stored]] = True
        return np.flatnonzero(is_new), np.flatnonzero(known.marks != marks[known.group]), left

    def _append(self, connection: Connection, stream: int, batch: Batch, variants: Any, new: Places) -> None:
        import pyarrow.compute as pc

        if not len(new):
            return
        columns = batch.columns.append_column("variant", variants)
        if len(new) < len(batch):
            columns = columns.take(new)
        columns = columns.set_column(
            columns.schema.get_field_index("observed_at"),
            "observed_at",
            pc.fill_null(columns["observed_at"], self._now()),
        )
        wanted = {part.name: columns[part.name] for part in self._tables.observations.columns if part.name != "stream"}
        add_observations(connection, self._tables.observations, stream, wanted)


def _variants_of(users: Any, known: Mapping[str, str]) -> Any:
    """The variant of every observation's user, as far as it is known."""
    import pyarrow as pa

    return pa.array(map(known.get, users.dictionary.to_pylist()), pa.string()).take(users.indices)


def _refused(said: Any, own: Any) -> list[tuple[int, str]]:
    """The places of observations that are not of the user's variant, with the reason."""
    import pyarrow.compute as pc

    if not own.null_count and said.null_count == len(said):
        return []
    differs = pc.fill_null(pc.not_equal(said, own), False)
    places = np.flatnonzero(np.asarray(pc.or_(pc.is_null(own), differs)))
    return [(int(place), _reason(said[int(place)].as_py(), own[int(place)].as_py())) for place in places]


def _reason(said: str | None, own: str | None) -> str:
    if own is None:
        return "user_id: has no variant of this experiment, which is not running and so gives none"
    return f"variant_id: the user has the variant {own!r}, not {said!r}"


def _aside(batch: Batch, place: int, stream: int, keys: EventKeys, now: int) -> dict[str, Any]:
    event, mark = (part[place : place + 1].view(np.int64).item() for part in (keys.events, keys.marks))
    row = {"stream": stream, "event_key": event, "mark": mark}
    return {**row, "arrived_at": now, "observation": batch.row(place)}
