"""Storing a batch: its users assigned, its repeated observations found, the rest appended, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection

from abkit.collectors.event_keys import EventKeys, Places
from abkit.collectors.key_ledger import KeyLedger
from abkit.collectors.key_query import Run, next_batch
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
        keys = EventKeys.of(batch.columns)
        users = batch.columns["user_id"].combine_chunks().dictionary_encode()
        return lambda: self._attempt(lambda: self._add(batch, keys, users))

    def _add(self, batch: Batch, keys: EventKeys, users: Any) -> Outcome:
        stream = stream_of(self._organization_id, batch.experiment_id)
        with self._writing() as connection:
            ids = (self._organization_id, batch.experiment_id)
            number = next_batch(connection, self._tables.streams, ids, stream)
            new_variants, variants = self._variants_of(connection, batch.experiment_id, users.dictionary.to_pylist())
            own = _texts(variants).take(users.indices)
            refused = _refused(batch.columns["variant_id"], own)
            places = np.delete(np.arange(len(batch)), [place for place, _ in refused])
            new, disputed, runs = self._add_keys(connection, stream, number, keys, places)
            self._append(connection, stream, batch, own, new)
            now = self._now()
            rows = [_aside(batch, place, stream, keys, now) for place in disputed.tolist()]
            add_quarantined(connection, self._tables.quarantine, rows)
        self._ledger.stored(stream, number, runs)
        self._remember(batch.experiment_id, new_variants)
        return Outcome(len(new), len(places) - len(new) - len(disputed), len(disputed), refused)

    def _now(self) -> int:
        return int(self._clock().timestamp() * 1_000_000)

    def _variants_of(
        self, connection: Connection, experiment_id: str, users: Sequence[str]
    ) -> tuple[Mapping[str, str], list[str | None]]:
        """The variants of users, and those that are new here; who has none is assigned: recording is an exposure."""
        known = self._variants.get(experiment_id, {})
        found = list(map(known.get, users))
        if None not in found:
            return {}, found
        unknown = [user for user, variant in zip(users, found, strict=True) if variant is None]
        given = self._assign(connection, experiment_id, unknown)
        return given, [given.get(user) if own is None else own for user, own in zip(users, found, strict=True)]

    def _remember(self, experiment_id: str, variants: Mapping[str, str]) -> None:
        if sum(map(len, self._variants.values())) + len(variants) > _REMEMBERED:
            self._variants.clear()
        self._variants.setdefault(experiment_id, {}).update(variants)

    def _add_keys(
        self, connection: Connection, stream: int, number: int, keys: EventKeys, places: Places
    ) -> tuple[Places, Places, list[Run]]:
        """Keep the keys of new observations; return the places of these and of disputed ones, and the runs of keys."""
        first, group = keys.taken(places).grouped()
        events = keys.taken(places[first])
        runs = self._ledger.runs(connection, stream, number)
        is_stored, payloads = self._ledger.find(connection, stream, number, runs, events)
        left = self._ledger.add(connection, stream, number, runs, events.taken(~is_stored))
        new = np.sort(places[first[~is_stored]])
        return new, places[keys.payloads[places] != payloads[group]], left

    def _append(self, connection: Connection, stream: int, batch: Batch, own: Any, new: Places) -> None:
        import pyarrow.compute as pc

        if not len(new):
            return
        columns = batch.columns.append_column("variant", own)
        if len(new) < len(batch):
            columns = columns.take(new)
        columns = columns.set_column(
            columns.schema.get_field_index("observed_at"),
            "observed_at",
            pc.fill_null(columns["observed_at"], self._now()),
        )
        wanted = {part.name: columns[part.name] for part in self._tables.observations.columns if part.name != "stream"}
        add_observations(connection, self._tables.observations, stream, wanted)


def _texts(values: Sequence[str | None]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())


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
    event, check, payload = (
        getattr(keys, name)[place : place + 1].view(np.int64).item() for name in ("events", "checks", "payloads")
    )
    row = {"stream": stream, "event_key": event, "event_check": check, "payload_key": payload}
    return {**row, "arrived_at": now, "observation": batch.row(place)}
