"""Who comes, and when: made-up ids or the user's own, and how they arrive over the days."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from abkit.assignment.hashing import text_of, texts_of
from abkit.assignment.split_result import ArrivalDay, Duration
from abkit.errors import ParameterError, suggest

IdShape = Literal["uuid", "integer", "email"]
ArrivalName = Literal["uniform", "weekly", "decaying"]
Arrival = ArrivalName | Sequence[float] | NDArray[Any]

CHUNK: Final = 1 << 18
_WEEK = (1.1, 1.15, 1.15, 1.1, 1.0, 0.75, 0.75)
_HALF_LIFE = 5
_HEX = np.array([[ord(digit) for digit in f"{byte:02x}"] for byte in range(256)], dtype=np.uint32)
_DASHES = (8, 13, 18, 23)
_NAMES = ("ada", "chen", "fatima", "jose", "kofi", "lena", "mehmet", "noor", "olga", "priya", "sofia", "zoë")
_HOSTS = ("example.com", "example.org", "mail.example.net")


@dataclass(frozen=True)
class Users:
    """Distinct users, in the order in which they come; made-up ids exist one chunk at a time.

    Parameters
    ----------
    size : int
        How many.
    shape : str
        What made-up ids look like, or "own".
    seed : int
        Of made-up ids.
    own : Arrow array, optional
        The texts of the user's own ids.
    rows : array of int, optional
        For each user, the place of the id's first appearance among those that were given.
    given, repeated : int
        Ids that were given, and how many of the users stood more than once among them.
    """

    size: int
    shape: str
    seed: int
    own: Any = None
    rows: NDArray[np.int64] | None = None
    given: int = 0
    repeated: int = 0

    def parts(self, limit: int | None = None) -> Iterator[tuple[int, Any]]:
        """Yield where a chunk of ids starts, and the chunk, up to the first `limit` users."""
        size = self.size if limit is None else min(limit, self.size)
        for start in range(0, size, CHUNK):
            stop = min(start + CHUNK, size)
            if self.own is not None:
                yield start, self.own[start:stop]
            else:
                yield start, _made_up(cast("IdShape", self.shape), self.seed, start, stop)

    def texts(self, limit: int) -> Any:
        """Return the texts of the first users, as one Arrow array."""
        import pyarrow as pa

        chunks = [texts for _, part in self.parts(limit) for _, texts in texts_of(part, CHUNK)]
        return pa.chunked_array(chunks).combine_chunks()


def users_of(users: Any, shape: IdShape, seed: int) -> Users:
    """Return the users that a number, or a sequence, array or column of ids means.

    Raises
    ------
    ParameterError
        Fewer than two users, an unknown shape, or something that is no id.
    """
    if shape not in get_args(IdShape):
        raise ParameterError(f"no shape of ids {shape!r}{suggest(str(shape), get_args(IdShape))}")
    if isinstance(users, Integral) and not isinstance(users, bool):
        if int(users) < 2:
            raise ParameterError(f"a split needs at least two users, got {users}")
        return Users(int(users), shape, seed)
    if isinstance(users, str | bytes) or not hasattr(users, "__len__"):
        raise ParameterError(f"users: a number, or a sequence, array or column of ids, got {type(users).__name__}")
    return _own(users)


def _own(users: Any) -> Users:
    import pyarrow as pa

    chunks: list[Any] = []
    for _, texts in texts_of(users, CHUNK):
        for text in texts.to_pylist():
            text_of(text)
        chunks += texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    if not chunks:
        raise ParameterError("a split needs at least two users, got no ids")
    coded = pa.chunked_array([chunk.cast(pa.large_string()) for chunk in chunks]).combine_chunks().dictionary_encode()
    _, rows, counts = np.unique(coded.indices.to_numpy(), return_index=True, return_counts=True)
    if rows.size < 2:
        raise ParameterError("a split needs at least two users, and all the ids are of one")
    return Users(rows.size, "own", 0, coded.dictionary, rows, len(coded), int((counts > 1).sum()))


def _made_up(shape: IdShape, seed: int, start: int, stop: int) -> Any:
    if shape == "integer":
        return np.arange(1 + start, 1 + stop)
    random = np.frombuffer(np.random.default_rng([seed, start]).bytes(16 * (stop - start)), np.uint8).reshape(-1, 16)
    if shape == "uuid":
        letters = np.full((len(random), 36), ord("-"), np.uint32)
        letters[:, [place for place in range(36) if place not in _DASHES]] = _HEX[random].reshape(-1, 32)
        return letters.view("<U36").ravel()
    import pyarrow as pa
    from pyarrow import compute

    names, hosts = pa.array(_NAMES), pa.array(_HOSTS)
    first, last = (names.take(pa.array(random[:, column] % len(_NAMES))) for column in (0, 1))
    host = hosts.take(pa.array(random[:, 2] % len(_HOSTS)))
    number = pa.array(np.arange(1 + start, 1 + stop)).cast(pa.string())
    name = compute.binary_join_element_wise(first, last, ".")
    return compute.binary_join_element_wise(compute.binary_join_element_wise(name, number, ""), host, "@")


def arrival_weights(arrival: Arrival, days: int | None) -> NDArray[np.float64]:
    """Return the share of new users of each day.

    Parameters
    ----------
    arrival : {"uniform", "weekly", "decaying"} or array_like (days,)
        Weekly: the first day is a Monday, weekends have two thirds of a working day. Decaying: half as many every five
        days. An array: new users of each day, or anything proportional to them.
    days : int, optional
        Default: 14, or the length of the array.

    Examples
    --------
    >>> arrival_weights("uniform", 4).tolist(), arrival_weights([30, 10], None).tolist()
    ([0.25, 0.25, 0.25, 0.25], [0.75, 0.25])
    """
    if isinstance(arrival, str):
        if arrival not in get_args(ArrivalName):
            raise ParameterError(f"no arrival {arrival!r}{suggest(arrival, get_args(ArrivalName))}")
        day = np.arange(_checked_days(14 if days is None else days))
        by_name = {
            "uniform": np.ones(day.size),
            "weekly": np.resize(_WEEK, day.size),
            "decaying": 0.5 ** (day / _HALF_LIFE),
        }
        weights = by_name[arrival]
    else:
        weights = np.asarray(arrival, dtype=np.float64)
        if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
            raise ParameterError("arrival: one number of users per day, finite, not negative, and not all 0")
        if days is not None and days != weights.size:
            raise ParameterError(f"arrival has {weights.size} days and days={days}; leave one of them out")
    return np.asarray(weights / weights.sum())


def _checked_days(days: int) -> int:
    if not 1 <= days <= 1000:
        raise ParameterError(f"days: 1 to 1,000, got {days}")
    return days


def arrive(
    users: int, weights: NDArray[np.float64], returning: float, rng: np.random.Generator
) -> tuple[ArrivalDay, ...]:
    """Let users arrive; each one seen before comes back on each later day with probability `returning`."""
    if not 0 <= returning < 1:
        raise ParameterError(f"returning: the chance that a user comes back on a day, 0 to 1, got {returning:g}")
    days, seen = [], 0
    for day, new in enumerate(rng.multinomial(users, weights).tolist(), 1):
        back = int(rng.binomial(seen, returning))
        seen += new
        days.append(ArrivalDay(day, new, back, seen))
    return tuple(days)


def duration(arrivals: Sequence[ArrivalDay], planned_users: int) -> Duration:
    """Say on which day the planned number of distinct users is there, or after how many it would be.

    `day_by_visits` is the day that one would name by counting visitors of each day, who are the same people again.
    """
    reached = next((day.day for day in arrivals if day.users >= planned_users), None)
    visits = np.cumsum([day.new + day.returning for day in arrivals])
    by_visits = int(np.searchsorted(visits, planned_users)) + 1 if visits[-1] >= planned_users else None
    expected = reached
    if reached is None:
        last = arrivals[-7:]
        pace = sum(day.new for day in last) / len(last)
        missing = planned_users - arrivals[-1].users
        expected = len(arrivals) + math.ceil(missing / pace) if pace else None
    return Duration(planned_users, reached, expected, by_visits)
