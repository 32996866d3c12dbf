"""The definition of assignment, for one user and for many.

The first four bytes of ``sha256("<experiment id>:<user id>")`` (UTF-8), read as a big-endian integer, modulo 10,000 are
the user's bucket; the first variant, in order, whose cumulative traffic exceeds bucket / 100 is the user's variant.
``tests/vectors.json`` holds what every port of it must give.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from abkit.assignment.expression import duckdb_sql
from abkit.embedded import open_session
from abkit.errors import ParameterError
from abkit.models import Experiment, Variant

BUCKETS: Final = 10_000
LONGEST_USER_ID: Final = 1024
_CHUNK = 1 << 18


def bucket(experiment_id: str, user_id: str) -> int:
    """Return the bucket, 0 to 9,999, of a user in an experiment.

    Examples
    --------
    >>> bucket("2c4e1b1e-8f5f-4d0a-9a61-0b7f0c3f6a11", "user-7")
    9777
    """
    digest = hashlib.sha256(f"{experiment_id}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % BUCKETS


def buckets(experiment_id: str, user_ids: Any) -> NDArray[np.uint16]:
    """Return the buckets of many users; equal to `bucket` of each.

    Parameters
    ----------
    experiment_id : str
    user_ids : sequence, array, or column of a pandas, polars or Arrow frame
        Text, or whole numbers, which stand for their digits.

    Raises
    ------
    ParameterError
        An id is missing, or is neither text nor a whole number.

    Examples
    --------
    >>> buckets("2c4e1b1e-8f5f-4d0a-9a61-0b7f0c3f6a11", ["user-7", "user-8"]).tolist()
    [9777, 7298]
    """
    import pyarrow as pa

    found = np.empty(len(user_ids), dtype=np.uint16)
    statement, values = duckdb_sql(experiment_id, "users", "user_id")
    with open_session() as session:
        for start, texts in texts_of(user_ids, _CHUNK):
            session.register("users", pa.table({"user_id": texts}))
            found[start : start + len(texts)] = session.execute(statement, values).fetchnumpy()["bucket"]
    return found


def is_user_id(value: str) -> bool:
    """Whether a store can keep the id: 1 to 1,024 bytes of UTF-8 without NUL.

    Examples
    --------
    >>> is_user_id("user-7"), is_user_id(""), is_user_id("a" * 1025), is_user_id(chr(0xD800))
    (True, False, False, False)
    """
    if not value or "\0" in value:
        return False
    try:
        return len(value.encode()) <= LONGEST_USER_ID
    except UnicodeEncodeError:
        return False


def text_of(user_id: object) -> str:
    """Return the text that is hashed and stored for an id.

    Raises
    ------
    ParameterError
        The id is neither text nor a whole number, or no store could keep it.

    Examples
    --------
    >>> text_of(7), text_of("007")
    ('7', '007')
    """
    if type(user_id) is not str:
        if not isinstance(user_id, str | int | np.integer | np.str_) or isinstance(user_id, bool):
            raise ParameterError(
                f"the user id {user_id!r} is {type(user_id).__name__}; pass text, or a whole number: 7.0 and '7' would "
                "be two users to a hash"
            )
        user_id = str(user_id)
    if not (user_id.isascii() and 0 < len(user_id) <= 256 and "\0" not in user_id) and not is_user_id(user_id):
        shown = repr(user_id[:40]) + ("..." if len(user_id) > 40 else "")
        raise ParameterError(
            f"the user id {shown} cannot be stored: expected 1 to {LONGEST_USER_ID:,} bytes of UTF-8 text without NUL; "
            "pass the id of one user, or a hash of it"
        )
    return user_id


@dataclass(frozen=True)
class Split:
    """How an experiment divides the buckets among its variants.

    Parameters
    ----------
    experiment_id : str
    names : tuple of str
        Variants, in the experiment's order.
    bounds : tuple of int
        For each variant, the first bucket after its own.

    Examples
    --------
    >>> variants = [Variant("a", 75, is_control=True), Variant("b", 25)]
    >>> split = Split.between("2c4e1b1e-8f5f-4d0a-9a61-0b7f0c3f6a11", variants)
    >>> split.bounds, split.variant("user-7"), split.variant("user-8")
    ((7500, 10000), 'b', 'a')
    """

    experiment_id: str
    names: tuple[str, ...]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, experiment: Experiment) -> Split:
        """Return the split of an experiment."""
        return cls.between(experiment.id, experiment.variants)

    @classmethod
    def between(cls, experiment_id: str, variants: Sequence[Variant]) -> Split:
        """Return the split of an experiment's variants.

        Cumulative traffic is added up as decimals: in binary 10 + 20 % is more than 30 % for some digits, and a port in
        another language would disagree. Traffic may sum to 99.99, so the last variant with any takes what is left.
        """
        shares = [Decimal(repr(float(variant.traffic_percentage))) for variant in variants]
        last = max(place for place, share in enumerate(shares) if share > 0)
        bounds = [min(ceil(total * 100), BUCKETS) for total in accumulate(shares)]
        bounds[last:] = [BUCKETS] * (len(bounds) - last)
        return cls(experiment_id, tuple(variant.name for variant in variants), tuple(bounds))

    @cached_property
    def by_bucket(self) -> tuple[str, ...]:
        """The variant of every bucket."""
        return tuple(self.names[bisect_right(self.bounds, number)] for number in range(BUCKETS))

    def variant(self, user_id: str) -> str:
        """Return the variant of a user."""
        return self.by_bucket[bucket(self.experiment_id, user_id)]

    def by_user(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Return the variants of many users, by user id."""
        return {user: self.names[code] for user, code in zip(user_ids, self.codes(user_ids).tolist(), strict=True)}

    def codes(self, user_ids: Any) -> NDArray[np.uint8]:
        """Return the places in `names` of the variants of many users."""
        place = np.searchsorted(self.bounds, np.arange(BUCKETS), side="right").astype(np.uint8)
        found = np.empty(len(user_ids), dtype=np.uint8)
        step = 4 * _CHUNK
        for start in range(0, len(user_ids), step):
            found[start : start + step] = place[buckets(self.experiment_id, user_ids[start : start + step])]
        return found


def texts_of(user_ids: Any, size: int) -> Iterator[tuple[int, Any]]:
    """Yield Arrow arrays of the texts of at most `size` ids each, and where each begins."""
    if hasattr(user_ids, "to_arrow"):
        user_ids = user_ids.to_arrow()
    rows = getattr(user_ids, "iloc", user_ids)
    for start in range(0, len(user_ids), size):
        yield start, _texts(rows[start : start + size])


def _texts(part: Any) -> Any:
    import pyarrow as pa

    try:
        column = part if isinstance(part, pa.Array | pa.ChunkedArray) else pa.array(part)
    except (
        pa.ArrowException,
        TypeError,
        ValueError,
        OverflowError,
    ):  # mixed or strange: the scalar rule says what is wrong
        return pa.array([_checked(value) for value in part])
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if column.null_count or not (_is_text(kind) or pa.types.is_integer(kind)):
        return pa.array([_checked(value) for value in column.to_pylist()], pa.string())
    return column if _is_text(column.type) else column.cast(pa.string())


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _checked(value: Any) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return text_of(value)
        return value
    return text_of(value)
