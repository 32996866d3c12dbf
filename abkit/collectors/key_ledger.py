"""Which events are stored: their keys as sorted runs, one for each batch, merged sixty-four or eight at a time.

A batch looks only for those of its events that the sieve cannot rule out, so that new events cost no reading, and
storing its keys costs a few bytes each, once, and again whenever there are many times as many. Levels go by powers of
eight, and a run at level n is cut into 8 ** (n - 2) pieces by the first bits of its keys: small enough that PostgreSQL
keeps each in its row, and that looking for one event reads little. The more runs there are of a level the more is read
for each event, and so there are fewer of them where the sieve is full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table

from abkit.collectors.event_keys import EventKeys
from abkit.collectors.hashes import Numbers
from abkit.collectors.key_query import (
    Places,
    Run,
    drop_level,
    read_events,
    read_pieces,
    read_runs,
    write_pieces,
    write_run,
)
from abkit.collectors.key_sieve import MOST_WORDS, Sieve, words_for

_MOST_RUNS = 64
_MOST_RUNS_TO_READ = 8
_SIFTED_WELL = 2 * MOST_WORDS
_FIRST_CUT = 2
_ROWS_AT_ONCE = 128
_READ_FOR_EACH = 1 << 12
_SIFTED_ANYWAY = 1 << 18
_MOST_REMEMBERED = 1_000


class KeyLedger:
    """Finds and keeps keys of events, in the transaction that stores their batch and holds the stream."""

    def __init__(self, runs: Table, pieces: Table) -> None:
        self._runs, self._pieces = runs, pieces
        self._sieves: dict[int, Sieve] = {}
        self._lock = Lock()  # streams are stored next to each other
        self._left: dict[int, tuple[int, list[Run]]] = {}

    def runs(self, connection: Connection, stream: int, batch: int) -> list[Run]:
        """Return what is there, for `find` and `add`: what the batch before left, known if it was stored here."""
        before, runs = self._left.get(stream, (0, []))
        return runs if before == batch - 1 else read_runs(connection, self._runs, stream)

    def find(
        self, connection: Connection, stream: int, batch: int, runs: Sequence[Run], keys: EventKeys
    ) -> tuple[Any, Numbers]:
        """Say which of these sorted events are stored, and return their marks; where they are not, their own."""
        sieve = self._sieve(connection, stream, batch, runs, len(keys))
        suspects = np.arange(len(keys)) if sieve is None else np.flatnonzero(sieve.may_hold(keys.events))
        found, marks = np.zeros(len(keys), bool), keys.marks.copy()
        for level, count in sorted(Counter(level for level, _, _ in runs).items()):
            place = _place(keys.events[suspects], level)
            for pieces in _some(np.unique(place), count):
                asked = suspects[np.searchsorted(place, pieces[0]) : np.searchsorted(place, pieces[-1], "right")]
                stored = self._read(connection, stream, level, pieces)
                there, these = keys.taken(asked).match(stored)
                found[asked[these]] = True
                marks[asked[these]] = stored.marks[there]
            suspects = suspects[~found[suspects]]
        return found, marks

    def add(self, connection: Connection, stream: int, batch: int, runs: Sequence[Run], keys: EventKeys) -> list[Run]:
        """Keep sorted keys that were not found, and return the runs that are there now."""
        if not len(keys):
            return list(runs)
        level, size = _level(len(keys)), len(keys)
        self._write(connection, stream, level, batch, keys)
        write_run(connection, self._runs, stream, (level, batch, size))
        sieve = self._sieves.get(stream)
        if sieve is not None:
            sieve.add(keys.events)
        most = _MOST_RUNS if sum(size for _, _, size in runs) < _SIFTED_WELL else _MOST_RUNS_TO_READ
        while len(full := [before for at, _, before in runs if at == level]) + 1 >= most:
            runs = [run for run in runs if run[0] != level]
            size += sum(full)
            self._merge(connection, stream, level, (_level(size), batch, len(full) + 1))
            level = _level(size)
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
        with self._lock:
            sieve = self._sieves.pop(stream, None)
        if sieve is None or sieve.batches >= batch or not sieve.has_room(size + asked):
            if asked * _READ_FOR_EACH + _SIFTED_ANYWAY < size:
                return None
            del sieve  # the old one is let go first: two of them are too much
            words = words_for(4 * size + asked)
            with self._lock:
                self._make_room(words)
            sieve = Sieve(words)
        for run in runs:
            if run[1] > sieve.batches:
                for events in read_events(connection, self._pieces, stream, run):
                    sieve.add(np.frombuffer(events, "<u8"))
        with self._lock:
            self._make_room(len(sieve))  # another stream's may have come in between
            self._sieves[stream] = sieve
        return sieve

    def _make_room(self, words: int) -> None:
        while self._sieves and sum(map(len, self._sieves.values())) + words > MOST_WORDS:
            self._sieves.pop(next(iter(self._sieves)))

    def _read(self, connection: Connection, stream: int, level: int, pieces: Places) -> EventKeys:
        """Events of all runs in these pieces."""
        found = read_pieces(connection, self._pieces, stream, level, pieces)
        return EventKeys.joined([EventKeys.read(b"", b""), *(EventKeys.read(*parts) for parts in found)])

    def _write(self, connection: Connection, stream: int, level: int, run: int, keys: EventKeys) -> None:
        import pyarrow as pa

        place = _place(keys.events, level)
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        same = {
            "stream": pa.scalar(stream, pa.int64()),
            "level": pa.scalar(level, pa.int32()),
            "run": pa.scalar(run, pa.int64()),
        }
        columns = {name: pa.repeat(value, len(starts)) for name, value in same.items()}
        columns["piece"] = pa.array(place[starts], pa.int32())
        columns |= dict(zip(("events", "marks"), keys.written(starts), strict=True))
        write_pieces(connection, self._pieces, columns)

    def _merge(self, connection: Connection, stream: int, level: int, merged: Run) -> None:
        """Write the runs of a level as one, some pieces at a time; `merged` is its level and number, and how many."""
        to, run, count = merged
        for pieces in _some(np.arange(1 << _bits(level)), count):
            keys = self._read(connection, stream, level, pieces)
            if len(keys):
                self._write(connection, stream, to, run, keys.in_order())
        drop_level(connection, (self._runs, self._pieces), stream, level)


def _level(size: int) -> int:
    return (size.bit_length() - 1) // 3


def _some(pieces: Places, runs: int) -> Iterator[Places]:
    """As many pieces as are read at once, fewer where there are more runs of each."""
    step = max(_ROWS_AT_ONCE // runs, 1)
    return (pieces[start : start + step] for start in range(0, len(pieces), step))


def _bits(level: int) -> int:
    return 3 * max(level - _FIRST_CUT, 0)


def _place(events: Numbers, level: int) -> Any:
    """The pieces that keys belong to."""
    bits = _bits(level)
    return (events >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(events), np.int64)
