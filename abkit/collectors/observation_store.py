"""Storing a batch: its users assigned, its repeated observations found, the rest appended, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection

from abkit.collectors.observation_batch import Batch
from abkit.collectors.observation_writes import (
    Keys,
    ObservationTables,
    add_keys,
    add_observations,
    add_quarantined,
    ensure_stream,
    known_payloads,
)
from abkit.collectors.stream import stream_of
from abkit.errors import StoreError

_REMEMBERED = 200_000
_ATTEMPTS = 10


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
        self._variants: dict[tuple[str, str], str] = {}
        self._streams: set[str] = set()
        self._repeats = False
        self._hashing: Any = None

    def add(self, batch: Batch) -> Outcome:
        """Store a batch; a second time it adds nothing."""
        if self._hashing is None:
            import duckdb

            self._hashing = duckdb.connect(config={"threads": 1})
        events, payloads = batch.keys(self._hashing)
        return self._attempt(lambda: self._add(batch, events, payloads))

    def _add(self, batch: Batch, events: Keys, payloads: Keys) -> Outcome:
        now = int(self._clock().timestamp() * 1_000_000)
        stream = stream_of(self._organization_id, batch.experiment_id)
        with self._writing() as connection:
            variants = self._variants_of(connection, batch)
            if batch.experiment_id not in self._streams:
                ensure_stream(connection, self._tables, (self._organization_id, batch.experiment_id), stream)
            refused = _refused(batch, variants)
            places = np.delete(np.arange(len(batch)), [place for place, _ in refused])
            new, repeated, disputed = self._add_keys(connection, stream, events, payloads, places)
            self._append(connection, stream, batch, variants, events, new, now)
            rows = [_aside(batch, place, stream, events, payloads, now) for place in disputed.tolist()]
            add_quarantined(connection, self._tables.quarantine, rows)
        self._streams.add(batch.experiment_id)
        self._remember(batch.experiment_id, variants)
        return Outcome(len(new), repeated, len(disputed), refused)

    def _variants_of(self, connection: Connection, batch: Batch) -> dict[str, str]:
        """The variants of the batch's users; one who has none is assigned, because recording is an exposure."""
        users = dict.fromkeys(batch.user_id)
        known = {user: self._variants.get((batch.experiment_id, user)) for user in users}
        unknown = [user for user, name in known.items() if name is None]
        found = {user: name for user, name in known.items() if name is not None}
        if unknown:
            found.update(self._assign(connection, batch.experiment_id, unknown))
        return found

    def _remember(self, experiment_id: str, variants: Mapping[str, str]) -> None:
        if len(self._variants) > _REMEMBERED:
            self._variants.clear()
        self._variants.update(((experiment_id, user), name) for user, name in variants.items())

    def _add_keys(
        self, connection: Connection, stream: int, events: Keys, payloads: Keys, places: Keys
    ) -> tuple[Keys, int, Keys]:
        """Return the places of new observations, the number of repeated ones, the places of disputed ones."""
        unique, first, inverse = np.unique(events[places], return_index=True, return_inverse=True)
        reference = payloads[places][first]
        is_new = np.ones(len(unique), bool)
        for _ in range(_ATTEMPTS):  # between looking and inserting, another load may insert some of the same
            if self._repeats:  # most batches are new, or repeated, like the one before them
                known = known_payloads(connection, self._tables.keys, stream, unique)
                is_new = np.array([event not in known for event in unique.tolist()], bool)
                pairs = zip(unique.tolist(), reference.tolist(), strict=True)
                reference = np.array([known.get(event, payload) for event, payload in pairs], np.int64)
                self._repeats = not is_new.all()
            new = np.sort(places[first[is_new]])
            trial = connection.begin_nested()
            if add_keys(connection, self._tables.keys, stream, events[new], payloads[new]) == len(new):
                trial.commit()
                others = np.isin(places, new, invert=True)
                agrees = payloads[places] == reference[inverse]
                return new, int((others & agrees).sum()), places[others & ~agrees]
            trial.rollback()
            self._repeats = True
        raise StoreError("other loads keep inserting the same observations; repeat the load when they are done")

    def _append(
        self,
        connection: Connection,
        stream: int,
        batch: Batch,
        variants: Mapping[str, str],
        events: Keys,
        new: Keys,
        now: int,
    ) -> None:
        import pyarrow as pa

        if not len(new):
            return
        whole = len(new) == len(batch)
        part = batch if whole else batch.taken(new.tolist())
        columns: dict[str, Any] = {
            "event_key": pa.array(events[new]),
            "user_id": pa.array(part.user_id, pa.string()),
            "variant": pa.array([variants[user] for user in part.user_id], pa.string()),
            "metric_type": pa.array(part.metric_type, pa.string()),
            "value": pa.array(part.value, pa.float64()),
            "observed_at": pa.array([now if moment is None else moment for moment in part.observed_at], pa.int64()),
        }
        add_observations(connection, self._tables.observations, stream, columns)


def _refused(batch: Batch, variants: Mapping[str, str]) -> list[tuple[int, str]]:
    refused = []
    for place, (user, said) in enumerate(zip(batch.user_id, batch.variant_id, strict=True)):
        own = variants.get(user)
        if own is None:
            reason = "user_id: has no variant of this experiment, which is not running and so gives none"
        elif said is not None and said != own:
            reason = f"variant_id: the user has the variant {own!r}, not {said!r}"
        else:
            continue
        refused.append((place, reason))
    return refused


def _aside(batch: Batch, place: int, stream: int, events: Keys, payloads: Keys, now: int) -> dict[str, Any]:
    keys = {"event_key": int(events[place]), "payload_key": int(payloads[place])}
    return {"stream": stream, **keys, "arrived_at": now, "observation": batch.row(place)}
