"""What the methods of an analysis are, what its words mean, and how its rules decide: for readers of a report."""

from __future__ import annotations

from collections.abc import Iterator

from abkit.analyzer.numbers import confidence, count, percent
from abkit.analyzer.result import Analysis, MetricResult, Verdict

_RULES: dict[Verdict, str] = {
    "invalid": "A check without which no number is usable has failed: the split, contamination, or a plan changed "
    "after the start. It beats every other rule.",
    "keep_running": "The planned size or the minimum runtime is not reached, and not every gate is passed in a way "
    "that is valid before it.",
    "below_threshold": "As for shipping, but the estimate is below what was planned to matter.",
    "inconclusive": "The planned size is reached, and at least one gate is still open.",
}

_CHANGES: dict[Verdict, str] = {
    "invalid": "Only a new run, after the cause is found and mended. More of the same data changes nothing.",
    "keep_running": "The units or the time still to come.",
    "ship": "A check of the data that fails later, or a mistake in how the metrics are recorded.",
    "below_threshold": "An estimate above the threshold. If a smaller gain is worth shipping, plan the next run with "
    "it.",
    "inconclusive": "More units than planned, in a new run, or a smaller question.",
}

_METHODS = {
    "welch t": "Welch's t test of two means whose variances may differ; rows of one unit count together, ratios by the "
    "delta method.",
    "paired t": "A t test of the differences within units, each of which is in both variants; ratios and quantiles by "
    "the delta method.",
    "newcombe": "Newcombe's interval of two rates from Wilson scores, which stays right at small counts; the p-value "
    "belongs to the same interval.",
    "confidence sequence": "An always-valid interval: it holds at all looks together, so that one may stop at any "
    "time.",
    "group sequential": "Bounds for planned looks that share the error among them (Lan and DeMets).",
}

_TERMS = {
    "interval": "A range of true values that the data are compatible with. The procedure that makes it covers the "
    "truth in 95 of 100 experiments (at 95%); this does not give the chance that this one does.",
    "p": "How often a difference at least as large would be seen if there were none. It is not the chance that there "
    "is none.",
    "significant": "The interval excludes 0. “Not significant” says that the data cannot tell, not that nothing "
    "changed.",
    "lift": "The difference divided by the level of the control, in %. A change of a rate itself is in percentage "
    "points (pp): from 10% to 11% is +1 pp and a lift of +10%.",
    "guardrail": "A metric that must not get worse by more than its margin. It holds when that is shown, is violated "
    "when the opposite is shown, and is undecided otherwise. Undecided is not safe.",
    "minimum detectable effect": "The true lift that the plan wants to detect with the planned power.",
    "power": "The chance that a true effect of a given size is found. It is always given for planned effects, never "
    "for the observed one, which would only repeat the p-value.",
    "SRM": "Sample ratio mismatch: units arrive in other shares than planned, so that something selects them and "
    "variants no longer compare alike.",
    "unit": "What is put into a variant: a user, a task, a session. Rows of one unit are not independent and count "
    "together.",
}


def rule(analysis: Analysis) -> str:
    """Say the rule that led to the verdict, by the gates that this plan has."""
    verdict = analysis.decision.verdict
    if verdict == "do_not_ship":
        if not analysis.has_guardrails:
            return "The primary metric is significantly worse, which blocks at any size."
        return (
            "The primary metric is significantly worse, or a guardrail is shown to be beyond its margin. Either blocks "
            "at any size."
        )
    if verdict == "ship":
        gates = ["The primary metric is significantly better in its direction"]
        gates += ["its estimate reaches what was planned to matter"] if _has_threshold(analysis) else []
        gates += ["every guardrail is shown to be within its margin"] if analysis.has_guardrails else []
        return f"{', '.join(gates)}, and nothing is significantly worse."
    return _RULES[verdict]


def what_would_change(analysis: Analysis) -> str:
    """Say what would lead to another verdict."""
    if analysis.decision.verdict != "do_not_ship":
        return _CHANGES[analysis.decision.verdict]
    if analysis.has_guardrails:
        return (
            "More units do not undo harm that is shown. Another variant would, or a margin agreed on before the next "
            "run."
        )
    return "Another variant, in a new run. More units do not undo harm that is shown."


def _has_threshold(analysis: Analysis) -> bool:
    return any(reason.gate == "practical_threshold" for reason in analysis.decision.reasons)


def method_notes(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield (what, note) for the methods that this analysis really used."""
    methods = dict.fromkeys(one.method for metric in analysis.metrics for one in metric.comparisons)
    for method in methods:
        if method != "none":
            using = [metric.name for metric in analysis.metrics if metric.comparisons[0].method == method]
            yield method, f"{_METHODS.get(method, 'As named.')} Used for {', '.join(using)}."
    yield "lift", "Its interval inverts the same test as the difference's, so both exclude 0 together."
    treatments = len(analysis.primary.comparisons)
    if treatments > 1:
        level = confidence(analysis.primary.comparisons[0].confidence_level)
        yield (
            "several variants",
            f"The primary metric is tested in {treatments} variants: p-values are multiplied by their number and "
            f"intervals have level {level} (Bonferroni). Other metrics are not corrected.",
        )
    for metric in analysis.metrics:
        yield from _metric_notes(metric)


def _metric_notes(metric: MetricResult) -> Iterator[tuple[str, str]]:
    if metric.covariate and metric.variance_removed is not None:
        yield (
            f"{metric.name}: CUPED",
            f"The covariate {metric.covariate!r}, known before exposure, removed {percent(metric.variance_removed)} of "
            "the variance.",
        )
    for note in metric.notes:
        yield metric.name, f"{note[:1].upper()}{note[1:]}."


def exclusions(analysis: Analysis) -> list[str]:
    """Say which rows and units do not take part."""
    data = analysis.data
    found = [
        (data.rows_left_out, "rows of other variants or outside the filters"),
        (data.contaminated_units, "units that were seen in more than one variant"),
        (data.incomplete_units, "units that do not appear in every variant"),
    ]
    told = [f"{count(number)} {what} were left out." for number, what in found if number]
    for metric in analysis.metrics:
        lost = sum(variant.missing.get(metric.name, 0) for variant in analysis.variants)
        if lost:
            told.append(f"{metric.name!r}: {count(lost)} rows have no value.")
    return told or ["No row and no unit was left out."]


def terms() -> list[tuple[str, str]]:
    """Return (word, meaning) for the words that a report uses."""
    return list(_TERMS.items())
