"""Recording observations: one by one or in bulk, each of them once, whatever is sent again."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from os import PathLike, urandom
from typing import Any

from abkit.collectors.observation_batch import Batch, grouped, read_piece
from abkit.collectors.observation_files import pieces_of
from abkit.collectors.observation_load import Load
from abkit.collectors.observation_metrics import ReadsMetrics
from abkit.collectors.observation_rows import Observation, read_row
from abkit.collectors.observation_store import Assign, Attempt, ObservationStore, Outcome, Transaction
from abkit.collectors.observation_writes import ObservationTables
from abkit.collectors.recorded import Recorded, RejectFile
from abkit.errors import AbkitError, NotFoundError, ParameterError, StoreError

_ROWS_IN_A_BATCH = 30_000
_ROWS_AT_ONCE = 5_000
_MOST_BUFFERED = 200_000


class MetricsCollector(ReadsMetrics):
    """Keeps observations of an organization's experiments and adds them up.

    Parameters
    ----------
    organization_id : str
    tables : ObservationTables
    writing, reading : callable
        Each opens a transaction, and commits it unless something is raised.
    assign : callable
        Connection, experiment id, user ids → the variants of these users, those without one assigned by the hash where
        the experiment is running. Raises NotFoundError where there is no such experiment.
    clock : callable
        Returns the time.
    attempt : callable
        Runs an operation, again if the database was away for a moment; every batch may be sent twice.
    flush_rows, flush_seconds : int, float
        How many observations `record` keeps in memory, and for how long, before it stores them together.
    overlaps : bool
        Whether a load stores a batch while it reads the next: quicker where the database is a process of its own.
    """

    def __init__(
        self,
        organization_id: str,
        tables: ObservationTables,
        *,
        writing: Transaction,
        reading: Transaction,
        assign: Assign,
        clock: Callable[[], datetime],
        attempt: Attempt = lambda operation: operation(),
        flush_rows: int = 2000,
        flush_seconds: float = 1.0,
        overlaps: bool = False,
    ) -> None:
        super().__init__(organization_id, tables, reading)
        self._store = ObservationStore(organization_id, tables, writing, assign, clock, attempt)
        self._flush_rows, self._flush_seconds, self._overlaps = flush_rows, flush_seconds, overlaps
        self._buffer: list[Observation] = []
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._timer: threading.Timer | None = None
        self._leaves = False
        self.recorded = Recorded()

    def record(
        self,
        experiment_id: str,
        user_id: str,
        metric_type: str,
        value: float,
        variant_id: str | None = None,
        observed_at: datetime | None = None,
        event_id: str | None = None,
    ) -> None:
        """Record one observation; it is stored with others, at the latest when `close` is called.

        Without `event_id` every call is an event of its own. What becomes of it is counted in `recorded`.

        Raises
        ------
        ParameterError
            It cannot be an observation.
        StoreError
            The store has been away for so long that no more fits into memory.
        """
        row = {"user_id": user_id, "metric_type": metric_type, "value": value, "variant_id": variant_id}
        try:
            found = read_row(
                {**row, "observed_at": observed_at, "event_id": event_id or urandom(16).hex()}, experiment_id
            )
        except ValueError as error:
            raise ParameterError(f"cannot record this observation: {error}") from None
        with self._lock:
            if len(self._buffer) >= _MOST_BUFFERED:
                raise StoreError(
                    f"{len(self._buffer):,} observations wait for the store, which does not take them; this one was "
                    "not recorded: see that the store can be reached, and repeat the call"
                )
            self._buffer.append(found)
            if not self._leaves:
                self._leaves = True
                atexit.register(self.close)
            full = len(self._buffer) >= self._flush_rows
            if not full and self._timer is None:
                self._timer = threading.Timer(self._flush_seconds, self._flush_later)
                self._timer.daemon = True
                self._timer.start()
        if full:
            self.flush()

    def flush(self) -> Recorded:
        """Store what waits in memory, and return what became of all that `record` was given.

        Raises
        ------
        StoreError
            The store does not take it; it stays in memory for the next time.
        """
        with self._flushing:
            with self._lock:
                waiting, self._buffer = self._buffer, []
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
            groups = grouped(enumerate(waiting, start=1))
            try:
                while groups:
                    self._store_group(groups[-1])
                    groups.pop()
            except BaseException:
                with self._lock:
                    self._buffer = [one for group in groups for _, one in group] + self._buffer
                raise
        return self.recorded

    def _store_group(self, group: Sequence[tuple[int, Observation]]) -> None:
        try:
            outcome = self._store.prepared(Batch.of(group))()
        except NotFoundError as error:  # to keep these rows would keep all others waiting behind them
            outcome = Outcome(0, 0, 0, [(place, f"experiment_id: {error}") for place in range(len(group))])
        self.recorded.count(len(group), outcome)
        for place, reason in outcome.refused:
            self.recorded.reject(group[place][0], reason)

    def record_many(
        self,
        rows: Any,
        *,
        experiment_id: str | None = None,
        reject_file: str | PathLike[str] | None = None,
        max_errors: int | None = None,
        as_new: bool = False,
    ) -> Recorded:
        """Record many observations; every batch of at most 30,000 is stored whole or not at all.

        A row is known by its `event_id` or, without one, by everything else in it, so that loading the same rows again
        adds nothing twice.

        Parameters
        ----------
        rows : path, frame, or iterable of mappings
            With the fields of `record`. Paths: CSV or JSON lines, plain or gzipped.
        experiment_id : str, optional
            For rows that name none.
        reject_file : path, optional
            Where rows that cannot be observations are written: JSON lines with line number, reason and row.
        max_errors : int, optional
            With more such rows than this the load ends; what was stored before stays stored.
        as_new : bool
            Rows with neither `event_id` nor `observed_at` are new events of this moment; otherwise they are rejected,
            because nobody could tell a second event from the same one sent twice.

        Raises
        ------
        DataError
            There were more bad rows than `max_errors`, or the file cannot be read.
        NotFoundError
            No such file or experiment.
        """
        with (
            RejectFile(reject_file) as rejects,
            Load(self._store, rejects, max_errors, _ROWS_IN_A_BATCH, self._overlaps) as load,
        ):
            for piece in pieces_of(rows, min(_ROWS_AT_ONCE, _ROWS_IN_A_BATCH)):
                load.add(*read_piece(piece, experiment_id, as_new=as_new))
            return load.finish()

    def close(self) -> None:
        """Store what waits in memory; called at exit too."""
        self.flush()
        atexit.unregister(self.close)
        self._leaves = False

    def _flush_later(self) -> None:
        with self._lock:
            self._timer = None
        with contextlib.suppress(AbkitError):  # the rows are still in memory, and whoever calls next is told
            self.flush()
