"""Hashes of texts and observations stay what they are, and lie as far apart as random numbers."""

from collections.abc import Callable, Iterator
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.collectors.hashes import hash_payloads, hash_texts

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=40)), max_size=8)
TEXT_HASHES = [0x4954E0A49CE17C1B, 0x2B2BDE9317C0FE9A, 0xE47CCD9A3C9D65E5]
PAYLOAD_HASH = 0x8839C0AEEDAC1712
ROW = {"user_id": "u1", "metric_type": "cost", "value": 0.5, "observed_at": 1795255200000000}


def mixed(state: int) -> int:
    """MurmurHash3's finalizer as Appleby wrote it."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ (state >> 33)) * factor % 2**64
    return state ^ (state >> 33)


def hashed(text: str | None, seed: int) -> int:
    told = (text or "").encode()
    state = mixed(seed ^ len(told))
    for start in range(0, len(told), 8):
        state = mixed(state ^ int.from_bytes(told[start : start + 8], "little"))
    return state


@given(TEXTS, st.integers(0, 3))
def test_texts_are_hashed_as_described(texts: list[str | None], skipped: int) -> None:
    array = pa.array(["before", *texts], pa.string())[1:][skipped:]
    found = hash_texts(array, (1, 2))
    assert found.shape == (2, len(array))
    for row, seed in zip(found, (1, 2), strict=True):
        assert row.tolist() == [hashed(text, seed) for text in texts[skipped:]]


def test_hashes_stay_as_they_are() -> None:
    """Stored events are known again by these."""
    texts = pa.array(["event-1", "é", "a text of more than eight bytes"])
    assert hash_texts(texts, (1,)).tolist() == [TEXT_HASHES]
    assert hash_payloads(pa.table({name: [value] for name, value in ROW.items()}), (5,)).tolist() == [[PAYLOAD_HASH]]


def table(*rows: dict[str, object]) -> pa.Table:
    found = pa.Table.from_pylist([*map(dict, rows)])
    return found.set_column(3, "observed_at", found["observed_at"].cast(pa.int64()))


OTHERS: list[dict[str, object]] = [
    {"user_id": "u2"},
    {"metric_type": "costs"},
    {"value": -0.5},
    {"observed_at": 1795255200000001},
    {"observed_at": None},
    {"user_id": "u1c", "metric_type": "ost"},
    {"user_id": "cost", "metric_type": "u1"},
]


@pytest.mark.parametrize("other", OTHERS)
def test_what_was_observed_enters_the_hash_of_it(other: dict[str, object]) -> None:
    same, changed = hash_payloads(table(ROW, {**ROW, **other}), (5,))[0].tolist()
    assert same != changed
    pieces = pa.concat_tables([table({**ROW, **other}), table(ROW)])
    assert hash_payloads(pieces, (5,))[0].tolist() == [changed, same]


IDS: dict[str, Callable[[int], str]] = {
    "counted": lambda number: f"run-{number}",
    "filled": lambda number: f"2026-11-29T10:00:00Z/agent-7/step-{number:012d}",
    "short": lambda number: f"{number:x}",
    "uuid": lambda number: str(UUID(int=number << 40)),
    "twins": lambda number: f"{number:08d}{number:08d}",
    "two parts": lambda number: f"session{number // 1000:05d}-event{number % 1000:03d}",
    "few bits": lambda number: "".join("ab"[number >> bit & 1] for bit in range(24)),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_that_are_alike_have_hashes_that_are_not(kind: str) -> None:
    size = 200_000
    ids = pa.array(map(IDS[kind], range(size)), pa.string())
    for hashes in hash_texts(ids, (1, 2)):
        assert len(np.unique(hashes)) == size
        assert len(np.unique(hashes >> np.uint64(32))) > size - 40  # 4.7 of 32 bits agree by chance
        assert len(np.unique(hashes & np.uint64(2**32 - 1))) > size - 40
        ones = np.unpackbits(hashes.view(np.uint8)).reshape(size, 64).mean(axis=0)
        assert (np.abs(ones - 0.5) < 5.5 * 0.5 / np.sqrt(size)).all()
        buckets = np.bincount((hashes >> np.uint64(54)).astype(np.int64), minlength=1024)
        chi_square = float(((buckets - size / 1024) ** 2 / (size / 1024)).sum())
        assert abs(chi_square - 1023) < 6 * np.sqrt(2 * 1023)
    one, other = hash_texts(ids, (1, 2))
    agreeing = np.unpackbits((one ^ other).view(np.uint8)).mean()
    assert agreeing == pytest.approx(0.5, abs=0.002)


def flipped(text: bytes) -> Iterator[bytes]:
    for place in range(len(text)):
        for bit in range(7):
            yield text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]


def test_one_bit_of_a_text_changes_half_of_the_bits_of_its_hash() -> None:
    random = np.random.default_rng(3)
    changes = []
    for size in (1, 7, 8, 9, 16, 23):
        for _ in range(40):
            text = bytes(random.integers(1, 128, size, dtype=np.uint8))
            first, *others = hash_texts(pa.array([text.decode(), *(one.decode() for one in flipped(text))]), (1,))[0]
            changes.append(np.unpackbits((np.array(others) ^ first).view(np.uint8)).reshape(-1, 64))
    assert (np.abs(np.concatenate(changes).mean(axis=0) - 0.5) < 0.03).all()
