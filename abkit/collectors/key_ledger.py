"""Which events are stored: their keys as sorted runs, one for each batch, merged eight at a time.

A batch looks only for those of its events that the sieve cannot rule out, so that new events cost no reading, and
storing its keys costs a few bytes each, at every level once. Levels go by powers of eight, so that there are at most
seven runs of each, and a run at level n is cut into 8 ** (n - 3) pieces by the first bits of its keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table

from abkit.collectors.event_keys import EventKeys, Numbers
from abkit.collectors.key_query import (
    Run,
    drop_level,
    read_events,
    read_piece,
    read_runs,
    write_pieces,
    write_run,
)
from abkit.collectors.key_sieve import MOST_WORDS, Sieve, words_for

_MERGED = 8
_FIRST_CUT = 3
_SMALLEST_PIECE = 512
_SIFTED_ANYWAY = 1 << 18
_MOST_REMEMBERED = 1_000


class KeyLedger:
    """Finds and keeps keys of events, in the transaction that stores their batch and holds the stream."""

    def __init__(self, runs: Table, pieces: Table) -> None:
        self._runs, self._pieces = runs, pieces
        self._sieves: dict[int, Sieve] = {}
        self._left: dict[int, tuple[int, list[Run]]] = {}

    def runs(self, connection: Connection, stream: int, batch: int) -> list[Run]:
        """Return what is there, for `find` and `add`: what the batch before left, known if it was stored here."""
        before, runs = self._left.get(stream, (0, []))
        return runs if before == batch - 1 else read_runs(connection, self._runs, stream)

    def find(
        self, connection: Connection, stream: int, batch: int, runs: Sequence[Run], keys: EventKeys
    ) -> tuple[Any, Numbers]:
        """Say which of these sorted events are stored, and return their payloads; where they are not, their own."""
        sieve = self._sieve(connection, stream, batch, runs, len(keys))
        suspects = np.arange(len(keys)) if sieve is None else np.flatnonzero(sieve.may_hold(keys.events))
        found, payloads = np.zeros(len(keys), bool), keys.payloads.copy()
        for level in sorted({level for level, _, _ in runs}) if len(suspects) else ():
            place = _place(keys.events[suspects], level)
            for piece in np.unique(place).tolist():
                asked = suspects[np.searchsorted(place, piece) : np.searchsorted(place, piece, "right")]
                for stored in self._read(connection, stream, level, piece):
                    these, there = stored.match(keys.taken(asked))
                    found[asked[these]] = True
                    payloads[asked[these]] = stored.payloads[there]
        return found, payloads

    def add(self, connection: Connection, stream: int, batch: int, runs: Sequence[Run], keys: EventKeys) -> list[Run]:
        """Keep sorted keys that were not found, and return the runs that are there now."""
        if not len(keys):
            return list(runs)
        level = (len(keys).bit_length() - 1) // 3
        self._write(connection, stream, level, batch, keys)
        write_run(connection, self._runs, stream, (level, batch, len(keys)))
        sieve = self._sieves.get(stream)
        if sieve is not None:
            sieve.add(keys.events)
        size = len(keys)
        while len(full := [before for at, _, before in runs if at == level]) + 1 >= _MERGED:
            self._merge(connection, stream, level, batch)
            runs = [run for run in runs if run[0] != level]
            level, size = level + 1, size + sum(full)
            write_run(connection, self._runs, stream, (level, batch, size))
        return [*runs, (level, batch, size)]

    def stored(self, stream: int, batch: int, runs: list[Run]) -> None:
        """Take note that the transaction of a batch has ended well, and what runs it left."""
        if len(self._left) >= _MOST_REMEMBERED:
            self._left.clear()
        self._left[stream] = batch, runs
        sieve = self._sieves.get(stream)
        if sieve is not None:
            sieve.batches = max(batch, sieve.batches)

    def _sieve(self, connection: Connection, stream: int, batch: int, runs: Sequence[Run], asked: int) -> Sieve | None:
        """The sieve of a stream with all stored keys in it; None where looking for a few keys reads less."""
        size = sum(size for _, _, size in runs)
        sieve = self._sieves.pop(stream, None)
        if sieve is None or sieve.batches >= batch or not sieve.has_room(size + asked):
            if asked * _SMALLEST_PIECE + _SIFTED_ANYWAY < size:
                return None
            del sieve  # the old one is let go first: two of them are too much
            words = words_for(2 * size + asked)
            while self._sieves and sum(map(len, self._sieves.values())) + words > MOST_WORDS:
                self._sieves.pop(next(iter(self._sieves)))
            sieve = Sieve(words)
        for run in runs:
            if run[1] > sieve.batches:
                for events in read_events(connection, self._pieces, stream, run):
                    sieve.add(np.frombuffer(events, "<u8"))
        self._sieves[stream] = sieve
        return sieve

    def _read(self, connection: Connection, stream: int, level: int, piece: int) -> list[EventKeys]:
        return [EventKeys.read(*parts) for parts in read_piece(connection, self._pieces, stream, level, piece)]

    def _write(self, connection: Connection, stream: int, level: int, run: int, keys: EventKeys) -> None:
        place = _place(keys.events, level)
        starts = np.flatnonzero(np.diff(place, prepend=-1)).tolist()
        rows = []
        for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
            events, marks = keys.taken(slice(start, end)).written()
            piece = {"stream": stream, "level": level, "piece": int(place[start]), "run": run}
            rows.append({**piece, "events": events, "marks": marks})
        write_pieces(connection, self._pieces, rows)

    def _merge(self, connection: Connection, stream: int, level: int, run: int) -> None:
        """Write the runs of a level as one of the next, a piece at a time."""
        for piece in range(1 << _bits(level)):
            parts = self._read(connection, stream, level, piece)
            if parts:
                self._write(connection, stream, level + 1, run, EventKeys.merged(parts))
        drop_level(connection, (self._runs, self._pieces), stream, level)


def _bits(level: int) -> int:
    return 3 * max(level - _FIRST_CUT, 0)


def _place(events: Numbers, level: int) -> Any:
    """The pieces that keys belong to."""
    bits = _bits(level)
    return (events >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(events), np.int64)
