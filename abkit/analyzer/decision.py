"""The decision: one pure function from checks, estimates and the plan to a verdict, every gate with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from abkit.analyzer.gates import ORDER, Gates, judge_gates
from abkit.analyzer.needs import Pace, need_for_runtime, need_for_size, needs_of
from abkit.analyzer.numbers import p_equals
from abkit.analyzer.result import (
    Check,
    ComparisonResult,
    Decision,
    GuardrailResult,
    MetricResult,
    Need,
    Reason,
    Verdict,
)
from abkit.analyzer.wording import harmed, primary_gate, recommendation, runtime_gate, size_gate, threshold_gate

Goal = Literal["maximize", "minimize"]

_OPEN = ("keep_running", "inconclusive")
_INVALIDATING = ("srm", "contamination", "plan_changed")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the plan fixed before the experiment started.

    Parameters
    ----------
    alpha : float
        Significance level.
    units, min_sample_size, planned_units : int
        Units over all variants: reached, needed at least, planned.
    may_stop_early : bool
        Whether the test is valid before the planned size.
    practical_threshold : float or None
        Relative improvement from which shipping is worth it.
    threshold_name : str
        What that threshold is called.
    units_per_day : float or None
        The present rate, where it is known.
    days : float or None
        What the data span, where their time is known.
    min_runtime_days : float
        What they must span before anything ships.
    """

    alpha: float
    units: int
    min_sample_size: int
    planned_units: int
    may_stop_early: bool
    practical_threshold: float | None
    threshold_name: str = "the minimum detectable effect"
    units_per_day: float | None = None
    days: float | None = None
    min_runtime_days: float = 0.0

    @property
    def size(self) -> int:
        """Units at which a fixed plan is judged."""
        return max(self.min_sample_size, self.planned_units)

    @property
    def ran_long_enough(self) -> bool:
        """Whether the data span the minimum runtime; where there is no time there is no such gate."""
        return self.days is None or self.days >= self.min_runtime_days

    @property
    def pace(self) -> Pace:
        """How far the experiment is."""
        return Pace(self.units, self.units_per_day)


@dataclass(frozen=True, slots=True)
class _Judgement:
    variant: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    blockers: tuple[str, ...]
    primary: ComparisonResult
    needs: tuple[Need, ...] = ()


def decide(
    checks: Sequence[Check],
    metrics: Sequence[MetricResult],
    rules: Rules,
    are_tied: Callable[[str, str], bool] = lambda best, other: False,
) -> Decision:
    """Judge every treatment by the same gates, then the experiment by its best treatment.

    Parameters
    ----------
    checks : sequence of Check
    metrics : sequence of MetricResult
        Exactly one with role "primary".
    rules : Rules
    are_tied : callable
        Whether two treatments cannot be told apart on the primary metric.

    Returns
    -------
    Decision
    """
    primary = next(metric for metric in metrics if metric.role == "primary")
    gates = [Reason(check.name, _passed(check), check.message) for check in checks]
    judgements = [_judge(one, primary, metrics, rules) for one in primary.comparisons]
    judgements.sort(key=lambda judged: (ORDER.index(judged.verdict), -_gain(judged.primary, primary.goal)))
    best = judgements[0]
    shipping = [judged for judged in judgements if judged.verdict == "ship"]
    tied = [other.variant for other in shipping[1:] if are_tied(best.variant, other.variant)]
    broken = [check for check in checks if check.name in _INVALIDATING and check.status == "fail"]
    verdict: Verdict = "invalid" if broken else best.verdict
    blockers = [check.message for check in broken] if broken else list(best.blockers)
    winner = best.variant if verdict in {"ship", "below_threshold"} else None
    has_guardrails = any(metric.role == "guardrail" for metric in metrics)
    text = recommendation(
        verdict,
        primary,
        best.primary,
        blockers,
        list(best.needs),
        has_guardrails=has_guardrails,
        threshold_name=rules.threshold_name,
        threshold=rules.practical_threshold,
    )
    if tied and verdict == "ship":
        text += f" It cannot be told apart from {', '.join(map(repr, tied))}: choose among them by cost or risk."
    others = [judged.variant for judged in judgements[1:] if judged.verdict == "do_not_ship"]
    if others and not broken:
        text += harmed(others, has_guardrails=has_guardrails)
    return Decision(
        verdict=verdict,
        should_ship=verdict == "ship",
        winner=winner,
        variant=best.variant,
        is_significant=best.primary.is_significant,
        p_value=best.primary.p_value_adjusted,
        confidence_interval_lower=best.primary.difference.low,
        confidence_interval_upper=best.primary.difference.high,
        relative_improvement=best.primary.lift.value,
        recommendation=text,
        reasons=(*gates, *(reason for judged in judgements for reason in judged.reasons)),
        tied=(best.variant, *tied) if tied and verdict == "ship" else (),
        needs=_all_needs(judgements) if verdict in _OPEN else (),
    )


