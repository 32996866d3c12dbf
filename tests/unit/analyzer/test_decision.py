"""The verdict, gate by gate; each test builds the estimates it needs."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.analyzer.decision import Rules, decide
from abkit.analyzer.result import (
    Check,
    ComparisonResult,
    GuardrailResult,
    Interval,
    LevelEstimate,
    MetricResult,
)
from abkit.analyzer.wording import VERDICTS

RULES = Rules(
    0.05, units=1000, min_sample_size=1000, planned_units=1000, may_stop_early=False, practical_threshold=0.05
)
SOUND = (Check("srm", "pass", "as planned"),)


def one(lift: float | None, p_value: float | None, *, goal: str = "maximize", variant: str = "b") -> ComparisonResult:
    gain = None if lift is None else lift if goal == "maximize" else -lift
    direction = None if gain is None else "better" if gain > 0 else "worse" if gain < 0 else "same"
    interval = Interval(lift, None if lift is None else lift - 0.01, None if lift is None else lift + 0.01)
    significant = p_value is not None and p_value <= 0.05
    return ComparisonResult(
        variant, interval, interval, p_value, p_value, None, None, "t", 0.95, significant, direction, units_needed=5000
    )


def metric(
    *comparisons: ComparisonResult, role: str = "primary", goal: str = "maximize", name: str = "m"
) -> MetricResult:
    level = LevelEstimate(1.0, 0.1, 500)
    return MetricResult(name, "mean", role, goal, {"a": level, "b": level, "c": level}, comparisons, margin=0.1)


def guardrail(status: str, variant: str = "b") -> MetricResult:
    result = GuardrailResult(0.1, status, 0.02, 0.01, 0.05, f"guardrail {status}")
    return metric(replace(one(0.01, 0.5, variant=variant), guardrail=result), role="guardrail", name="g")


def verdict(*metrics: MetricResult, rules: Rules = RULES, checks: tuple[Check, ...] = SOUND) -> str:
    return decide(checks, metrics, rules).verdict


def test_a_large_significant_improvement_ships() -> None:
    decision = decide(SOUND, [metric(one(0.08, 0.001)), guardrail("holds")], RULES)
    assert (decision.verdict, decision.should_ship, decision.winner) == ("ship", True, "b")


@pytest.mark.parametrize(("goal", "lift"), [("maximize", -0.5), ("minimize", 0.5)])
def test_a_significantly_worse_variant_never_wins_however_large_its_effect(goal: str, lift: float) -> None:
    decision = decide(SOUND, [metric(one(lift, 1e-9, goal=goal), goal=goal)], RULES)
    assert (decision.verdict, decision.should_ship, decision.winner) == ("do_not_ship", False, None)


def test_minimize_flips_what_is_better() -> None:
    assert verdict(metric(one(-0.2, 0.001, goal="minimize"), goal="minimize")) == "ship"


def test_below_the_practical_threshold_is_said_and_not_shipped() -> None:
    decision = decide(SOUND, [metric(one(0.03, 0.001))], RULES)
    assert (decision.verdict, decision.should_ship) == ("below_threshold", False)
    assert "below the minimum detectable effect" in decision.recommendation
    assert verdict(metric(one(0.03, 0.001)), rules=replace(RULES, practical_threshold=None)) == "ship"


@pytest.mark.parametrize("name", ["srm", "contamination", "plan_changed"])
def test_invalid_beats_everything(name: str) -> None:
    broken = (Check(name, "fail", "broken"),)
    for lift, status in product((0.5, -0.5, 0.0), ("holds", "violated", "undecided")):
        assert verdict(metric(one(lift, 0.001)), guardrail(status), checks=broken) == "invalid"


@pytest.mark.parametrize("name", ["duplicates", "missing", "units", "variance", "pairs"])
def test_other_failing_checks_are_told_but_do_not_invalidate(name: str) -> None:
    decision = decide((Check(name, "fail", "seen"),), [metric(one(0.1, 0.001))], RULES)
    assert decision.verdict == "ship"
    assert any(reason.gate == name and reason.passed is False for reason in decision.reasons)


def test_a_violated_guardrail_blocks_and_an_undecided_one_never_passes() -> None:
    assert verdict(metric(one(0.1, 0.001)), guardrail("violated")) == "do_not_ship"
    assert verdict(metric(one(0.1, 0.001)), guardrail("undecided")) == "inconclusive"


def test_a_secondary_metric_that_got_worse_blocks() -> None:
    worse = metric(one(-0.1, 0.001), role="secondary", name="s")
    assert verdict(metric(one(0.1, 0.001)), worse) == "inconclusive"


@pytest.mark.parametrize("sizes", [{"units": 999}, {"planned_units": 1001}, {"min_sample_size": 1001}])
def test_a_fixed_plan_runs_to_its_end(sizes: dict[str, int]) -> None:
    assert verdict(metric(one(0.5, 1e-9)), rules=replace(RULES, **sizes)) == "keep_running"


def test_a_sequential_plan_may_ship_early_but_only_on_a_crossed_bound() -> None:
    early = replace(RULES, units=200, may_stop_early=True)
    assert verdict(metric(one(0.5, 1e-9)), rules=early) == "ship"
    assert verdict(metric(one(0.5, 0.2)), rules=early) == "keep_running"


def test_no_difference_at_the_planned_size_is_inconclusive_with_units_to_go() -> None:
    decision = decide(SOUND, [metric(one(0.01, 0.4))], RULES)
    assert decision.verdict == "inconclusive"
    assert "4,000 more units" in decision.recommendation
    assert "no effect" not in decision.recommendation


def test_the_best_shippable_variant_wins_and_ties_are_listed() -> None:
    both = metric(one(0.08, 0.001, variant="b"), one(0.2, 0.001, variant="c"))
    assert decide(SOUND, [both], RULES).winner == "c"
    tied = decide(SOUND, [both], RULES, are_tied=lambda best, other: True)
    assert tied.tied == ("c", "b")
    blocked = decide(SOUND, [both, guardrail("violated", variant="c")], RULES)
    assert (blocked.verdict, blocked.winner) == ("ship", "b")


def test_what_cannot_be_tested_is_not_shipped() -> None:
    assert verdict(metric(one(None, None))) == "inconclusive"


def test_without_a_relative_change_the_threshold_stays_open() -> None:
    gain = replace(one(0.3, 1e-6), lift=Interval(None, None, None, reason="the control level is 0"))
    assert verdict(metric(gain)) == "inconclusive"
    assert verdict(metric(gain), rules=replace(RULES, practical_threshold=None)) == "ship"


checks = st.lists(
    st.builds(
        Check,
        st.sampled_from(["srm", "contamination", "missing", "units"]),
        st.sampled_from(["pass", "fail", "not_enough_data", "not_run"]),
        st.just("x"),
    ),
    max_size=4,
)
comparisons = st.builds(one, st.none() | st.floats(-1, 1), st.none() | st.floats(0, 1))
rules = st.builds(
    Rules,
    st.just(0.05),
    st.integers(1, 2000),
    st.just(1000),
    st.integers(2, 2000),
    st.booleans(),
    st.none() | st.floats(0, 0.2),
    units_per_day=st.none() | st.floats(0.1, 1e6),
    days=st.none() | st.floats(0, 30),
    min_runtime_days=st.sampled_from([0.0, 3.0]),
)
statuses = st.sampled_from(["holds", "violated", "undecided"])


@given(st.lists(comparisons, min_size=1, max_size=3), st.lists(st.lists(statuses, min_size=3, max_size=3)), rules)
def test_harm_never_ships_and_losing_a_guardrail_never_harms(
    primaries: list[ComparisonResult], guarded: list[list[str]], plan: Rules
) -> None:
    names = ["b", "c", "d"][: len(primaries)]
    primary = metric(*(replace(one, variant=name) for one, name in zip(primaries, names, strict=True)))

    def judged(rows: list[list[str]]) -> tuple[str, str | None, dict[str, str]]:
        rails = [
            metric(*(guardrail(status, name).comparisons[0] for status, name in zip(row, names, strict=False)),
                   role="guardrail", name=f"g{place}")
            for place, row in enumerate(rows)
        ]  # fmt: skip
        decision = decide(SOUND, [primary, *rails], plan)
        worst = {name: max((row[place] for row in rows), key=["holds", "undecided", "violated"].index, default="holds")
                 for place, name in enumerate(names)}  # fmt: skip
        return decision.verdict, decision.winner, worst

    verdict_of, winner, worst = judged(guarded)
    if verdict_of == "ship":
        won = next(one for one in primary.comparisons if one.variant == winner)
        assert (won.is_significant, won.direction, worst[winner]) == (True, "better", "holds")
        assert plan.days is None or plan.days >= plan.min_runtime_days
    for left_out in range(len(guarded)):
        fewer = judged(guarded[:left_out] + guarded[left_out + 1 :])[0]
        assert (verdict_of, fewer) != ("ship", "do_not_ship")
        if verdict_of == "ship":
            assert fewer == "ship"


@given(comparisons, statuses, rules)
def test_a_need_is_told_only_for_what_is_open_and_counts_from_here(
    primary: ComparisonResult, status: str, plan: Rules
) -> None:
    decision = decide(SOUND, [metric(primary), guardrail(status)], plan)
    assert not decision.needs or decision.verdict in {"keep_running", "inconclusive"}
    for need in decision.needs:
        assert need.units is None or 0 <= need.units <= 5000
        assert need.text
        assert need.gate != "guardrail" or status == "undecided"
        assert need.gate != "primary" or not primary.is_significant
        assert need.gate != "runtime" or need.days > 0


def test_nothing_ships_before_the_minimum_runtime_but_harm_is_told() -> None:
    young = replace(RULES, days=1.5, min_runtime_days=3.0, may_stop_early=True)
    good = metric(one(0.1, 1e-6))
    decision = decide(SOUND, [good], young)
    assert decision.verdict == "keep_running"
    assert "the data span 1.5 days of at least 3 days" in decision.recommendation
    assert [reason.passed for reason in decision.reasons if reason.gate == "runtime"] == [False]
    assert [(need.gate, need.days) for need in decision.needs] == [("runtime", 1.5)]
    assert verdict(metric(one(-0.1, 1e-6)), rules=young) == "do_not_ship"
    assert verdict(good, guardrail("violated"), rules=young) == "do_not_ship"
    assert verdict(good, checks=(Check("srm", "fail", "broken"),), rules=young) == "invalid"
    assert verdict(good, rules=replace(young, days=3.0)) == "ship"
    assert verdict(metric(one(0.01, 0.5)), rules=young) == "keep_running"


def test_without_a_time_or_a_minimum_there_is_no_runtime_gate() -> None:
    for plan in (replace(RULES, min_runtime_days=3.0), replace(RULES, days=0.1)):
        decision = decide(SOUND, [metric(one(0.1, 1e-6))], plan)
        assert decision.verdict == "ship"
        assert all(reason.gate != "runtime" for reason in decision.reasons)


def test_units_and_days_to_come_are_told_by_metric() -> None:
    rail = guardrail("undecided").comparisons[0]
    rail = replace(rail, guardrail=replace(rail.guardrail, units_needed=13_000, days_needed=24.0))
    primary = replace(one(0.01, 0.4), days_needed=8.0)
    decision = decide(SOUND, [metric(primary), metric(rail, role="guardrail", name="g")], RULES)
    assert [(need.metric, need.units, need.days) for need in decision.needs] == [("m", 4000, 8.0), ("g", 12_000, 24.0)]
    assert (
        "About 4,000 more units for 'm' and 12,000 for 'g' would settle it (24 days at the present rate)."
        in decision.recommendation
    )
    beyond = replace(rail, guardrail=replace(rail.guardrail, units_needed=None, days_needed=None))
    text = decide(SOUND, [metric(one(0.1, 0.001)), metric(beyond, role="guardrail", name="g")], RULES).recommendation
    assert "More units will not settle 'g' while the estimate stays beyond the margin." in text


def test_the_planned_size_is_told_in_units_and_days() -> None:
    early = replace(RULES, units=400, units_per_day=100.0, days=4.0)
    decision = decide(SOUND, [metric(one(0.1, 0.001))], early)
    assert decision.needs[0].text == "planned size: 600 more units (6 days at the present rate)"
    assert "At the present rate that takes 6 days." in decision.recommendation


@given(checks, comparisons, statuses, rules)
def test_the_verdict_is_total_deterministic_and_invalid_dominates(
    found: list[Check], primary: ComparisonResult, status: str, plan: Rules
) -> None:
    metrics = [metric(primary), guardrail(status)]
    decision = decide(found, metrics, plan)
    assert decision.verdict in VERDICTS
    assert decision == decide(found, metrics, plan)
    broken = any(check.name in {"srm", "contamination"} and check.status == "fail" for check in found)
    assert (decision.verdict == "invalid") == broken
    assert decision.should_ship == (decision.verdict == "ship")
    if decision.should_ship:
        assert primary.is_significant
        assert primary.direction == "better"
        assert status == "holds"


def test_a_crossed_bound_with_an_open_guardrail_before_the_planned_size_keeps_running() -> None:
    early = replace(RULES, units=200, may_stop_early=True)
    assert verdict(metric(one(0.5, 1e-9)), guardrail("undecided"), rules=early) == "keep_running"
    assert verdict(metric(one(0.5, 1e-9)), guardrail("violated"), rules=early) == "do_not_ship"
    assert verdict(metric(one(0.01, 1e-9)), rules=early) == "keep_running"


def test_units_to_go_are_told_only_where_the_primary_metric_lacks_them() -> None:
    decision = decide(SOUND, [metric(one(0.1, 0.001)), guardrail("undecided")], RULES)
    assert "more units" not in decision.recommendation


def test_the_threshold_is_called_what_it_is() -> None:
    named = replace(RULES, practical_threshold=0.3, threshold_name="the practical threshold")
    text = decide(SOUND, [metric(one(0.1, 0.001))], named).recommendation
    assert "below the practical threshold" in text
    assert "minimum detectable effect" not in text
