"""What a planned experiment will be able to say: frozen, complete, the same object for notebook, terminal and file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from abkit.analyzer.decision_power import DecisionPower, PowerPoint, SizeRow, Threshold
from abkit.display import Card, Displayed
from abkit.models.metric import Goal, Role
from abkit.models.plan import Inference
from abkit.named import Named, find

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "abkit.plan/1"


@dataclass(frozen=True, slots=True)
class MonitoringCost(Displayed):
    """What it takes to reach the same power when the data may be looked at on the way.

    Parameters
    ----------
    inference : {"fixed", "group_sequential", "always_valid"}
    units, extra_units : int or None
        Units over all variants, and how many more than at one look.
    ratio : float or None
        Units per unit of the fixed design.
    power_with_looks : float or None
        Chance to pass at one look at least: the planned ones, or 14 equal ones of an always-valid plan.
    reason : str or None
        Why there is no number.
    """

    inference: Inference
    units: int | None
    extra_units: int | None
    ratio: float | None
    power_with_looks: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SizeEffect(Displayed):
    """What a size shows with the planned power: an effect, or of a guardrail a margin; relative to control."""

    units: int
    mde: float | None


@dataclass(frozen=True, slots=True)
class Covariate(Displayed):
    """What CUPED saves.

    Parameters
    ----------
    name : str
    variance_removed : float
        Share of the variance of the tested contrast.
    units_without, units_saved : int or None
        Units over all variants without it, and with it fewer.
    """

    name: str
    variance_removed: float
    units_without: int | None
    units_saved: int | None


@dataclass(frozen=True, slots=True)
class MetricPlan(Displayed):
    """One metric at its role and margin.

    Parameters
    ----------
    name, kind : str
    role : {"primary", "guardrail", "secondary"}
    goal : {"maximize", "minimize"}
    margin : float or None
    baseline : float or None
        Control level.
    sd, variance : float or None
        Of one unit, in the metric's unit, with the covariate; paired: of the difference between two variants of a unit.
    icc, design_effect : float or None
        How alike the rows of a unit are, and the variance that costs.
    icc_reason : str or None
    rows_per_unit, coverage : float or None
        Rows of a unit that has any; share of the units that do.
    effect : float or None
        True effect planned for, relative to control: 0 for a guardrail, whose distance to the hypothesis is its margin.
    alpha : float
        One-sided for a guardrail, else two-sided and shared among the treatments.
    power : float
        Planned for: the second-kind error is split among the gates of the decision.
    units : int or None
        Over all variants, by the experiment's own kind of monitoring.
    units_by_variant : dict
    days : int or None
    monitoring : tuple of MonitoringCost
    covariate : Covariate or None
    mde : tuple of SizeEffect
    power_at_planned_units : float or None
    reason : str or None
        Why the metric cannot be planned.
    notes : tuple of str
    """

    name: str
    kind: str
    role: Role
    goal: Goal
    margin: float | None
    alpha: float
    power: float
    baseline: float | None = None
    sd: float | None = None
    variance: float | None = None
    icc: float | None = None
    design_effect: float | None = None
    icc_reason: str | None = None
    rows_per_unit: float | None = None
    coverage: float | None = None
    effect: float | None = None
    units: int | None = None
    units_by_variant: dict[str, int] | None = None
    days: int | None = None
    monitoring: tuple[MonitoringCost, ...] = ()
    covariate: Covariate | None = None
    mde: tuple[SizeEffect, ...] = ()
    power_at_planned_units: float | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runtime(Displayed):
    """How long it takes.

    Parameters
    ----------
    daily_units : float or None
        New units per day.
    days, weeks : int or None
        Until the size is reached; recommended, in full weeks.
    reason : str or None
    note : str
    """

    daily_units: float | None
    days: int | None = None
    weeks: int | None = None
    reason: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class PlanEstimate(Displayed):
    """Size, power and runtime of an experiment, metric by metric and for the decision.

    Parameters
    ----------
    key, history : str
        The experiment, and where the numbers come from.
    design : {"randomized", "paired"}
    inference : {"fixed", "group_sequential", "always_valid"}
    target_power : float
        Of the decision.
    power_each : float
        Of the primary metric and each guardrail, so that all pass together with the target: 1 - beta / (G + 1).
    effect : float
        Minimum detectable effect, relative to control.
    units : int or None
        Over all variants, enough for every gate; None with a reason.
    units_by_variant : dict
    fewest_units : int or None
        At which the lower bound of the decision's power reaches the target; where the practical threshold keeps it from
        that, without the threshold.
    bottleneck : str or None
        The metric that needs most units.
    planned_units : int
        What the experiment says now.
    metrics : tuple of MetricPlan
    decision, decision_at_planned_units : DecisionPower or None
        At `units`, and at `planned_units`.
    uncorrected_power : float
        Of the decision, had each independent gate been planned with the target power by itself: power^(G + 1).
    threshold : Threshold or None
        None where there is no practical threshold.
    runtime : Runtime
    curve : tuple of PowerPoint
    sizes : tuple of SizeRow
    warnings, reasons : tuple of str
        What must not be overlooked; why there is no size.
    """

    key: str
    history: str
    design: str
    inference: Inference
    target_power: float
    power_each: float
    effect: float
    planned_units: int
    uncorrected_power: float
    units: int | None = None
    units_by_variant: dict[str, int] | None = None
    fewest_units: int | None = None
    bottleneck: str | None = None
    metrics: Named[MetricPlan] = field(default_factory=Named)
    decision: DecisionPower | None = None
    decision_at_planned_units: DecisionPower | None = None
    threshold: Threshold | None = None
    runtime: Runtime = Runtime(None)
    curve: tuple[PowerPoint, ...] = ()
    sizes: tuple[SizeRow, ...] = ()
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    schema: str = SCHEMA

    def metric(self, name: str) -> MetricPlan:
        """Return the metric of that name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return find(self.metrics, name, "no metric")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data, schema first; what cannot be computed is None."""
        found = Displayed.to_dict(self)
        return {"schema": found.pop("schema"), **found}

    def to_json(self) -> str:
        """Return the plan as JSON text with full-precision numbers."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    def _records(self) -> list[dict[str, Any]]:
        left_out = {"monitoring", "covariate", "mde", "units_by_variant", "notes"}
        return [{key: part for key, part in one.to_dict().items() if key not in left_out} for one in self.metrics]

    def sizes_frame(self) -> pd.DataFrame:
        """Return units over all variants, one row per true effect and one column per power of the decision."""
        import pandas as pd

        table = pd.DataFrame([asdict(row) for row in self.sizes], columns=["effect", "power", "units"])
        return table.pivot(index="effect", columns="power", values="units").astype("Int64")

    def _card(self) -> Card:
        from abkit.analyzer.plan_text import card

        return card(self)
