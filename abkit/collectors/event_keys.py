"""The keys by which events are known: 96 bits of the event id, and 32 of what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from abkit.collectors.hashes import Numbers, hash_payloads, hash_texts
from abkit.collectors.key_query import Places

_HALF: Final = np.uint64(32)
_NAMED, _NAMELESS, _PAYLOAD = (1, 2), (3, 4), (5,)  # seeds


@dataclass(frozen=True, slots=True)
class EventKeys:
    """Keys of observations, in columns.

    Parameters
    ----------
    events : uint64 array
        A hash of the event id, or of what was observed where there is none.
    marks : uint64 array
        Half of a second hash of the same, which tells events apart whose first ones agree, as two of a billion do every
        thirty times, and below it half of a hash of what was observed.
    """

    events: Numbers
    marks: Numbers

    def __len__(self) -> int:
        return len(self.events)

    @classmethod
    def of(cls, rows: Any) -> EventKeys:
        """Return the keys of an Arrow table of observations."""
        ids = rows["event_id"].combine_chunks()
        events, checks = hash_texts(ids, _NAMED)
        if ids.null_count:
            nameless = ids.is_null()
            places = np.flatnonzero(nameless)
            events[places], checks[places] = hash_payloads(rows.filter(nameless), _NAMELESS)
        (payloads,) = hash_payloads(rows, _PAYLOAD)
        return cls(events, checks >> _HALF << _HALF | payloads >> _HALF)

    @classmethod
    def read(cls, events: bytes, marks: bytes) -> EventKeys:
        """Return what `written` wrote."""
        return cls(np.frombuffer(events, "<u8"), np.frombuffer(marks, "<u8"))

    @classmethod
    def joined(cls, parts: Sequence[EventKeys]) -> EventKeys:
        """Return all of these, one after the other."""
        return cls(np.concatenate([part.events for part in parts]), np.concatenate([part.marks for part in parts]))

    def in_order(self) -> EventKeys:
        """Return these sorted by event."""
        found = self.taken(_order(self.events))
        return found if _is_sorted(found.events) else self.taken(np.argsort(self.events))

    def written(self, starts: Places) -> tuple[Any, Any]:
        """Return events and marks as Arrow arrays of bytes, cut at these places."""
        import pyarrow as pa

        cuts = pa.py_buffer((8 * np.append(starts, len(self))).astype(np.int32))
        parts = (pa.py_buffer(part.astype("<u8")) for part in (self.events, self.marks))
        events, marks = (pa.Array.from_buffers(pa.binary(), len(starts), [None, cuts, part]) for part in parts)
        return events, marks

    def taken(self, places: Any) -> EventKeys:
        """Return the keys at these places."""
        return EventKeys(self.events[places], self.marks[places])

    @property
    def checks(self) -> Numbers:
        """The part of the marks that belongs to the event."""
        return self.marks >> _HALF

    def distinct(self) -> Distinct:
        """Return what is the same event, and which comes first."""
        order, own = _order(self.events), self.checks
        events, checks = self.events[order], own[order]
        same = events[1:] == events[:-1]
        if not _is_sorted(events) or (same & (checks[1:] != checks[:-1])).any():
            order = np.lexsort((own, self.events))
            events, checks = self.events[order], own[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (events[1:] != events[:-1]) | (checks[1:] != checks[:-1])
        group = np.empty(len(order), np.int64)
        group[order] = np.cumsum(is_first) - 1
        first = order[is_first]
        return Distinct(self.taken(first), first, group, self.marks)

    def match(self, wanted: EventKeys) -> tuple[Places, Places]:
        """Return the places of wanted keys that are among these sorted ones, and where they are here."""
        own, asked = self.checks, wanted.checks
        here = np.searchsorted(self.events, wanted.events)
        places = np.arange(len(wanted))
        found: list[tuple[Places, Places]] = [(places[:0], here[:0])]
        while len(places):  # once, unless half a key is that of another event
            inside = here < len(self)
            places, here = places[inside], here[inside]
            same = self.events[here] == wanted.events[places]
            places, here = places[same], here[same]
            whole = own[here] == asked[places]
            found.append((places[whole], here[whole]))
            places, here = places[~whole], here[~whole] + 1
        return np.concatenate([one for one, _ in found]), np.concatenate([other for _, other in found])


@dataclass(frozen=True, slots=True)
class Distinct:
    """The events of some observations.

    Parameters
    ----------
    events : EventKeys
        Each once, sorted, with the mark of its first observation.
    first : int array
        The places of these observations.
    group : int array
        For each observation, which event it is.
    marks : uint64 array
        For each observation.
    """

    events: EventKeys
    first: Places
    group: Places
    marks: Numbers


def _order(events: Numbers) -> Places:
    """Places in the order of events but for the last bits, which give way to the place: sorting one number is quick."""
    low = np.uint64((1 << max(len(events) - 1, 1).bit_length()) - 1)
    return (np.sort(events & ~low | np.arange(len(events), dtype=np.uint64)) & low).astype(np.int64)


def _is_sorted(events: Numbers) -> bool:
    return bool((events[1:] >= events[:-1]).all())
