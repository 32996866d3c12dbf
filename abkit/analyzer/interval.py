"""An estimate as results carry it."""

from __future__ import annotations

from dataclasses import dataclass

from abkit.display import Displayed


@dataclass(frozen=True, slots=True)
class LevelEstimate(Displayed):
    """The metric's level in one variant."""

    value: float | None
    se: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Interval(Displayed):
    """An estimate with its interval; what cannot be computed is None, with a reason."""

    value: float | None
    low: float | None
    high: float | None
    se: float | None = None
    reason: str | None = None
