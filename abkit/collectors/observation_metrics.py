"""Recorded values added up by variant, metric and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any

from abkit.collectors.observation_queries import daily_sums, sample_sizes
from abkit.collectors.observation_store import Transaction
from abkit.collectors.observation_writes import ObservationTables
from abkit.collectors.stream import stream_of
from abkit.display import Displayed

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class VariantMetrics(Displayed):
    """The values of one metric in one variant, on one day or up to its end.

    Parameters
    ----------
    variant, metric_type, day : str
        The day is UTC, as ``2026-11-22``.
    n : int
        Observations (not users).
    sum, sum_sq, mean : float
    variance, std : float or None
        With n - 1 below the line; None for a single observation.
    """

    variant: str
    metric_type: str
    day: str
    n: int
    sum: float
    sum_sq: float
    mean: float
    variance: float | None

    @property
    def std(self) -> float | None:
        """Standard deviation."""
        return None if self.variance is None else sqrt(self.variance)


@dataclass(frozen=True, slots=True)
class _Sums:
    n: int
    sum: float
    sum_sq: float
    gaps: float
    gaps_sq: float

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.n + other.n,
            self.sum + other.sum,
            self.sum_sq + other.sum_sq,
            self.gaps + other.gaps,
            self.gaps_sq + other.gaps_sq,
        )

    def named(self, variant: str, metric_type: str, day: int) -> VariantMetrics:
        text = datetime.fromtimestamp(day * _DAY, UTC).date().isoformat()
        variance = max((self.gaps_sq - self.gaps**2 / self.n) / (self.n - 1), 0.0) if self.n > 1 else None
        return VariantMetrics(variant, metric_type, text, self.n, self.sum, self.sum_sq, self.sum / self.n, variance)


class ReadsMetrics:
    """Reads what was recorded."""

    def __init__(self, organization_id: str, tables: ObservationTables, reading: Transaction) -> None:
        self._organization_id, self._tables, self._reading = organization_id, tables, reading

    def daily_metrics(self, experiment_id: str, metric_types: Sequence[str] | None = None) -> list[VariantMetrics]:
        """Return the values of each day by variant and metric, from one grouped statement in the database."""
        return [
            sums.named(variant, metric, day) for day, metric, variant, sums in self._days(experiment_id, metric_types)
        ]

    def cumulative_metrics(self, experiment_id: str, metric_types: Sequence[str] | None = None) -> list[VariantMetrics]:
        """Return the values up to the end of each day on which there were some, by variant and metric."""
        totals: dict[tuple[str, str], _Sums] = {}
        found = []
        for day, metric, variant, sums in self._days(experiment_id, metric_types):
            before = totals.get((metric, variant))
            totals[metric, variant] = sums if before is None else before.plus(sums)
            found.append(totals[metric, variant].named(variant, metric, day))
        return found

    def sample_sizes(self, experiment_id: str) -> dict[str, int]:
        """Return the users with an observation, by variant."""
        stream = stream_of(self._organization_id, experiment_id)
        with self._reading() as connection:
            found = connection.execute(sample_sizes(self._tables.observations, stream)).all()
        return {row.variant: row.users for row in found}

    def _days(self, experiment_id: str, metric_types: Sequence[str] | None) -> list[tuple[int, str, str, _Sums]]:
        stream = stream_of(self._organization_id, experiment_id)
        with self._reading() as connection:
            rows = connection.execute(daily_sums(self._tables.observations, stream, metric_types)).mappings().all()
        return [(int(row["day"]), row["metric_type"], row["variant"], _sums(row)) for row in rows]


def _sums(row: Any) -> _Sums:
    return _Sums(int(row["n"]), *(float(row[name]) for name in ("sum", "sum_sq", "gaps", "gaps_sq")))
