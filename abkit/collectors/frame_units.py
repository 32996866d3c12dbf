"""The units of a frame's rows."""

from __future__ import annotations

from typing import Any

from abkit.collectors.frame_batches import Careful, is_of


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

    if not is_of(frame, "pandas"):
        try:
            column = arrow.RecordBatchReader.from_stream(frame.select([name])).read_all()[name]
        except arrow.ArrowException:  # whole numbers of 128 bits, say
            raise Careful from None
        if len(column) > most:
            raise Careful
        return column.cast(arrow.large_string()) if arrow.types.is_string_view(column.type) else column
    if len(frame) > most:
        raise Careful
    try:
        return arrow.array(frame[name])
    except (arrow.ArrowException, OverflowError, UnicodeError):  # objects of several kinds, or that Arrow cannot hold
        raise Careful from None
