"""Rows read a column at a time, where all of them are as they should be."""

from __future__ import annotations

import contextlib
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import numpy as np

from abkit.collectors.observation_rows import EPOCH, FIELDS, LARGEST_VALUE, LONGEST_ID, LONGEST_NAME

_LATEST: Final = 7_258_118_400_000_000  # the year 2200
_TEXTS: Final = {
    "user_id": LONGEST_ID,
    "metric_type": LONGEST_NAME,
    "variant_id": LONGEST_NAME,
    "event_id": LONGEST_ID,
}
_OPTIONAL: Final = ("variant_id", "event_id")


def columns_of(rows: Any, experiment_id: str | None) -> tuple[str, Any] | None:
    """Return the experiment and the columns of rows: text is text, numbers and times are in range.

    None where one row is of another kind, or of another experiment: then each needs a look of its own, which takes ten
    times as long and gives the same.

    Parameters
    ----------
    rows : list, or Arrow record batch
    experiment_id : str or None
        Of rows that name none.
    """
    import pyarrow as pa

    found = _fields(rows)
    if found is None:
        return None
    named = _experiment(found.pop("experiment_id", None), experiment_id)
    try:
        texts = {name: _texts(found.get(name), len(rows), name) for name in _TEXTS}
        value = _values(found.get("value"))
        times = _times(found.get("observed_at"), len(rows))
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        return None
    undated = times is None or (times.null_count and texts["event_id"].null_count)
    if named is None or value is None or undated:
        return None
    columns = {**texts, "value": value, "observed_at": times}
    return named, pa.table({name: columns[name] for name in FIELDS[1:]})


def _fields(rows: Any) -> dict[str, Any] | None:
    if not isinstance(rows, list):
        found = dict(zip(rows.schema.names, rows.columns, strict=True))
        return found if len(found) == rows.num_columns and set(found) <= set(FIELDS) else None
    if set(map(type, rows)) != {dict}:
        return None
    names = set(rows[0])
    if names <= set(FIELDS) and set(map(len, rows)) == {len(names)}:
        with contextlib.suppress(KeyError):  # else all rows have all names
            return {name: list(map(itemgetter(name), rows)) for name in names}
    names = names.union(*rows)
    return {name: [row.get(name) for row in rows] for name in names} if names <= set(FIELDS) else None


def _experiment(column: Any, otherwise: str | None) -> str | None:
    given = set(column.unique().to_pylist() if hasattr(column, "unique") else column or ())
    one, *others = {otherwise} if given <= {None, ""} else given
    fits = isinstance(one, str) and 0 < len(one) <= LONGEST_NAME and one.isascii() and "\0" not in one
    return one if fits and not others else None


def _texts(given: Any, size: int, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if given is None:
        column = pa.nulls(size, pa.string())
    elif isinstance(given, list):
        column = pa.array(given, pa.string())
    else:
        column = _cast_texts(given)
    if column.null_count and name not in _OPTIONAL:
        raise ValueError(name)
    length = pc.min_max(pc.binary_length(column)).as_py()
    if length["min"] is not None and (length["min"] == 0 or length["max"] > _TEXTS[name] or _holds_nul(column)):
        raise ValueError(name)
    return column


def _holds_nul(column: Any) -> bool:
    """Whether any byte of the texts is zero; looking through bytes takes a tenth of looking through texts."""
    _, ends, held = column.buffers()
    first, last = np.frombuffer(ends, np.int32)[[column.offset, column.offset + len(column)]]
    return held is not None and not np.frombuffer(held, np.uint8)[first:last].all()


def _cast_texts(column: Any) -> Any:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (text or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise ValueError(str(kind))
    return column.cast(pa.string())


def _values(given: Any) -> Any:
    """Numbers that can be added up; Python would take 1_000 for one."""
    import pyarrow as pa

    if given is None:
        return None
    if isinstance(given, list):
        given = pa.array(given, pa.string() if given and isinstance(given[0], str) else pa.float64())
    if pa.types.is_boolean(given.type) or given.null_count:
        return None
    found = given.cast(pa.float64())
    return found if (np.abs(found.to_numpy()) <= LARGEST_VALUE).all() else None


def _times(given: Any, size: int) -> Any:
    """Microseconds since 1970, or None where a look at each row is needed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if given is None:
        return pa.nulls(size, pa.int64())
    if isinstance(given, list):
        kinds = set(map(type, given)) - {type(None)}
        if kinds != {str} and not all(issubclass(kind, datetime) for kind in kinds):  # Arrow takes 5 for a time
            return None
        given = pa.array(given, pa.string()) if kinds == {str} else _read_times(given)
    if pa.types.is_string(given.type) or pa.types.is_large_string(given.type):
        first = next((value for value in given.slice(0, 100).to_pylist() if value is not None), "")
        zoned = first.endswith(("Z", "+00:00"))
        given = given.cast(pa.timestamp("us", "UTC") if zoned else pa.timestamp("us"))
    elif not (pa.types.is_timestamp(given.type) or pa.types.is_null(given.type)):
        return None
    found = given.cast(pa.timestamp("us", getattr(given.type, "tz", None))).cast(pa.int64())
    least, most = pc.min(found).as_py(), pc.max(found).as_py()
    return found if least is None or (least >= 0 and most < _LATEST) else None


def _read_times(given: list[Any]) -> Any:
    """Times with a zone as Arrow reads them, in a quarter of its time; it reads the others itself."""
    import pyarrow as pa

    with contextlib.suppress(TypeError):
        since = pa.array([one - EPOCH for one in given], pa.duration("us"))
        return since.cast(pa.int64()).cast(pa.timestamp("us", "UTC"))
    return pa.array(given, pa.timestamp("us", "UTC"))
