"""A sieve that holds back events which are new for certain."""

from __future__ import annotations

import numpy as np

from abkit.collectors.event_keys import Numbers

_BITS = 5
_KEYS_IN_A_WORD = 1
_FEWEST_WORDS = 1 << 12
MOST_WORDS = 1 << 21


class Sieve:
    """A Bloom filter in blocks of one word (Putze, Sanders, Singler 2007, section 3).

    The first bits of a key choose its word, the last thirty the five bits that it sets there.

    Parameters
    ----------
    words : int
        A power of two; see `words_for`.

    Examples
    --------
    >>> sieve = Sieve(words_for(1000))
    >>> sieve.add(np.array([7, 1 << 63], np.uint64))
    >>> sieve.may_hold(np.array([7, 8, 1 << 63], np.uint64)).tolist()
    [True, False, True]
    """

    def __init__(self, words: int) -> None:
        self._words = np.zeros(words, np.uint64)
        self._shift = np.uint64(64 - (len(self._words) - 1).bit_length())
        self.batches = 0
        """The number of the last batch whose keys are in."""

    def __len__(self) -> int:
        return len(self._words)

    def has_room(self, keys: int) -> bool:
        """Whether so many keys fit, or a larger sieve is not allowed."""
        return keys <= _KEYS_IN_A_WORD * len(self._words) or len(self._words) == MOST_WORDS

    def add(self, events: Numbers) -> None:
        """Put keys in."""
        np.bitwise_or.at(self._words, events >> self._shift, _pattern(events))

    def may_hold(self, events: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Say which keys may be in; the others are not."""
        pattern = _pattern(events)
        return np.asarray((self._words[events >> self._shift] & pattern) == pattern)


def _pattern(events: Numbers) -> Numbers:
    pattern = np.zeros(len(events), np.uint64)
    for place in range(_BITS):
        pattern |= np.uint64(1) << ((events >> np.uint64(6 * place)) & np.uint64(63))
    return pattern


def words_for(keys: int) -> int:
    """Return how many words so many keys need; more than 16 MiB are not given, and then more new keys pass."""
    return min(1 << (max(keys // _KEYS_IN_A_WORD, _FEWEST_WORDS) - 1).bit_length(), MOST_WORDS)
