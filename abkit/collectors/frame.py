"""One pass over a frame with one row per unit: cache-sized chunks, small matrix products about a pilot mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from abkit.collectors.gram import Gram, Grams, Layout, Swept
from abkit.collectors.source import Source
from abkit.models import Experiment
from abkit.stats.moments import Array

_CHUNK = 16_384  # rows whose columns fit into a core's own cache
_PRODUCT = 4_096  # of a matrix product that no library shares out among threads
_BATCH = 1 << 20
_MOST_VALUES = 1_000
CODES, IDS = "\0codes", "\0ids"  # no column has such a name

Columns = Mapping[str, npt.NDArray[Any]]


def read_frame(experiment: Experiment, source: Source) -> Swept | None:
    """Add up a frame's columns in one pass, where nothing stands in the way of it.

    Parameters
    ----------
    experiment : Experiment
    source : Source
        A pandas, polars or Arrow frame without time and filters; with a unit, a million rows at most.

    Returns
    -------
    Swept or None
        None where something has to be read with more care: text among numbers, missing or infinite values, variants
        that the experiment does not know, values that are so large that sums lose their digits, units with several
        rows.
    """
    data = source.data
    if not is_plain(source):
        return None
    layout = Layout.of(experiment, has_units=False)
    values = data.values_of([variant.name for variant in experiment.variants])
    adder = _Adder(layout, list(values.values()))
    try:
        require_columns(source.table, [*layout.columns, data.variant, *([data.unit] if data.unit else [])])
        if data.unit:
            require_distinct(
                unit_column(source.table, data.unit, _BATCH)
            )  # of many rows, the engine tells in less memory
        for columns in batches(source.table, layout.columns, data.variant, adder.values):
            adder.add(columns)
    except Careful:
        return None
    grams = adder.grams(values, may_leave_out=data.variants is not None)
    return None if grams is None else grams.reduce(experiment)


class Careful(Exception):  # noqa: N818 - not an error: the frame is to be read another way
    """The frame holds something that one pass cannot judge."""


def is_plain(source: Source) -> bool:
    """Whether it is a frame of a randomized experiment all of whose rows count, none with a time."""
    data = source.data
    in_memory = source.table is not None and source.engine is None and not source.long
    return in_memory and data.design == "randomized" and not any((data.time, data.summary, *data.where))


def require_columns(frame: Any, names: Sequence[str]) -> None:
    """Look whether it is a frame with these columns.

    Raises
    ------
    Careful
        It is none, or lacks one, or has two of a name.
    """
    if not (_is_of(frame, "pandas") or (_is_of(frame, "polars", "pyarrow") and hasattr(frame, "__arrow_c_stream__"))):
        raise Careful  # others may have a `select` that means something else
    present = list(getattr(frame, "column_names", frame.columns))
    if len(set(present)) < len(present) or not set(names) <= set(present):
        raise Careful


def _is_of(frame: Any, *libraries: str) -> bool:
    return type(frame).__module__.split(".")[0] in libraries


def require_distinct(names: Any) -> None:
    """Look whether all names differ, blanks around texts left aside.

    Raises
    ------
    Careful
        They do not, or one is blank.
    """
    import pyarrow as arrow
    import pyarrow.compute as compute

    if not arrow.types.is_integer(names.type):
        names = compute.utf8_trim(names, " ")
        if compute.any(compute.equal(names, "")).as_py():
            raise Careful
    if compute.count_distinct(names).as_py() < len(names):
        raise Careful


def unit_column(frame: Any, name: str, most: int) -> Any:
    """Return the units of all rows as Arrow has them: whole numbers, or texts that are no views of others.

    Raises
    ------
    Careful
        They are something else, one is missing, or there are more rows than `most`.
    """
    import pyarrow as arrow

    column = _arrow_column(frame, name, most)
    kinds = (arrow.types.is_integer, arrow.types.is_string, arrow.types.is_large_string)
    if column.null_count or not any(of(column.type) for of in kinds):
        raise Careful
    return column


def _arrow_column(frame: Any, name: str, most: int) -> Any:
    import pyarrow as arrow

    if not _is_of(frame, "pandas"):
        column = arrow.RecordBatchReader.from_stream(frame.select([name])).read_all()[name]
        if len(column) > most:
            raise Careful
        return column.cast(arrow.large_string()) if arrow.types.is_string_view(column.type) else column
    if len(frame) > most:
        raise Careful
    try:
        return arrow.array(frame[name])
    except (arrow.ArrowException, OverflowError, UnicodeError):  # objects of several kinds, or that Arrow cannot hold
        raise Careful from None


class _Adder:
    """Sums over chunks: one matrix product takes every sum to its variant."""

    def __init__(self, layout: Layout, values: list[str]) -> None:
        self.layout, self.values = layout, values
        self._pairs = [pair for pair in layout.pairs if pair[0] > 0]
        width = 1 + len(layout.columns) + len(self._pairs)
        self._part, self._hot = np.empty((width, _CHUNK)), np.empty((len(values), _CHUNK))
        self._part[0] = 1.0
        self._sums = np.zeros((len(values), width))
        self._shift: Array | None = None
        self._rows = 0

    @np.errstate(all="ignore")  # what is not finite shows in the sums
    def add(self, columns: Columns) -> None:
        if self._shift is None:
            self._shift = pilot(self.layout, columns)
        codes, ids = columns[CODES], columns[IDS][:, None]
        self._rows += len(codes)
        for start in range(0, len(codes), _CHUNK):
            stop = min(start + _CHUNK, len(codes))
            part, hot = self._part[:, : stop - start], self._hot[:, : stop - start]
            for at, (name, shift) in enumerate(zip(self.layout.columns, self._shift, strict=True), start=1):
                chunk = columns[name][start:stop]
                if name in self.layout.rates and not is_rate(chunk):
                    raise Careful
                if shift:
                    np.subtract(chunk, shift, out=part[at], dtype=np.float64)
                else:
                    part[at] = chunk
            for at, (one, other) in enumerate(self._pairs, start=1 + len(self.layout.columns)):
                np.multiply(part[one], part[other], out=part[at])
            np.equal(codes[start:stop], ids, out=hot, casting="unsafe")
            add_product(self._sums, hot, part)

    def grams(self, values: dict[str, str], *, may_leave_out: bool) -> Grams | None:
        """Return the sums; None where a number among them is none, or rows belong to no variant."""
        counts = self._sums[:, 0]
        left_out = self._rows - int(counts.sum())
        if not np.isfinite(self._sums).all() or not counts.all() or (left_out and not may_leave_out):
            return None
        shift = np.zeros(len(self.layout.columns)) if self._shift is None else self._shift
        found = {value: self._gram(row) for value, row in zip(self.values, self._sums, strict=True)}
        return Grams(self.layout, shift, found, values, rows_left_out=left_out)

    def _gram(self, sums: Array) -> Gram:
        size = 1 + len(self.layout.columns)
        products = np.full((size, size), np.nan)
        for (one, other), total in zip(self._pairs, sums[size:], strict=True):
            products[one, other] = products[other, one] = total
        return Gram.of_rows(int(sums[0]), sums[:size], products)


def add_product(sums: Array, left: Array, right: Array) -> None:
    """Add left @ right.T, a piece at a time: shared out among threads, sums would differ from machine to machine."""
    for start in range(0, left.shape[1], _PRODUCT):
        sums += left[:, start : start + _PRODUCT] @ right[:, start : start + _PRODUCT].T


def pilot(layout: Layout, columns: Columns) -> Array:
    """Return a constant near the mean of each column, from its first rows; rates need none."""
    shift = [
        0.0 if name in layout.rates or not len(columns[name]) else float(np.mean(columns[name][:_CHUNK]))
        for name in layout.columns
    ]
    return np.where(np.isfinite(shift), shift, 0.0)


def is_rate(chunk: npt.NDArray[Any]) -> bool:
    """Whether there are 0 and 1 only; between the two, a sum equals the count of what is not 0 for these alone."""
    if chunk.dtype == np.bool_:
        return True
    low, high = chunk.min(), chunk.max()
    if not (low >= 0 and high <= 1):
        return False
    return chunk.dtype.kind in "iu" or float(chunk.sum(dtype=np.float64)) == np.count_nonzero(chunk)


def batches(frame: Any, names: Sequence[str], variant: str, values: Sequence[str]) -> Iterator[Columns]:
    """Columns as numbers, with each row's code of its variant and the code of each value."""
    read = _pandas_batches if _is_of(frame, "pandas") else _arrow_batches
    return read(frame, names, variant, values)


