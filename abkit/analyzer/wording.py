"""The sentences that abkit says about results: one place, so that the same thing is always said the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from abkit.analyzer.numbers import about, chance, confidence, count, days, number, p_equals, percent, span
from abkit.analyzer.reading import compatible, is_narrow, meaning, sentence
from abkit.analyzer.result import ComparisonResult, GuardrailResult, MetricResult, Need, Verdict

if TYPE_CHECKING:
    from abkit.analyzer.alternatives import Alternative
    from abkit.analyzer.belief import Belief, Shrunken
    from abkit.analyzer.removal import Removal

VERDICTS: dict[Verdict, str] = {
    "invalid": "Invalid",
    "do_not_ship": "Do not ship",
    "keep_running": "Keep running",
    "ship": "Ship",
    "below_threshold": "Below threshold",
    "inconclusive": "Inconclusive",
}

SYMBOLS: dict[Verdict, str] = {
    "invalid": "✕",
    "do_not_ship": "▼",
    "keep_running": "…",
    "ship": "▲",
    "below_threshold": "≈",
    "inconclusive": "?",
}


def primary_gate(metric: MetricResult, one: ComparisonResult, alpha: float) -> str:
    """Say whether the primary metric is significantly better, and by which test."""
    if one.p_value_adjusted is None:
        return f"{metric.name!r} cannot be tested: {one.difference.reason}"
    way = "significantly worse" if one.is_significant and one.direction == "worse" else "significantly better"
    way = way if one.is_significant else f"not {way}"
    relation = "≤" if one.is_significant else ">"
    return (
        f"{metric.name!r} is {way} ({p_equals(one.p_value_adjusted)} {relation} alpha = {alpha:g}, {one.method}; "
        f"difference {span(one.difference.low, one.difference.high, kind=metric.kind)})"
    )


def guardrail_gate(metric: MetricResult, one: ComparisonResult, result: GuardrailResult) -> str:
    """Say whether a guardrail holds, is violated or is undecided, with its bound, margin and alpha."""
    worse = "rise" if metric.goal == "minimize" else "fall"
    bound = percent(abs(result.bound) if result.bound is not None else None)
    allowed = f"the allowed {percent(result.margin)}"
    test = f"one-sided {confidence(1 - result.alpha)} bound, {one.method}"
    if result.bound is None and result.status == "undecided":
        return (
            f"{metric.name!r}: not shown safe, because {one.lift.reason or one.difference.reason or 'it has no bound'}"
        )
    if result.status == "holds":
        if result.bound is None:
            return f"{metric.name!r} holds: it is shown to {worse} by less than {allowed} ({test})"
        moved = f"a {worse} of at most {bound}" if _is_worse(metric, result.bound) else f"no {worse}"
        return f"{metric.name!r} holds: {moved} is compatible with the data, within {allowed} ({test})"
    if result.status == "violated":
        return f"{metric.name!r} is violated: it is shown to {worse} by more than {allowed} ({test})"
    return f"{metric.name!r} is undecided: a {worse} of up to {bound} remains possible, more than {allowed} ({test})"


def threshold_gate(one: ComparisonResult, threshold: float, *, reached: bool | None) -> str:
    """Say whether the estimate reaches the practical threshold."""
    if reached is None:
        return (
            f"there is no relative change to hold against the practical threshold of {percent(threshold)}: "
            f"{one.lift.reason}; to judge without it, plan with practical_threshold: null"
        )
    verb = "reaches" if reached else "is below"
    change = percent(one.lift.value, signed=True)
    return f"the estimated change of {change} {verb} the practical threshold of {percent(threshold)}"


def size_gate(units: int, planned: int) -> str:
    """Say how much of the planned size was reached."""
    if units >= planned:
        return f"{count(units)} units reached of {count(planned)} planned"
    return f"{count(units)} of {count(planned)} planned units: {count(planned - units)} to go"


def runtime_gate(reached: float, minimum: float) -> str:
    """Say how much of the minimum runtime the data span."""
    if reached >= minimum:
        return f"the data span {days(reached)}, the minimum is {days(minimum)}"
    return f"the data span {days(reached)} of at least {days(minimum)}"


def need_of_primary(name: str, more: int | None, to_come: float | None) -> str:
    """Say what would show the minimum detectable effect of the primary metric."""
    if more is None:
        return f"{name!r}: how many more units would settle it cannot be told yet"
    if more == 0:
        return f"{name!r}: enough units to see the minimum detectable effect; more would look for a smaller one"
    return f"{name!r}: about {about(more)} more units{_within(to_come)} to see the minimum detectable effect"


def need_of_guardrail(name: str, more: int | None, to_come: float | None) -> str:
    """Say what would show a guardrail to hold, if its estimate is the truth."""
    if more is None:
        return f"{name!r}: more units will not settle it while its estimate stays beyond the margin"
    if more == 0:
        return f"{name!r}: enough units to show it within its margin at the planned power, if it is as estimated"
    amount = f"about {about(more)} more units{_within(to_come)}"
    return f"{name!r}: {amount} to show it within its margin, if it is as estimated"


def need_of_size(more: int, to_come: float | None) -> str:
    """Say what the planned size lacks."""
    return f"planned size: {count(more)} more units{_within(to_come)}"


def need_of_runtime(to_come: float) -> str:
    """Say what the minimum runtime lacks."""
    return f"minimum runtime: {days(to_come)} to go"


def _within(to_come: float | None) -> str:
    return "" if to_come is None else f" ({days(to_come)} at the present rate)"


def said_needs(needs: list[Need]) -> str:
    """Say in a sentence or two how many more units would settle what is open."""
    waits = [need for need in needs if need.metric is None and need.days]
    amounts = [need for need in needs if need.metric is not None and need.units]
    hopeless = [repr(need.metric) for need in needs if need.gate == "guardrail" and need.units is None]
    text = ""
    if waits:
        text += f" At the present rate that takes {days(max(need.days or 0.0 for need in waits))}."
    if amounts:
        each = [f"{about(need.units or 0)}{' more units' if not i else ''}" for i, need in enumerate(amounts)]
        if len(amounts) > 1:
            each = [f"{amount} for {need.metric!r}" for amount, need in zip(each, amounts, strict=True)]
        longest = max((need.days for need in amounts if need.days is not None), default=None)
        text += f" About {' and '.join(each)} would settle it{_within(longest)}."
    if hopeless:
        text += f" More units will not settle {' and '.join(hopeless)} while the estimate stays beyond the margin."
    return text


def _is_worse(metric: MetricResult, lift: float) -> bool:
    return lift > 0 if metric.goal == "minimize" else lift < 0


def recommendation(
    verdict: Verdict,
    metric: MetricResult,
    one: ComparisonResult,
    blockers: list[str],
    needs: list[Need],
    *,
    has_guardrails: bool,
    threshold_name: str = "the minimum detectable effect",
    threshold: float | None = None,
) -> str:
    """Say in one or two sentences what to do."""
    name, change = one.variant, percent(one.lift.value, signed=True)
    said = f"{metric.name!r} {change}" if one.lift.value is not None else f"{metric.name!r}"
    if verdict == "invalid":
        return f"Do not use these results: {'; '.join(blockers)}. Find the cause, mend it and run the experiment again."
    if verdict == "ship":
        held = "every guardrail holds" if has_guardrails else "there was no guardrail to hold"
        large = "" if threshold is None else " large enough to matter,"
        return f"Ship {name!r}: a significant improvement ({said}),{large} and {held}."
    if verdict == "do_not_ship":
        return f"Do not ship {name!r}: {'; '.join(blockers)}."
    if verdict == "below_threshold":
        return (
            f"Improvement detected with {name!r} ({said}) but below {threshold_name}; "
            "consider whether it is worth shipping."
        )
    need = said_needs(needs)
    if verdict == "keep_running":
        return f"Keep running: {'; '.join(blockers)}. {compatible(metric, one)}{need}"
    if is_narrow(one, threshold):
        return f"{meaning(metric, one, threshold)} {sentence('; '.join(blockers))} {compatible(metric, one)}{need}"
    return f"We cannot tell yet about {name!r}: {'; '.join(blockers)}. {compatible(metric, one)}{need}"


FINDINGS = {
    "better": "significantly better",
    "below_threshold": "below the practical threshold",
    "not_significant": "not significant",
    "worse": "significantly worse",
}


def said_removal(name: str, verdict: Verdict, removal: Removal) -> str:
    """Say how few units would change the finding."""
    now = FINDINGS[removal.finding]
    if removal.units is None or removal.becomes is None or removal.verdict is None:
        return f"{name!r} is {now}; {removal.reason}."
    units = "most influential unit" if removal.units == 1 else f"{count(removal.units)} most influential units"
    lifts = f"{percent(removal.lift, signed=True)} to {percent(removal.lift_after, signed=True)}"
    stays = removal.verdict == verdict
    then = (
        f"stays {VERDICTS[verdict]!r}" if stays else f"goes from {VERDICTS[verdict]!r} to {VERDICTS[removal.verdict]!r}"
    )
    return (
        f"Without the {units} ({percent(removal.share)} of all), {name!r} turns from {now} to "
        f"{FINDINGS[removal.becomes]}: its lift goes from {lifts}, and the verdict {then}."
    )


def said_choices(alternatives: Sequence[Alternative]) -> str:
    """Say how many other choices change the verdict."""
    judged = [one for one in alternatives if one.changed is not None]
    changed = [one for one in judged if one.changed]
    if not judged:
        return "No other choice could be judged."
    if not changed:
        return (
            f"None of {count(len(judged))} other choices changes the verdict."
            if len(judged) > 1
            else ("The one other choice does not change the verdict.")
        )
    each = "; ".join(f"{one.choice} ({VERDICTS[one.verdict]})" for one in changed if one.verdict is not None)
    return f"{count(len(changed))} of {count(len(judged))} other choices change the verdict: {each}."


def said_belief(name: str, belief: Belief) -> str:
    """Say what somebody who expects little believes after the data."""
    if belief.lift is None or belief.level is None or belief.chance_to_win is None:
        return f"With a prior: not computed, because {belief.reason}."
    side = "excludes" if belief.is_better else "includes"
    reading = f"unlike the test's, this interval {side} 0" if belief.changes else "the same reading as the test's"
    return (
        f"To somebody who expected lifts around 0 (normal prior, standard deviation {percent(belief.prior_sd)}), the "
        f"lift is {percent(belief.lift, signed=True)} ({confidence(belief.level)} credible interval "
        f"{span(belief.low, belief.high, kind='lift')}) and {name!r} is better with a probability of "
        f"{chance(belief.chance_to_win)}: {reading}."
    )


def said_shrunken(name: str, shrunken: Shrunken) -> str:
    """Say what is left of a result that was selected for being significant."""
    if shrunken.lift is None:
        return f"Winner's curse: nothing to correct, because {shrunken.reason or 'there is no lift'}."
    text = (
        f"Significance selects the lucky: corrected for it, the lift of {name!r} is "
        f"{percent(shrunken.lift, signed=True)} ({span(shrunken.low, shrunken.high, kind='lift')}) in place of "
        f"{percent(shrunken.observed, signed=True)}"
    )
    if shrunken.exaggeration is None:
        return f"{text}."
    times = number(shrunken.exaggeration, 1)
    return f"{text}; were the minimum detectable effect the truth, significant results would overstate it {times}-fold."


def harmed(names: list[str], *, has_guardrails: bool) -> str:
    """Say which other variants must not ship."""
    beyond = ", or beyond a guardrail's margin" if has_guardrails else ""
    return f" Do not ship {', '.join(map(repr, names))}: significantly worse{beyond}."
