"""Where an experiment stands: its variants with their sizes, its target, and what the data says so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from abkit.analyzer import Analysis
from abkit.analyzer.result import Check, Reason
from abkit.analyzer.wording import recommendation
from abkit.display import Card, Displayed, Table
from abkit.models.design import design_hash
from abkit.named import Named
from abkit.plain import to_plain
from abkit.store.records import StoredExperiment

_BROKEN = ("srm", "contamination")


@dataclass(frozen=True, slots=True)
class VariantStatus(Displayed):
    """A variant and how many users it has."""

    name: str
    is_control: bool
    traffic_percentage: float
    users: int


@dataclass(frozen=True, slots=True, repr=False)
class ExperimentStatus(Displayed):
    """Where an experiment stands.

    Parameters
    ----------
    total, target : int
        Users assigned so far, and the planned number, over all variants.
    analysis : Analysis or None
        Live while it runs or is paused, the final one when it is completed.
    reason : str
        Why there is no analysis; empty where there is one.
    """

    experiment: StoredExperiment
    variants: tuple[VariantStatus, ...]
    total: int
    target: int
    analysis: Mapping[str, Any] | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON holds it."""
        stored = to_plain(self.experiment)
        shown = ("id", "key", "name", "agent_id", "status", "version", "winner", "created_at", "started_at", "ended_at")
        return {
            **{name: stored[name] for name in shown},
            "variants": to_plain(self.variants),
            "total": self.total,
            "target": self.target,
            "analysis": self.analysis,
            "reason": self.reason,
        }

    def _card(self) -> Card:
        stored = self.experiment
        said = [f"{self.total:,} of {self.target:,} planned users"]
        said += [self.analysis["decision"]["recommendation"]] if self.analysis else [f"No analysis: {self.reason}."]
        rows = [(one.name, "yes" if one.is_control else "", f"{one.traffic_percentage:g}%", f"{one.users:,}")
                for one in self.variants]  # fmt: skip
        table = Table(("variant", "control", "traffic", "users"), rows, "Users by variant")
        return Card(f"{stored.key}: {stored.status}", said, [table])

    def _records(self) -> list[dict[str, Any]]:
        return [one.to_dict() for one in self.variants]


def describe_status(
    stored: StoredExperiment, users: Mapping[str, int], analysis: Mapping[str, Any] | None, reason: str
) -> ExperimentStatus:
    """Put together what is known of an experiment."""
    experiment = stored.experiment
    variants = tuple(
        VariantStatus(variant.name, variant.is_control, variant.traffic_percentage, users.get(variant.name, 0))
        for variant in experiment.variants
    )
    return ExperimentStatus(stored, variants, sum(users.values()), experiment.planned_units, analysis, reason)


def check_plan(stored: StoredExperiment, analysis: Analysis) -> Analysis:
    """Add the check that the plan is the one the experiment was started with; a changed plan invalidates everything."""
    if stored.design_hash is None:
        return analysis
    if design_hash(stored.definition) == stored.design_hash:
        check = Check("plan_changed", "pass", "the plan is the one that the experiment was started with")
        return _with_check(analysis, check)
    message = "the plan was changed after the start, so the results no longer answer the question that was asked"
    return _with_check(_invalid(analysis, message), Check("plan_changed", "fail", message))


def _with_check(analysis: Analysis, check: Check) -> Analysis:
    reason = Reason(check.name, check.status == "pass", check.message)
    decision = replace(analysis.decision, reasons=(reason, *analysis.decision.reasons))
    return replace(analysis, checks=Named((*analysis.checks, check)), decision=decision)


def _invalid(analysis: Analysis, message: str) -> Analysis:
    primary = analysis.primary
    messages = [
        message,
        *(check.message for check in analysis.checks if check.name in _BROKEN and check.status == "fail"),
    ]
    text = recommendation(
        "invalid", primary, primary.comparisons[0], messages, [], has_guardrails=analysis.has_guardrails
    )
    decision = replace(
        analysis.decision, verdict="invalid", should_ship=False, winner=None, tied=(), recommendation=text, needs=()
    )
    return replace(analysis, decision=decision)
