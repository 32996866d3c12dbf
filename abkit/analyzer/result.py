"""What an analysis says: frozen, complete, the same object for report, API, terminal and file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from abkit.analyzer.breakdown import DailyResult, DistributionResult, SegmentResult, SeriesResult, TenureResult
from abkit.analyzer.interval import Interval as Interval
from abkit.analyzer.interval import LevelEstimate as LevelEstimate
from abkit.analyzer.plan_summary import PlanSummary
from abkit.display import Card, Displayed
from abkit.named import Named, find

SCHEMA = "abkit.analysis/1"

Status = Literal["pass", "fail", "not_enough_data", "not_run"]
Verdict = Literal["invalid", "do_not_ship", "keep_running", "ship", "below_threshold", "inconclusive"]
GuardrailStatus = Literal["holds", "violated", "undecided"]


@dataclass(frozen=True, slots=True)
class ExperimentSummary(Displayed):
    """The parts of the definition that a reader of results needs."""

    id: str
    key: str
    name: str
    hypothesis: str
    description: str
    agent_id: str
    organization_id: str
    confidence_level: float
    min_detectable_effect: float
    min_sample_size: int


@dataclass(frozen=True, slots=True)
class DataSummary(Displayed):
    """What was read; `first_seen` and `days` (from the first row to the last) are None where the data has no time."""

    fingerprint: str
    rows: int
    rows_left_out: int
    units: int
    contaminated_units: int
    incomplete_units: int
    duplicated_rows: int | None
    first_seen: str | None = None
    days: float | None = None


@dataclass(frozen=True, slots=True)
class VariantSummary(Displayed):
    """Who took part; `missing` counts rows without a value by metric."""

    name: str
    is_control: bool
    traffic_percentage: float
    units: int
    rows: int
    missing: dict[str, int]


@dataclass(frozen=True, slots=True, repr=False)
class Check(Displayed):
    """A verdict on the data, not an error."""

    name: str
    status: Status
    message: str
    p_value: float | None = None
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Impact(Displayed):
    """The difference added up over `amount` rows or units; `unit` is that of the metric, where it is known."""

    amount: int
    of: Literal["rows", "units"]
    days: int | None
    unit: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class GuardrailResult(Displayed):
    """Whether a guardrail is shown to be within its margin (holds), beyond it (violated), or neither.

    `units_needed`, over all variants, would show it to hold at the planned power if the estimate were the truth; None
    where that is beyond the margin. `days_needed` is what is still to come of them at the present rate.
    """

    margin: float
    status: GuardrailStatus
    bound: float | None
    p_value: float | None
    alpha: float
    text: str
    units_needed: int | None = None
    days_needed: float | None = None


@dataclass(frozen=True, slots=True)
class ComparisonResult(Displayed):
    """One variant against control on one metric.

    `units_needed`, over all variants, would show the minimum detectable effect at the planned power; `days_needed` is
    what is still to come of them at the present rate.
    """

    variant: str
    difference: Interval
    lift: Interval
    p_value: float | None
    p_value_adjusted: float | None
    statistic: float | None
    df: float | None
    method: str
    confidence_level: float
    is_significant: bool
    direction: Literal["better", "worse", "same"] | None
    mde: float | None = None
    units_needed: int | None = None
    guardrail: GuardrailResult | None = None
    days_needed: float | None = None
    impact: Impact | None = None


@dataclass(frozen=True, slots=True, repr=False)
class MetricResult(Displayed):
    """One metric in every variant.

    `unit` is what its values are in, empty where nobody says so; `sketch_error` says, by variant, how far a quantile
    that was read from a sketch may be off, which is part of the standard errors.
    """

    name: str
    kind: str
    role: Literal["primary", "guardrail", "secondary"]
    goal: Literal["maximize", "minimize"]
    levels: dict[str, LevelEstimate]
    comparisons: tuple[ComparisonResult, ...]
    margin: float | None = None
    covariate: str | None = None
    variance_removed: float | None = None
    notes: tuple[str, ...] = ()
    reason: str | None = None
    sketch_error: dict[str, float] | None = None
    unit: str = ""

    def _card(self) -> Card:
        from abkit.analyzer.render import metric_card

        return metric_card(self)

    def _records(self) -> Sequence[Mapping[str, Any]]:
        from abkit.analyzer.render import metric_records

        return metric_records(self)


@dataclass(frozen=True, slots=True)
class Reason(Displayed):
    """One gate of the decision."""

    gate: str
    passed: bool | None
    text: str
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Need(Displayed):
    """What is still to come before an open gate would be settled.

    `metric` and `variant` are None for the planned size and the minimum runtime, which hold for all of them. `units`
    and `days` are None where more of them would not help, or cannot be told.
    """

    gate: str
    metric: str | None
    variant: str | None
    units: int | None
    days: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Decision(Displayed):
    """The verdict on the experiment, and every gate that led to it.

    `variant` is the treatment that p-value, interval and improvement belong to: the winner, else the one nearest to it.
    """

    verdict: Verdict
    should_ship: bool
    winner: str | None
    variant: str
    is_significant: bool
    p_value: float | None
    confidence_interval_lower: float | None
    confidence_interval_upper: float | None
    relative_improvement: float | None
    recommendation: str
    reasons: tuple[Reason, ...]
    tied: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Analysis(Displayed):
    """Everything that was computed from one snapshot.

    `to_dict` and `to_json` give the analysis JSON, `to_frame` one row per metric and comparison, and the object itself
    prints as a table. Metrics, variants and checks are found by name, with Tab: `analysis["success"]`,
    `analysis.metrics.success`, `analysis.checks["srm"]`.
    """

    experiment: ExperimentSummary
    as_of: str
    inference: str
    design: str
    data: DataSummary
    variants: Named[VariantSummary]
    checks: Named[Check]
    metrics: Named[MetricResult]
    plan: PlanSummary
    decision: Decision
    series: tuple[SeriesResult, ...] = ()
    segments: tuple[SegmentResult, ...] = ()
    daily: tuple[DailyResult, ...] = ()
    distributions: tuple[DistributionResult, ...] = ()
    tenure: TenureResult | None = None
    schema: str = field(default=SCHEMA)

    @property
    def primary(self) -> MetricResult:
        """The primary metric."""
        return next(metric for metric in self.metrics if metric.role == "primary")

    @property
    def has_guardrails(self) -> bool:
        """Whether any metric must not get worse by more than its margin."""
        return any(metric.role == "guardrail" for metric in self.metrics)

    def __getitem__(self, name: str) -> MetricResult:
        return self.metric(name)

    def _ipython_key_completions_(self) -> list[str]:
        return [metric.name for metric in self.metrics]

    def check(self, name: str) -> Check:
        """Return the check of that name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return find(self.checks, name, "no check")

    def metric(self, name: str) -> MetricResult:
        """Return the metric of that name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return find(self.metrics, name, "no metric")

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis as plain data, schema first; no NaN and no infinity anywhere."""
        plain = Displayed.to_dict(self)
        return {"schema": plain.pop("schema"), **plain}

    def to_json(self) -> str:
        """Return the analysis as JSON text with full-precision numbers."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    def _card(self) -> Card:
        from abkit.analyzer.render import card

        return card(self)

    def _records(self) -> Sequence[Mapping[str, Any]]:
        from abkit.analyzer.render import records

        return records(self)
