"""What an interval says beside the threshold that matters; never "no effect", which no interval shows."""

from __future__ import annotations

from abkit.analyzer.numbers import confidence, difference, percent, span
from abkit.analyzer.plan_summary import PlanSummary
from abkit.analyzer.result import ComparisonResult, MetricResult


def sentence(text: str) -> str:
    """Start with a capital and end with a full stop.

    Examples
    --------
    >>> sentence("it varies")
    'It varies.'
    """
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def compatible(metric: MetricResult, one: ComparisonResult) -> str:
    """Say what the interval means."""
    interval = one.lift if one.lift.low is not None else one.difference
    kind = "lift" if interval is one.lift else metric.kind
    if interval.low is None or interval.high is None:
        return f"No interval for {metric.name!r}: {interval.reason or one.difference.reason or 'not computed'}."
    best = percent(interval.value, signed=True) if kind == "lift" else difference(interval.value, kind)
    return (
        f"The data are compatible with a change of {metric.name!r} in {one.variant!r} between "
        f"{span(interval.low, interval.high, kind=kind, joined=' and ')} "
        f"({confidence(one.confidence_level)} interval); best single estimate {best}."
    )


def is_narrow(one: ComparisonResult, threshold: float | None) -> bool:
    """Whether nothing was found and both ends of the interval are nearer to 0 than the threshold."""
    if not threshold or one.is_significant or one.lift.low is None or one.lift.high is None:
        return False
    return max(-one.lift.low, one.lift.high) < threshold


def meaning(metric: MetricResult, one: ComparisonResult, threshold: float | None) -> str:
    """Say in one sentence what the interval of the lift means beside the threshold; empty where there is none."""
    if one.lift.low is None or one.lift.high is None or one.p_value_adjusted is None:
        return ""
    sign = 1 if metric.goal == "maximize" else -1
    worst, best = sorted((sign * one.lift.low, sign * one.lift.high))
    limit = percent(threshold)
    if not one.is_significant:
        if is_narrow(one, threshold):
            return f"Any effect is likely smaller than ±{percent(max(-worst, best))}, under the {limit} you set."
        return (
            f"We cannot tell yet: both a worsening of {percent(max(-worst, 0.0))} and an improvement of "
            f"{percent(max(best, 0.0))} remain compatible."
        )
    if one.direction == "worse":
        return f"Worse: the data are compatible with nothing better than a worsening of {percent(-best)}."
    if not threshold:
        return f"Better: even the low end is an improvement of {percent(worst)}."
    if worst >= threshold:
        return f"Even the low end, an improvement of {percent(worst)}, reaches the {limit} you said matters."
    if best < threshold:
        return f"Real but small: an improvement of at most {percent(best)}, below the {limit} you said matters."
    return (
        f"Better, but how much is open: the improvement may be as small as {percent(worst)} or as large as "
        f"{percent(best)}; you said {limit} matters."
    )


def look(plan: PlanSummary) -> str:
    """Say in a word or two which look this is.

    Examples
    --------
    >>> nothing = PlanSummary("fixed", 0.8, 100, 50, None, None, None, None, is_final=False)
    >>> look(nothing)
    'interim'
    """
    if plan.look is not None and plan.looks is not None:
        return f"look {min(plan.look, plan.looks)} of {plan.looks}" + (", final" if plan.is_final else "")
    return "final" if plan.is_final else "interim"


def about_looks(plan: PlanSummary) -> str:
    """Say whether looking now costs anything."""
    name = look(plan)
    name = name[:1].upper() + name[1:]
    if plan.inference == "fixed" and not plan.is_final:
        return (
            f"{name}: a fixed plan is judged once, at its planned size. Intervals and p-values seen before are not "
            "protected against repeated looks."
        )
    if plan.inference == "fixed":
        return f"{name}: judged once, at the planned size."
    if plan.inference == "group_sequential":
        return f"{name}: the intervals already account for the planned looks."
    return f"{name}: the intervals hold at every look together, so looking at any time costs nothing."


def deviations_counted(number: int) -> str:
    """Say how many things came out otherwise than planned.

    Examples
    --------
    >>> deviations_counted(1)
    'One thing came out otherwise than planned; it is listed below.'
    """
    if number == 1:
        return "One thing came out otherwise than planned; it is listed below."
    return f"{number} things came out otherwise than planned; they are listed below."
