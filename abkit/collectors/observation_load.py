"""One load of many observations: pieces are read, batches stored, and bad rows told."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

from abkit.collectors.observation_batch import BadRow, Batch, Pending
from abkit.collectors.observation_store import ObservationStore, Outcome
from abkit.collectors.recorded import Recorded, RejectFile
from abkit.errors import DataError

_BYTES_IN_A_BATCH: Final = 1 << 23


class Load:
    """A load that is on its way.

    Parameters
    ----------
    store : ObservationStore
    rejects : RejectFile
    max_errors : int or None
    rows_in_a_batch : int
    overlaps : bool
        Whether a batch is stored while the next one is read.
    """

    def __init__(
        self, store: ObservationStore, rejects: RejectFile, max_errors: int | None, rows_in_a_batch: int, overlaps: bool
    ) -> None:
        self._store, self._rejects, self._max_errors = store, rejects, max_errors
        self._pending = Pending(rows_in_a_batch, _BYTES_IN_A_BATCH)
        self._worker = ThreadPoolExecutor(1) if overlaps else None
        self._storing: tuple[Batch, Future[Outcome]] | None = None
        self._usual_memory: Any = None
        self.done = Recorded()

    def __enter__(self) -> Load:
        import pyarrow as pa

        usual = pa.default_memory_pool()
        if usual.backend_name != "system":  # another load may be on its way
            self._usual_memory = usual
            pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps 28 MiB of what another thread has let go
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        import pyarrow as pa

        if self._worker is not None:
            self._worker.shutdown()
        if self._usual_memory is not None:
            pa.set_memory_pool(self._usual_memory)

    def add(self, batches: Sequence[Batch], bad: Sequence[BadRow]) -> None:
        """Take what was read."""
        self.done.rows += len(bad)
        self._reject(bad)
        for batch in batches:
            for complete in self._pending.add(batch):
                self._keep(complete)

    def finish(self) -> Recorded:
        """Store what still waits, and return what became of all rows."""
        for batch in self._pending.rest():
            self._keep(batch)
        self._settle()
        return self.done

    def _keep(self, batch: Batch) -> None:
        store = self._store.prepared(batch)
        self._settle()
        if self._worker is None:
            self._count(batch, store())
        else:
            self._storing = batch, self._worker.submit(store)

    def _settle(self) -> None:
        if self._storing is not None:
            (batch, outcome), self._storing = self._storing, None
            self._count(batch, outcome.result())

    def _count(self, batch: Batch, outcome: Outcome) -> None:
        self.done.count(len(batch), outcome)
        self._reject([(batch.lines[place], reason, batch.row(place)) for place, reason in outcome.refused])

    def _reject(self, bad: Sequence[BadRow]) -> None:
        for line, reason, row in bad:
            self.done.reject(line, reason)
            self._rejects.write(line, reason, row)
        if self._max_errors is not None and self.done.rejected > self._max_errors:
            if self._storing is not None:
                (batch, outcome), self._storing = self._storing, None
                self.done.count(len(batch), outcome.result())
            raise DataError(
                "\n".join(
                    [
                        f"{self.done.rejected:,} rows cannot be observations, more than the {self._max_errors:,} "
                        f"allowed; {self.done.added:,} observations before them are stored, and loading again adds "
                        "none twice:",
                        *(f"  - {example}" for example in self.done.examples),
                    ]
                )
            )
