"""The columns of a frame, some rows at a time, as numbers: nothing is read that needs care."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.collectors.query import MISSING
from abkit.collectors.source import Source

_BATCH = 1 << 20
_MOST_VALUES = 1_000
_WRITTEN: dict[Any, Callable[[Any], str]] = {
    str: lambda label: label.strip(" ") or MISSING,
    bool | np.bool_: lambda label: str(label).lower(),
    int | np.integer: str,
}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Columns:
    """What is read of a frame: columns of numbers, the variant's and its values, the time's, those of segments."""

    numbers: Sequence[str]
    variant: str
    values: Sequence[str]
    time: str | None = None
    segments: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys([self.variant, *self.numbers, *([self.time] if self.time else []), *self.segments]))


@dataclass(frozen=True, slots=True)
class Times:
    """Times as whole numbers since 1970, the least that there is where one is missing; how many make a second."""

    ticks: Integers
    per_second: int

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last in seconds, of which engines keep six decimals.

        Raises
        ------
        Careful
            One is missing.
        """
        first, last = int(self.ticks.min()), int(self.ticks.max())
        if first == np.iinfo(np.int64).min:
            raise Careful
        return first * 10**6 // self.per_second / 10**6, last * 10**6 // self.per_second / 10**6


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a frame.

    Parameters
    ----------
    numbers : dict of arrays (rows,)
        The values of each column.
    codes : array (rows,)
        A code of each row's variant.
    ids : array (variants,)
        The code of each variant's value; -1 where no row has it.
    times : Times, optional
    segments : dict
        Column -> the code of each row's label, -1 where there is none, and the labels; None where they are neither
        texts, whole numbers nor true and false, or too many.
    """

    numbers: dict[str, npt.NDArray[Any]]
    codes: Codes
    ids: Codes
    times: Times | None
    segments: dict[str, tuple[Codes, list[str]] | None]


class Careful(Exception):  # noqa: N818 - not an error: the frame is to be read another way
    """The frame holds something that one pass cannot judge."""


def is_plain(source: Source) -> bool:
    """Whether it is a frame of a randomized experiment all of whose rows count, and none but these."""
    data = source.data
    in_memory = source.table is not None and source.engine is None and not source.long
    has_events = source.events is not None or data.events is not None
    return in_memory and data.design == "randomized" and not any((has_events, data.summary, *data.where))


def require_columns(frame: Any, names: Sequence[str]) -> None:
    """Look whether it is a frame with these columns.

    Raises
    ------
    Careful
        It is none, or lacks one, or has two of a name.
    """
    if not (is_of(frame, "pandas") or (is_of(frame, "polars", "pyarrow") and hasattr(frame, "__arrow_c_stream__"))):
        raise Careful  # others may have a `select` that means something else
    present = list(getattr(frame, "column_names", frame.columns))
    if len(set(present)) < len(present) or not set(names) <= set(present):
        raise Careful


def is_of(frame: Any, *libraries: str) -> bool:
    """Whether the frame is one of a library."""
    return type(frame).__module__.split(".")[0] in libraries


def batches(frame: Any, asked: Columns) -> Iterator[Batch]:
    """Columns as numbers, with each row's code of its variant and the code of each value.

    Raises
    ------
    Careful
        Something is missing, or neither a number nor, of variants, a text.
    """
    yield from (_pandas_batches if is_of(frame, "pandas") else _arrow_batches)(frame, asked)


def _pandas_batches(frame: Any, asked: Columns) -> Iterator[Batch]:
    columns = {name: frame[name] for name in asked.numbers}
    if not all(isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf" for column in columns.values()):
        raise Careful
    numbers = {name: column.to_numpy() for name, column in columns.items()}
    times = _pandas_times(frame[asked.time]) if asked.time else None
    for start in range(0, len(frame), _BATCH):
        rows = slice(start, start + _BATCH)
        part = frame[asked.variant].iloc[rows]
        if isinstance(part.dtype, np.dtype) and part.dtype.kind in "iu":
            codes, ids = part.to_numpy(), _whole_ids(asked.values)
        else:
            codes, ids = _label_codes(*_pandas_labels(part), asked.values)
        yield Batch(
            {name: part[rows] for name, part in numbers.items()},
            codes,
            ids,
            None if times is None else Times(times.ticks[rows], times.per_second),
            {name: _segment(*_pandas_labels(frame[name].iloc[rows])) for name in asked.segments},
        )


def _pandas_labels(column: Any) -> tuple[Codes, list[Any]]:
    import pyarrow as arrow

    try:
        codes, found = column.factorize()
    except (TypeError, arrow.ArrowException):  # lists, say, or dicts
        raise Careful from None
    labels = list(found)
    if column.dtype == object and not all(isinstance(label, str) for label in labels):
        raise Careful  # True is 1 for pandas
    return codes, labels


def _pandas_times(column: Any) -> Times:
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert(None)
    found = column.to_numpy()
    if isinstance(column.dtype, np.dtype) and found.dtype.kind in "iu":
        return Times(found.astype(np.int64, copy=False), 1)
    if found.dtype.kind != "M":
        raise Careful
    return Times(found.view(np.int64), _PER_SECOND[np.datetime_data(found.dtype)[0]])


def _arrow_batches(frame: Any, asked: Columns) -> Iterator[Batch]:
    import pyarrow as arrow

    try:
        yield from _record_batches(arrow.RecordBatchReader.from_stream(frame.select(asked.names)), asked)
    except arrow.ArrowException:  # lists, say, or whole numbers of 128 bits
        raise Careful from None


def _record_batches(read: Any, asked: Columns) -> Iterator[Batch]:
    import pyarrow as arrow

    for batch in read:
        for start in range(0, batch.num_rows, _BATCH):
            part = batch.slice(start, _BATCH)
            column = part.column(asked.variant)
            if arrow.types.is_integer(column.type):
                codes, ids = _numbers(column), _whole_ids(asked.values)
            else:
                codes, ids = _label_codes(*_arrow_labels(column), asked.values)
            yield Batch(
                {name: _numbers(part.column(name)) for name in asked.numbers},
                codes,
                ids,
                _arrow_times(part.column(asked.time)) if asked.time else None,
                {name: _segment(*_arrow_labels(part.column(name))) for name in asked.segments},
            )


def _arrow_labels(column: Any) -> tuple[Codes, list[Any]]:
    import pyarrow as arrow

    column = column if arrow.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = column.indices.cast(arrow.int64()).fill_null(-1) if column.null_count else column.indices
    return codes.to_numpy(), column.dictionary.to_pylist()


def _arrow_times(column: Any) -> Times:
    import pyarrow as arrow

    if column.null_count:
        raise Careful
    if arrow.types.is_integer(column.type):
        return Times(column.to_numpy().astype(np.int64, copy=False), 1)
    if not arrow.types.is_timestamp(column.type):
        raise Careful
    return Times(column.view(arrow.int64()).to_numpy(), _PER_SECOND[column.type.unit])


def _numbers(column: Any) -> npt.NDArray[Any]:
    if column.null_count:
        raise Careful
    found = column.to_numpy(zero_copy_only=False)
    if found.dtype.kind not in "biuf":
        raise Careful
    return np.asarray(found)


def _whole_ids(values: Sequence[str]) -> Codes:
    """The whole numbers that the values are; where one is none, no row has it."""
    try:
        ids = [int(value) for value in values]
    except ValueError:
        raise Careful from None
    if [str(one) for one in ids] != list(values) or max(map(abs, ids)) >= 2**62:
        raise Careful
    return np.array(ids)


def _label_codes(codes: Codes, labels: list[Any], values: Sequence[str]) -> tuple[Codes, Codes]:
    """Codes of labels, and the code of each value; blanks around a label do not count, as everywhere."""
    if len(labels) > _MOST_VALUES or not all(isinstance(label, str) for label in labels):
        raise Careful
    stripped = [label.strip(" ") for label in labels]
    if "" in stripped or (codes < 0).any():
        raise Careful
    if len(set(stripped)) < len(stripped):
        codes = np.array([stripped.index(label) for label in stripped])[codes]
    kind = codes.dtype if codes.dtype.kind == "i" else np.int64  # of one kind, they are compared in half the time
    return codes, np.array([stripped.index(value) if value in stripped else -1 for value in values], dtype=kind)


def _segment(codes: Codes, labels: list[Any]) -> tuple[Codes, list[str]] | None:
    """Labels as an engine writes them; blanks around one do not count, and a blank one is missing."""
    if len(labels) > _MOST_VALUES:
        return None
    for kind, write in _WRITTEN.items():
        if all(isinstance(label, kind) for label in labels):
            return codes, [*map(write, labels), MISSING]  # a code of -1 takes the last
    return None
