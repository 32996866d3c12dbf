"""What an analysis says about parts of the data: segments, days, tails, tenure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from abkit.analyzer.interval import Interval
from abkit.display import Displayed


@dataclass(frozen=True, slots=True)
class SeriesPoint(Displayed):
    """The primary metric's effect up to the end of a day, with an interval that holds at all days together."""

    day: str
    units: int
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class SeriesResult(Displayed):
    """The primary metric's effect over time, for one variant."""

    metric: str
    variant: str
    method: str
    points: tuple[SeriesPoint, ...]


@dataclass(frozen=True, slots=True)
class InteractionResult(Displayed):
    """Whether the effect differs between the segments that could be compared.

    `p_value_adjusted` counts the metric's tests over all columns and treatments (Holm). What cannot be tested is None,
    with a reason.
    """

    segments: int
    statistic: float | None
    df: float | None
    df_error: float | None
    p_value: float | None
    p_value_adjusted: float | None
    i_squared: float | None
    is_significant: bool
    method: str
    text: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentEffect(Displayed):
    """One variant against control in one segment; everything is adjusted for the number of segments compared."""

    value: str
    difference: Interval
    lift: Interval
    p_value: float | None
    p_value_adjusted: float | None
    is_significant: bool
    direction: Literal["better", "worse", "same"] | None
    method: str


@dataclass(frozen=True, slots=True)
class SegmentComparison(Displayed):
    """One metric of one variant against control, segment by segment."""

    metric: str
    variant: str
    confidence_level: float
    interaction: InteractionResult
    effects: tuple[SegmentEffect, ...]


@dataclass(frozen=True, slots=True)
class SegmentUnits(Displayed):
    """Who is in a segment, and whether they are enough to be compared."""

    value: str
    units: dict[str, int]
    status: Literal["compared", "not_enough_data"]


@dataclass(frozen=True, slots=True)
class SegmentResult(Displayed):
    """All metrics by the values of one column.

    `changed_units` have several values and are in no segment; `other_units` have one of the `other_values` that are
    too rare to be listed.
    """

    column: str
    segments: tuple[SegmentUnits, ...]
    changed_units: int
    other_values: int
    other_units: int
    comparisons: tuple[SegmentComparison, ...]

    def comparison(self, metric: str, variant: str) -> SegmentComparison:
        """Return one metric of one variant."""
        return next(one for one in self.comparisons if one.metric == metric and one.variant == variant)

    def _records(self) -> list[dict[str, Any]]:
        return [
            {
                "metric": one.metric,
                "variant": one.variant,
                self.column: effect.value,
                "units": there.units[one.variant],
                **_numbers(effect),
                "p_value_adjusted": effect.p_value_adjusted,
                "p_value_interaction": one.interaction.p_value_adjusted,
            }
            for one in self.comparisons
            for there, effect in zip(self.segments, one.effects, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class DailyResult(Displayed):
    """New units in the period of `days` days that starts on `day`, by variant.

    `p_value_adjusted` tests their split against the plan, one error budget for all periods (Holm); None where fewer
    than five units are expected in a variant.
    """

    day: str
    days: int
    units: dict[str, int]
    p_value_adjusted: float | None


@dataclass(frozen=True, slots=True)
class Curve(Displayed):
    """The values of a column in one variant: their quantiles at the distribution's probabilities, and zeros."""

    variant: str
    rows: int
    zero_share: float | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class QuantileEffect(Displayed):
    """One quantile of one variant against control; intervals hold for all quantiles of the column together."""

    variant: str
    q: float
    difference: Interval
    lift: Interval
    confidence_level: float
    is_significant: bool
    direction: Literal["better", "worse", "same"] | None


@dataclass(frozen=True, slots=True)
class DistributionResult(Displayed):
    """The values of a column, uncapped: a mean hides their tail; `metric` is the first one of that column."""

    column: str
    metric: str
    probabilities: tuple[float, ...]
    curves: tuple[Curve, ...]
    effects: tuple[QuantileEffect, ...]

    def _records(self) -> list[dict[str, Any]]:
        return [
            {"column": self.column, "quantile": one.q, "variant": one.variant, **_numbers(one)} for one in self.effects
        ]


@dataclass(frozen=True, slots=True)
class TenureEffect(Displayed):
    """The effect on rows of one day since the units' first; intervals hold for all days together."""

    day: int
    units: dict[str, int]
    difference: Interval


@dataclass(frozen=True, slots=True)
class TenureTrend(Displayed):
    """Whether one variant's effect drifts: change of the difference per day; exploratory, at one look."""

    variant: str
    slope: Interval
    p_value_adjusted: float | None
    is_significant: bool
    confidence_level: float
    text: str
    effects: tuple[TenureEffect, ...]


@dataclass(frozen=True, slots=True)
class TenureResult(Displayed):
    """The primary metric's effect by days since a unit's first row; without trends, with the reason."""

    metric: str
    trends: tuple[TenureTrend, ...] = ()
    reason: str | None = None


def _numbers(effect: SegmentEffect | QuantileEffect) -> dict[str, Any]:
    return {
        "difference": effect.difference.value,
        "low": effect.difference.low,
        "high": effect.difference.high,
        "lift": effect.lift.value,
        "is_significant": effect.is_significant,
    }
