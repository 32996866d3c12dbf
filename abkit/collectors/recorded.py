"""What became of the rows of a load, in numbers and, for those that were refused, in full."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from os import PathLike
from typing import IO, Any

from abkit.collectors.observation_store import Outcome
from abkit.display import Displayed
from abkit.errors import ParameterError

_EXAMPLES = 5


@dataclass(slots=True, repr=False)
class Recorded(Displayed):
    """What became of the rows of a load.

    Parameters
    ----------
    rows : int
        Rows read.
    added : int
        New observations, stored.
    repeated : int
        Observations that were stored before, with the same payload.
    quarantined : int
        Observations whose event id was stored before with another payload; kept aside.
    rejected : int
        Rows that cannot be observations.
    reasons : Counter
        Why rows were rejected, by the part of the reason before the colon.
    examples : list of str
        The first of them, with line and reason.
    """

    rows: int = 0
    added: int = 0
    repeated: int = 0
    quarantined: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def count(self, rows: int, outcome: Outcome) -> None:
        """Add what became of a batch; its refused rows are added one by one by `reject`."""
        self.rows += rows
        self.added += outcome.added
        self.repeated += outcome.repeated
        self.quarantined += outcome.quarantined

    def reject(self, line: int, reason: str) -> None:
        """Add a row that cannot be an observation."""
        self.rejected += 1
        self.reasons[reason.split(":")[0]] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"line {line:,}: {reason}")

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        counts = ("rows", "added", "repeated", "quarantined", "rejected")
        found = {name: getattr(self, name) for name in counts}
        return {**found, "reasons": dict(self.reasons), "examples": list(self.examples)}


class RejectFile:
    """A file of JSON lines, made when the first row is refused."""

    def __init__(self, path: str | PathLike[str] | None) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def write(self, line: int, reason: str, row: Any) -> None:
        """Write down a row, its line and why it was refused."""
        if self._path is None:
            return
        if self._file is None:
            try:
                self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115 - closed at the end of the load
            except OSError as error:
                raise ParameterError(f"cannot write rejected rows to {self._path}: {error.strerror}") from None
        text = json.dumps({"line": line, "reason": reason, "row": row}, default=str)
        self._file.write(text + "\n")

    def __enter__(self) -> RejectFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
