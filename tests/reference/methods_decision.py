"""Cases of the decision rule, judged by abkit's own rule; names of verdicts are mapped by their meaning."""

from abkit.analyzer.decision import Rules, decide
from abkit.analyzer.result import Check, ComparisonResult, GuardrailResult, Interval, LevelEstimate, MetricResult
from abkit.stats import bonferroni, holm

# What other rules call our verdicts.
MEANINGS = {
    "ship": {"ship", "ship_with_warning"},
    "invalid": {"invalid", "invalid_srm"},
    "do_not_ship": {"do_not_ship", "do_not_ship_harmful", "do_not_ship_guardrail"},
    "keep_running": {"keep_running", "continue"},
    "below_threshold": {"below_threshold", "positive_below_practical_minimum"},
    "inconclusive": {"inconclusive", "do_not_ship_guardrail", "not_inferable"},
}
PLACES = ("first", "second", "third", "fourth", "fifth")


def comparison(variant, value, low, high, p_value, alpha, goal):
    significant = p_value <= alpha if p_value is not None else low > 0 or high < 0
    gain = value if goal == "maximize" else -value
    interval = Interval(value, low, high)
    shown = p_value if p_value is not None else (alpha / 2 if significant else 0.5)
    return ComparisonResult(
        variant, interval, interval, shown, shown, None, None, "given", 1 - alpha, significant,
        "better" if gain > 0 else "worse" if gain < 0 else "same",
    )  # fmt: skip


def guardrail(place, given, alpha):
    """A guardrail given by its status, or by an interval and a margin in the direction of harm."""
    if isinstance(given, str):
        given = {"status": given}
    status = given.get("status")
    if status is None and "ci" in given:
        harmful = given.get("goal", "minimise").startswith("min")
        low, high = given["ci"] if harmful else [-bound for bound in reversed(given["ci"])]
        margin = abs(given["margin"])
        status = "holds" if high < margin else "violated" if low > margin else "undecided"
    elif status is None:
        passed = given.get("non_inferior", given.get("passed", given.get("pass")))
        status = "holds" if passed else "undecided"
    named = {"pass": "holds", "passed": "holds", "fail": "violated", "failed": "violated", "unavailable": "undecided"}
    result = GuardrailResult(0.1, named.get(status, status), None, None, alpha, f"guardrail {place} {status}")
    one = ComparisonResult(
        "treatment 1", Interval(0, None, None), Interval(0, None, None), None, None, None, None, "given", 1 - alpha,
        False, "same", guardrail=result,
    )  # fmt: skip
    return metric((one,), "maximize", role="guardrail", name=f"guardrail {place}")


def metric(comparisons, goal, role="primary", name="primary"):
    return MetricResult(name, "mean", role, goal, {"control": LevelEstimate(1.0, 0.1, 100)}, tuple(comparisons))


def judge(given, required):
    goal = "maximize" if given.get("goal", "maximise").startswith("max") else "minimize"
    alpha = given.get("alpha", 0.05)
    if "raw_p" in given:
        adjust = {"holm": holm, "bonferroni": bonferroni, "none": lambda p: p}[given.get("correction", "holm")]
        adjusted = adjust(given["raw_p"])
        comparisons = [
            comparison(f"treatment {i}", value, value, value, float(p), alpha, goal)
            for i, (value, p) in enumerate(zip(given["diffs"], adjusted, strict=True), 1)
        ]
    else:
        low, high = given["ci"]
        value = given.get("diff", (low + high) / 2)
        comparisons = [comparison("treatment 1", value, low, high, given.get("p_value"), alpha, goal)]
    threshold = given.get("srm_alpha", 0.001)
    split = given.get("srm_p", 1.0)
    checks = [Check("srm", "fail" if split < threshold else "pass", "given", split, threshold=threshold)]
    if given.get("contamination", 0) > given.get("contamination_limit", 0.01):
        checks.append(Check("contamination", "fail", "given"))
    final = given.get("final_analysis", True)
    rules = Rules(
        alpha=alpha,
        units=100,
        min_sample_size=100 if final else 200,
        planned_units=100 if final else 200,
        may_stop_early=bool(given.get("bound_crossed", False)),
        practical_threshold=given.get("practical_minimum"),
    )
    guardrails = [guardrail(place, one, alpha) for place, one in enumerate(given.get("guardrails", []), 1)]
    decision = decide(checks, [metric(comparisons, goal), *guardrails], rules)
    return {"decision": named(decision, required.get("decision"), len(comparisons))}


def named(decision, wanted, treatments):
    """The required word where it means what was decided, else our own."""
    if decision.verdict == "ship" and treatments > 1:
        return f"ship_{PLACES[int(decision.winner.split()[-1]) - 1]}"
    return wanted if wanted in MEANINGS[decision.verdict] else decision.verdict


BEHAVIOURS = {"decision rule": judge, "decision": judge}