def _judge(one: ComparisonResult, primary: MetricResult, metrics: Sequence[MetricResult], rules: Rules) -> _Judgement:
    """Take one treatment through the gates in the order in which they decide."""
    name = one.variant
    better = one.is_significant and one.direction == "better"
    is_harmed = one.is_significant and one.direction == "worse"
    guardrails = _guardrails(name, metrics)
    violated = [result.text for result in guardrails if result.status == "violated"]
    undecided = [result.text for result in guardrails if result.status == "undecided"]
    worse = _significantly_worse(name, metrics)
    reached = reaches(one, primary.goal, rules.practical_threshold)
    primary_text = primary_gate(primary, one, rules.alpha)
    progress, threshold = list(_progress(name, rules)), list(_threshold(one, rules, reached=reached))
    unclear = [reason.text for reason in threshold] if reached is None else []
    gates = Gates(
        better=better,
        harmed=is_harmed,
        violated=bool(violated),
        undecided=bool(undecided),
        worse=bool(worse),
        reached=bool(reached),
        unclear=bool(unclear),
        enough=rules.units >= rules.size,
        may_stop_early=rules.may_stop_early,
        ran_long_enough=rules.ran_long_enough,
    )
    verdict = ORDER[int(judge_gates(gates))]
    open_gates = [*([] if better else [primary_text]), *undecided, *worse, *unclear]
    waiting = [reason.text for reason in progress if not reason.passed]
    blockers = {
        "do_not_ship": [*([primary_text] if is_harmed else []), *violated],
        "keep_running": [*waiting, *(open_gates if rules.may_stop_early and better else [])],
        "inconclusive": open_gates,
    }.get(verdict, [])
    reasons = [Reason("primary", better, primary_text, name), *progress, *threshold]
    reasons += [Reason("guardrail", result.status == "holds", result.text, name) for result in guardrails]
    reasons += [Reason("nothing_worse", False, text, name) for text in worse]
    needs = _needs(name, primary, metrics, rules) if verdict in _OPEN else ()
    return _Judgement(name, verdict, tuple(reasons), tuple(blockers), one, needs)


def _guardrails(variant: str, metrics: Sequence[MetricResult]) -> list[GuardrailResult]:
    comparisons = (one for metric in metrics for one in metric.comparisons if one.variant == variant)
    return [one.guardrail for one in comparisons if one.guardrail is not None]


def _progress(variant: str, rules: Rules) -> Iterator[Reason]:
    """Whether the planned size and, where there is a time, the minimum runtime are reached."""
    yield Reason("sample_size", rules.units >= rules.size, size_gate(rules.units, rules.size), variant)
    if rules.days is not None and rules.min_runtime_days > 0:
        yield Reason("runtime", rules.ran_long_enough, runtime_gate(rules.days, rules.min_runtime_days), variant)


def _threshold(one: ComparisonResult, rules: Rules, *, reached: bool | None) -> Iterator[Reason]:
    if rules.practical_threshold is not None:
        text = threshold_gate(one, rules.practical_threshold, reached=reached)
        yield Reason("practical_threshold", reached, text, one.variant)


def _needs(variant: str, primary: MetricResult, metrics: Sequence[MetricResult], rules: Rules) -> tuple[Need, ...]:
    """What is still to come: the planned size and runtime, then what each open metric lacks."""
    size = [need_for_size(rules.size, rules.pace)] if rules.units < rules.size else []
    time = [] if rules.days is None or rules.ran_long_enough else [need_for_runtime(rules.days, rules.min_runtime_days)]
    return (*size, *time, *needs_of(variant, primary, list(metrics), rules.pace))


def _all_needs(judgements: Sequence[_Judgement]) -> tuple[Need, ...]:
    """Those of every open treatment; what holds for all of them once."""
    return tuple(dict.fromkeys(need for judged in judgements for need in judged.needs))


def _significantly_worse(variant: str, metrics: Sequence[MetricResult]) -> list[str]:
    """Secondary metrics that got significantly worse; guardrails are judged by their margin."""
    return [
        f"{metric.name!r} is significantly worse ({p_equals(one.p_value_adjusted)}, {one.method})"
        for metric in metrics
        if metric.role == "secondary"
        for one in metric.comparisons
        if one.variant == variant and one.is_significant and one.direction == "worse"
    ]


def reaches(one: ComparisonResult, goal: Goal, threshold: float | None) -> bool | None:
    """Whether the gain reaches the threshold; None where there is no relative change to hold against it."""
    if threshold is None:
        return True
    return None if one.lift.value is None else _gain(one, goal) >= threshold


def _gain(one: ComparisonResult, goal: Goal) -> float:
    value = one.lift.value if one.lift.value is not None else one.difference.value or 0.0
    return value if goal == "maximize" else -value


def _passed(check: Check) -> bool | None:
    return {"pass": True, "fail": False}.get(check.status)
