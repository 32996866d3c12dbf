"""The keys by which events are known: 128 bits of the event id, and 64 of what was observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.collectors.key_query import key_statement
from abkit.embedded import open_session

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EventKeys:
    """Keys of observations, in columns.

    Parameters
    ----------
    events, checks : uint64 array
        Two halves of the md5 of an event id. Events are the same where both are: one half alone would mix up two of a
        billion events every thirty times.
    payloads : uint64 array
        Of everything else.
    """

    events: Numbers
    checks: Numbers
    payloads: Numbers

    def __len__(self) -> int:
        return len(self.events)

    @classmethod
    def of(cls, rows: Any) -> EventKeys:
        """Return the keys of an Arrow table of observations."""
        table = rows.select(["user_id", "metric_type", "event_id", "observed_at"])
        bits = np.asarray(rows["value"]).view(np.int64)
        with open_session() as session:
            session.register("batch", table.append_column("bits", [bits]))
            found = session.execute(key_statement()).fetchnumpy()
        return cls(*(np.asarray(found[name]) for name in ("event", "check", "payload")))

    @classmethod
    def read(cls, events: bytes, marks: bytes) -> EventKeys:
        """Return what `written` wrote."""
        both = np.frombuffer(marks, "<u8").reshape(-1, 2)
        return cls(np.frombuffer(events, "<u8"), both[:, 0], both[:, 1])

    @classmethod
    def merged(cls, parts: list[EventKeys]) -> EventKeys:
        """Return all of these in order."""
        whole = cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))
        return whole.taken(np.argsort(whole.events, kind="stable"))

    def written(self) -> tuple[bytes, bytes]:
        """Return events, and checks and payloads, as bytes."""
        return self.events.astype("<u8").tobytes(), np.column_stack([self.checks, self.payloads]).astype(
            "<u8"
        ).tobytes()

    def taken(self, places: Any) -> EventKeys:
        """Return the keys at these places."""
        return EventKeys(self.events[places], self.checks[places], self.payloads[places])

    def grouped(self) -> tuple[Places, Places]:
        """Return the place of the first observation of each event, in the order of events, and each one's event."""
        order = _order(self.events)
        events, checks = self.events[order], self.checks[order]
        same = events[1:] == events[:-1]
        if (events[1:] < events[:-1]).any() or (same & (checks[1:] != checks[:-1])).any():
            order = np.lexsort((self.checks, self.events))
            events, checks = self.events[order], self.checks[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (events[1:] != events[:-1]) | (checks[1:] != checks[:-1])
        group = np.empty(len(order), np.int64)
        group[order] = np.cumsum(is_first) - 1
        return order[is_first], group

    def match(self, wanted: EventKeys) -> tuple[Places, Places]:
        """Return the places of wanted keys that are among these sorted ones, and where they are here."""
        here = np.searchsorted(self.events, wanted.events)
        places = np.arange(len(wanted))
        found: list[tuple[Places, Places]] = [(places[:0], here[:0])]
        while len(places):  # once, unless half a key is that of another event
            inside = here < len(self)
            places, here = places[inside], here[inside]
            same = self.events[here] == wanted.events[places]
            places, here = places[same], here[same]
            whole = self.checks[here] == wanted.checks[places]
            found.append((places[whole], here[whole]))
            places, here = places[~whole], here[~whole] + 1
        return np.concatenate([one for one, _ in found]), np.concatenate([other for _, other in found])


def _order(events: Numbers) -> Places:
    """Places in the order of events but for the last bits, which give way to the place: sorting one number is quick."""
    low = np.uint64((1 << max(len(events) - 1, 1).bit_length()) - 1)
    return (np.sort(events & ~low | np.arange(len(events), dtype=np.uint64)) & low).astype(np.int64)
