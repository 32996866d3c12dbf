"""Where data lies and what its columns mean; nothing is read here."""

from __future__ import annotations

import glob
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from abkit.errors import DefinitionError, NotFoundError, suggest
from abkit.models import Data
from abkit.models.definition import validate

_CSV = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_PARQUET = (".parquet", ".pq")
_CHUNK = 1 << 20
_SETTLED = 2_000_000_000  # nanoseconds after which another change to a file shows in its times


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Data for an experiment: a file, a glob of files, a frame or a table, with the meaning of its columns.

    Parameters
    ----------
    data : Data
        The keys of the `data:` section of an experiment file.
    table : pandas, polars, Arrow or Spark frame, or SQLAlchemy table or select, optional
        Rows in memory or in a database; otherwise `data.path` says where they are.
    engine : SQLAlchemy engine, Spark session or "spark", optional
        What holds the table; "spark" is the session of the table, or a local one.
    events : Source, optional
        What units did, where the rows are exposures; `with_events` adds it.
    long : bool
        Each row holds a value of one metric, or of none: the others are elsewhere, not missing.

    Examples
    --------
    >>> Source.csv("runs.csv", variant="agent", unit="task_id").data.unit
    'task_id'
    """

    data: Data
    table: Any = None
    engine: Any = None
    events: Source | None = None
    long: bool = False

    @classmethod
    def frame(cls, frame: Any, **keys: Any) -> Source:
        """Describe a pandas, polars or Arrow frame; `keys` are those of the `data:` section."""
        if frame is None or not hasattr(frame, "columns"):
            raise DefinitionError(
                f"expected a pandas, polars or Arrow frame, got {type(frame).__name__}; "
                "for a file use ab.Source.csv(path) or ab.Source.parquet(path)"
            )
        return cls(validate(Data, keys), frame)

    @classmethod
    def csv(cls, path: str | PathLike[str], **keys: Any) -> Source:
        """Describe a CSV file, compressed or not, or a glob of them."""
        return cls(validate(Data, {**keys, "path": str(path)}))

    @classmethod
    def parquet(cls, path: str | PathLike[str], **keys: Any) -> Source:
        """Describe a Parquet file, a glob, or a folder: all files below it, partitions (day=2026-01-01) as columns."""
        return cls(validate(Data, {**keys, "path": str(path)}))

    @classmethod
    def sql(cls, engine: Any, table: Any, **keys: Any) -> Source:
        """Describe a table in SQLite or PostgreSQL.

        Parameters
        ----------
        engine : SQLAlchemy engine or URL
        table : str, or SQLAlchemy table or select
            A name may say its schema: ``"sales.runs"``.
        **keys
            Those of the `data:` section.

        Examples
        --------
        >>> Source.sql("sqlite://", "runs", variant="agent").data.variant
        'agent'
        """
        from sqlalchemy import create_engine

        return cls(validate(Data, keys), table, create_engine(engine) if isinstance(engine, str) else engine)

    @classmethod
    def spark(cls, session: Any, table: Any, **keys: Any) -> Source:
        """Describe a table or a data frame in Spark, which needs the extra `abkit[spark]`.

        Parameters
        ----------
        session : SparkSession or None
            None: that of the data frame, else the active one, else a new local one. Its time zone is UTC while abkit
            reads.
        table : str or Spark data frame
            A name may say its catalog and schema.
        **keys
            Those of the `data:` section.

        Examples
        --------
        >>> Source.spark(None, "sales.runs", variant="agent").where
        'the table sales.runs'
        """
        return cls(validate(Data, keys), table, "spark" if session is None else session)

    def with_events(self, events: Source) -> Source:
        """Say that the rows are exposures, and where the events of their units are, in the same engine.

        Raises
        ------
        DefinitionError
            The exposures or the events have no unit or time, or they are in different engines.

        Examples
        --------
        >>> exposures = Source.parquet("exposures.parquet", unit="user_id", time="exposed_at")
        >>> exposures.with_events(Source.parquet("events/*.parquet", unit="user_id", time="at")).events.where
        '*.parquet'
        """
        unit, time = events.data.unit, events.data.time
        if unit is None or time is None:
            raise DefinitionError(f"{events.where} has no unit or no time; name the columns: unit=..., time=...")
        if self.dialect != events.dialect:
            raise DefinitionError(
                f"{self.where} is in {self.dialect}, {events.where} in {events.dialect}: put both into one engine"
            )
        data = validate(Data, {**vars(self.data), "events": {"path": events.data.path, "unit": unit, "time": time}})
        return replace(self, data=data, events=events)

    @property
    def event_source(self) -> Source | None:
        """Where the events are, given or said by the data; None where the rows themselves are what is analyzed."""
        keys = self.data.events
        if self.events is not None or keys is None:
            return self.events
        if keys.path is None:
            raise DefinitionError("data.events says no `path`; give one, or the events: source.with_events(events)")
        unit, time = keys.unit or self.data.unit, keys.time or self.data.time
        return Source(Data(path=keys.path, unit=unit, time=time, folder=self.data.folder))

    @property
    def dialect(self) -> str:
        """The engine that holds the data: the name of a SQLAlchemy dialect, "duckdb" or "spark"."""
        if self.engine is None:
            return "duckdb"
        return str(self.engine.dialect.name) if hasattr(self.engine, "dialect") else "spark"

    @property
    def where(self) -> str:
        """What to call the data in a message."""
        if self.engine is not None:
            return f"the table {self.table if isinstance(self.table, str) else getattr(self.table, 'name', 'read')}"
        return Path(self.data.path).name if self.table is None and self.data.path else "the frame"

    @property
    def files(self) -> list[str]:
        """The files behind the path, sorted; at least one.

        Raises
        ------
        NotFoundError
            Nothing matches.
        """
        if self.data.path is None:
            raise DefinitionError("data: says neither `path` nor is there a frame; give one of them")
        full = self._path
        if full.is_dir():
            matches = [str(path) for path in full.rglob("*") if not _is_hidden(path.relative_to(full))]
            found = sorted(path for path in matches if path.lower().endswith(_PARQUET) and Path(path).is_file())
            if not found:
                raise NotFoundError(f"no Parquet file in or below the folder {full}")
            return found
        matches = [str(full)] if full.is_file() else glob.glob(str(full), recursive=True)
        found = sorted(path for path in matches if Path(path).is_file())
        if not found:
            siblings = [path.name for path in full.parent.glob("*")] if full.parent.is_dir() else []
            hint = suggest(full.name, siblings) if siblings else f"; there is no folder {full.parent}"
            raise NotFoundError(f"no data file {full}{hint}")
        return found

    @property
    def _path(self) -> Path:
        return Path(self.data.folder) / (self.data.path or "")

    @property
    def is_partitioned(self) -> bool:
        """Whether folders between the path and its files say what a column of theirs is: ``day=2026-01-01``."""
        fixed = list(takewhile(lambda part: not glob.has_magic(part), self._path.parts))
        if self._path.is_file():
            return False
        return any("=" in part for name in self.files for part in Path(name).parts[len(fixed) : -1])

    @property
    def is_parquet(self) -> bool:
        """Whether the files are Parquet; else they are CSV."""
        name = (self.data.path or "").lower()
        if name.endswith(_PARQUET) or self._path.is_dir():
            return True
        if name.endswith(_CSV):
            return False
        raise DefinitionError(
            f"data.path {self.data.path!r}: expected a name that ends in {', '.join(_CSV + _PARQUET)}, or a folder"
        )

    def fingerprint(self) -> str | None:
        """Return the SHA-256 of the files' bytes, and of folders' names that are data; None for a frame or a table."""
        events = self.event_source
        beside = events.fingerprint() if events is not None else ""
        if self.table is not None or beside is None:
            return None
        files = tuple(map(_Version.of, self.files))
        root = str(self._path) if self.is_partitioned else None
        is_settled = time.time_ns() - max(one.changed for one in files) > _SETTLED
        return (_fingerprint if is_settled else _fingerprint.__wrapped__)(beside, root, files)


class _Version(NamedTuple):
    """A file, and what differs after it was written again, unless that was in the same moment."""

    name: str
    node: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, name: str) -> _Version:
        found = os.stat(name)
        return cls(name, found.st_ino, found.st_size, found.st_mtime_ns, max(found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=64)
def _fingerprint(beside: str, root: str | None, files: Sequence[_Version]) -> str:
    """The files' bytes are read once for all analyses of a process: that takes as long as a third of an analysis."""
    digest = hashlib.sha256(beside.encode())
    for file in files:
        if root is not None:
            digest.update(os.path.relpath(file.name, root).encode())
        with open(file.name, "rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _is_hidden(path: Path) -> bool:
    """Whether the file is one that a writer keeps for itself: _temporary/..., .crc."""
    return any(part.startswith(("_", ".")) and "=" not in part for part in path.parts)
