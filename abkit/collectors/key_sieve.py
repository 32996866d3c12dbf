"""A sieve that holds back events which are new for certain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abkit.collectors.hashes import Numbers

_BITS = 8
_WORDS_IN_A_BLOCK = 2
_KEYS_IN_A_WORD = 1
_FEWEST_WORDS = 1 << 12
MOST_WORDS = 1 << 21


class Sieve:
    """A Bloom filter in blocks of two words (Putze, Sanders, Singler 2007, section 3).

    The first bits of a key choose its block, the last ones the four bits that it sets in each word.

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
        self._words = np.zeros((_WORDS_IN_A_BLOCK, words // _WORDS_IN_A_BLOCK), np.uint64)
        self._shift = np.uint64(65 - self._words.shape[1].bit_length())
        self.batches = 0
        """The number of the last batch whose keys are in."""

    def __len__(self) -> int:
        return self._words.size

    def has_room(self, keys: int) -> bool:
        """Whether so many keys fit, or a larger sieve is not allowed."""
        return keys <= _KEYS_IN_A_WORD * len(self) or len(self) == MOST_WORDS

    def add(self, events: Numbers) -> None:
        """Put sorted keys in."""
        block = self._block(events)
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        if len(starts):
            for words, patterns in zip(self._words, _patterns(events), strict=True):
                words[block[starts]] |= np.bitwise_or.reduceat(patterns, starts)

    def may_hold(self, events: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Say which keys may be in; the others are not."""
        block = self._block(events)
        one, other = (
            (words[block] & patterns) == patterns
            for words, patterns in zip(self._words, _patterns(events), strict=True)
        )
        return np.asarray(one & other)

    def _block(self, events: Numbers) -> NDArray[np.int64]:
        return (events >> self._shift).astype(np.int64)


def _patterns(events: Numbers) -> Numbers:
    """The bits of keys in each word of their blocks."""
    words = np.zeros((_WORDS_IN_A_BLOCK, len(events)), np.uint64)
    for place in range(_BITS):
        words[place % _WORDS_IN_A_BLOCK] |= np.uint64(1) << ((events >> np.uint64(6 * place)) & np.uint64(63))
    return words


def words_for(keys: int) -> int:
    """Return how many words so many keys need; more than 16 MiB are not given, and then more new keys pass."""
    return min(1 << (max(keys // _KEYS_IN_A_WORD, _FEWEST_WORDS) - 1).bit_length(), MOST_WORDS)
