"""Guardrails: shown to be within their margin, shown to be beyond it, or neither."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from abkit.analyzer.result import ComparisonResult, GuardrailResult, MetricResult
from abkit.analyzer.wording import guardrail_gate
from abkit.models import Experiment


class Pair(Protocol):
    """A treatment and the control, every question about them answered by one method."""

    def interval(self, alpha: float, ratio: float = 1.0) -> tuple[Any, Any]:
        """Interval of treatment level - ratio * control level."""

    def p_value(self, ratio: float = 1.0) -> Any:
        """Two-sided p-value of that contrast being 0."""

    def lift_interval(self, alpha: float) -> tuple[Any, Any]:
        """Interval of treatment/control - 1."""


def with_guardrails(experiment: Experiment, result: MetricResult, pairs: Sequence[Pair]) -> MetricResult:
    """Judge the metric against its margin in every treatment."""
    judged = []
    for place, one in enumerate(result.comparisons):
        guardrail = judge_guardrail(pairs[place], result, one, experiment)
        judged.append(replace(one, guardrail=guardrail))
    return replace(result, comparisons=tuple(judged))


def judge_guardrail(pair: Pair, metric: MetricResult, one: ComparisonResult, experiment: Experiment) -> GuardrailResult:
    """Test non-inferiority: treatment against (1 + margin) or (1 - margin) times control, one-sided at alpha."""
    margin, alpha = metric.margin or 0.0, experiment.alpha
    sign = 1.0 if metric.goal == "minimize" else -1.0
    undecided = GuardrailResult(margin, "undecided", None, None, alpha, "")
    base = metric.levels[experiment.control.name].value
    if one.difference.low is None or base is None or base <= 0:
        return replace(undecided, text=guardrail_gate(metric, one, undecided))
    ratio = 1 + sign * margin
    low, high = (sign * float(bound) for bound in pair.interval(2 * alpha, ratio))
    low, high = min(low, high), max(low, high)
    below = high < 0
    beyond = low > 0
    half = float(pair.p_value(ratio)) / 2
    inside = sign * (float(one.difference.value or 0.0) + (1 - ratio) * base) < 0
    bounds = [finite(bound) for bound in pair.lift_interval(2 * alpha)]
    guardrail = GuardrailResult(
        margin,
        "holds" if below else "violated" if beyond else "undecided",
        bounds[1] if sign > 0 else bounds[0],
        half if inside else 1 - half,
        alpha,
        "",
    )
    return replace(guardrail, text=guardrail_gate(metric, one, guardrail))


def finite(value: Any) -> float | None:
    """Return a number, or None for what is none."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