def _pandas_batches(frame: Any, names: Sequence[str], variant: str, values: Sequence[str]) -> Iterator[Columns]:
    columns = {name: frame[name].to_numpy() for name in names if isinstance(frame[name].dtype, np.dtype)}
    if len(columns) < len(names) or any(part.dtype.kind not in "biuf" for part in columns.values()):
        raise Careful
    column = frame[variant]
    for start in range(0, len(frame), _BATCH):
        part = column.iloc[start : start + _BATCH]
        if isinstance(part.dtype, np.dtype) and part.dtype.kind in "iu":
            codes, ids = part.to_numpy(), _whole_ids(values)
        else:
            factors, labels = part.factorize()
            codes, ids = _label_codes(factors, list(labels), values)
        yield {CODES: codes, IDS: ids, **{name: part[start : start + _BATCH] for name, part in columns.items()}}


def _arrow_batches(frame: Any, names: Sequence[str], variant: str, values: Sequence[str]) -> Iterator[Columns]:
    import pyarrow as arrow

    for batch in arrow.RecordBatchReader.from_stream(frame.select([*dict.fromkeys((variant, *names))])):
        for start in range(0, batch.num_rows, _BATCH):
            part = batch.slice(start, _BATCH)
            column = part.column(variant)
            if arrow.types.is_integer(column.type):
                codes, ids = _numbers(column), _whole_ids(values)
            else:
                column = column if arrow.types.is_dictionary(column.type) else column.dictionary_encode()
                codes, ids = _label_codes(_numbers(column.indices), column.dictionary.to_pylist(), values)
            yield {CODES: codes, IDS: ids, **{name: _numbers(part.column(name)) for name in names}}


def _numbers(column: Any) -> npt.NDArray[Any]:
    if column.null_count:
        raise Careful
    found = column.to_numpy(zero_copy_only=False)
    if found.dtype.kind not in "biuf":
        raise Careful
    return np.asarray(found)


def _whole_ids(values: Sequence[str]) -> npt.NDArray[np.int64]:
    """The whole numbers that the values are; where one is none, no row has it."""
    try:
        ids = [int(value) for value in values]
    except ValueError:
        raise Careful from None
    if [str(one) for one in ids] != list(values) or max(map(abs, ids)) >= 2**62:
        raise Careful
    return np.array(ids)


def _label_codes(
    codes: npt.NDArray[Any], labels: list[Any], values: Sequence[str]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Codes of labels, and the code of each value; blanks around a label do not count, as everywhere."""
    if len(labels) > _MOST_VALUES or not all(isinstance(label, str) for label in labels):
        raise Careful
    stripped = [label.strip(" ") for label in labels]
    if "" in stripped or (codes < 0).any():
        raise Careful
    if len(set(stripped)) < len(stripped):
        codes = np.array([stripped.index(label) for label in stripped])[codes]
    return codes, np.array([stripped.index(value) if value in stripped else -1 for value in values])
