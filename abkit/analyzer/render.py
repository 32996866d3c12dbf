"""What an analysis has to say of itself, as words and tables of strings."""

from __future__ import annotations

from typing import Any

from abkit.analyzer import numbers
from abkit.analyzer.result import Analysis, ComparisonResult, MetricResult
from abkit.analyzer.wording import SYMBOLS, VERDICTS
from abkit.display import Card, Table, html_table

__all__ = [
    "HEADER",
    "card",
    "comparison_rows",
    "finding",
    "headline",
    "html_table",
    "metric_card",
    "metric_records",
    "records",
]

_DIRECTIONS = {"better": "▲ better", "worse": "▼ worse"}


def headline(analysis: Analysis) -> str:
    """Say key and verdict in one line."""
    verdict = analysis.decision.verdict
    return f"{analysis.experiment.key}: {SYMBOLS[verdict]} {VERDICTS[verdict]}"


def finding(one: ComparisonResult) -> str:
    """Say in a word or two what a comparison shows, readable without colour."""
    if one.guardrail is not None:
        return {"holds": "● holds", "violated": "▼ violated", "undecided": "? undecided"}[one.guardrail.status]
    if one.p_value_adjusted is None:
        return "not computed"
    return _DIRECTIONS.get(one.direction or "", "same") if one.is_significant else "○ not significant"


def comparison_rows(analysis: Analysis) -> list[list[str]]:
    """One row per metric and treatment: metric, variant, levels, difference, lift, p-value, finding."""
    control = next(variant.name for variant in analysis.variants if variant.is_control)
    return [_row(metric, one, control) for metric in analysis.metrics for one in metric.comparisons]


def _row(metric: MetricResult, one: ComparisonResult, control: str) -> list[str]:
    levels = [numbers.level(metric.levels[name].value, metric.kind) for name in (control, one.variant)]
    return [
        f"{metric.name} ({metric.role})",
        one.variant,
        *levels,
        numbers.span(one.difference.low, one.difference.high, kind=metric.kind),
        numbers.percent(one.lift.value, signed=True),
        numbers.span(one.lift.low, one.lift.high, kind="lift"),
        numbers.p_value(one.p_value_adjusted),
        finding(one),
    ]


HEADER = ("metric", "variant", "control", "treatment", "difference", "lift", "lift interval", "p", "finding")


def card(analysis: Analysis) -> Card:
    """Say verdict, what speaks against it, comparisons and checks."""
    unusable = ["The numbers below are not usable: the experiment is invalid."]
    lines = [*(unusable if analysis.decision.verdict == "invalid" else []), analysis.decision.recommendation]
    failing = [f"Check {check.name}: {check.message}" for check in analysis.checks if check.status == "fail"]
    checks = [[check.name, check.status.replace("_", " "), check.message] for check in analysis.checks]
    tables = [
        Table(HEADER, comparison_rows(analysis), "Comparisons with control"),
        Table(("check", "status", "what was seen"), checks, "Checks"),
    ]
    return Card(headline(analysis), [*lines, *failing], tables)


def metric_card(metric: MetricResult) -> Card:
    """Say what one metric says of every treatment."""
    (control,) = metric.levels.keys() - {one.variant for one in metric.comparisons}
    rows = [_row(metric, one, control)[1:] for one in metric.comparisons]
    margin = "" if metric.margin is None else f", margin {numbers.percent(metric.margin)}"
    lines = [*([metric.reason] if metric.reason else []), *metric.notes]
    return Card(f"{metric.name} ({metric.role}), {metric.goal}{margin}", lines, [Table(HEADER[1:], rows)])


def metric_records(metric: MetricResult) -> list[dict[str, Any]]:
    """Lay out one row per comparison, full precision."""
    return [_record(metric, one) for one in metric.comparisons]


def records(analysis: Analysis) -> list[dict[str, Any]]:
    """Lay out one row per metric and comparison, full precision."""
    return [one for metric in analysis.metrics for one in metric_records(metric)]


def _record(metric: MetricResult, one: ComparisonResult) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "role": metric.role,
        "goal": metric.goal,
        "variant": one.variant,
        "level": metric.levels[one.variant].value,
        "difference": one.difference.value,
        "difference_low": one.difference.low,
        "difference_high": one.difference.high,
        "lift": one.lift.value,
        "lift_low": one.lift.low,
        "lift_high": one.lift.high,
        "p_value": one.p_value,
        "p_value_adjusted": one.p_value_adjusted,
        "is_significant": one.is_significant,
        "direction": one.direction,
        "guardrail": one.guardrail.status if one.guardrail else None,
        "method": one.method,
    }
