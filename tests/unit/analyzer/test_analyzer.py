import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

import abkit as ab
from abkit.analyzer.schema import json_schema
from abkit.controller.analysis import parse_time

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SCHEMA = Path(ab.__file__).parent / "analyzer" / "analysis.schema.json"


def experiment(primary: ab.Mean | ab.Proportion | str, **changes: object) -> ab.Experiment:
    keys = {
        "key": "demo",
        "id": "00000000-0000-4000-8000-000000000000",
        "variants": [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        "min_sample_size": 10,
        "plan": ab.Plan(inference="fixed"),
    }
    return ab.Experiment(primary_metric=primary, **{**keys, **changes})


def frame(control: np.ndarray, treatment: np.ndarray, **columns: object) -> pd.DataFrame:
    names = ["a"] * len(control) + ["b"] * len(treatment)
    return pd.DataFrame({"variant": names, "x": np.concatenate([control, treatment]), **columns})


def analyze(one: ab.Experiment, data: object) -> ab.Analysis:
    return ab.analyze(one, data, now=NOW)


def test_the_primary_comparison_is_welch_s_test() -> None:
    rng = np.random.default_rng(1)
    control, treatment = rng.normal(5, 1, 40), rng.normal(6, 2, 70)
    found = analyze(experiment(ab.Mean("x")), frame(control, treatment)).primary.comparisons[0]
    expected = scipy_stats.ttest_ind(treatment, control, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)
    assert found.method == "welch t"


def test_the_json_fits_its_schema_and_the_schema_is_the_one_shipped() -> None:
    rng = np.random.default_rng(2)
    data = frame(rng.normal(5, 1, 40), rng.normal(6, 2, 70), t=pd.Timestamp("2026-01-01"))
    one = experiment(ab.Mean("x"), guardrail_metrics=[ab.Quantile("x", 0.99, margin=0.1)])
    plain = analyze(one, ab.Source.frame(data, time="t")).to_dict()
    assert json.loads(SCHEMA.read_text()) == json_schema()
    jsonschema.validate(plain, json_schema())
    assert next(iter(plain)) == "schema"
    assert plain["schema"] == "abkit.analysis/1"
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_every_key_of_the_contract_is_there() -> None:
    rng = np.random.default_rng(3)
    plain = analyze(experiment(ab.Mean("x")), frame(rng.normal(5, 1, 20), rng.normal(5, 1, 20))).to_dict()
    assert {"id", "key", "name", "confidence_level", "min_detectable_effect"} <= plain["experiment"].keys()
    assert {"fingerprint", "rows", "rows_left_out", "units"} <= plain["data"].keys()
    assert {"name", "is_control", "units", "rows", "missing"} <= plain["variants"][0].keys()
    assert {"name", "status", "p_value", "threshold", "message"} <= plain["checks"][0].keys()
    assert {"name", "kind", "role", "goal", "levels", "comparisons"} <= plain["metrics"][0].keys()
    assert {
        "variant",
        "difference",
        "lift",
        "p_value",
        "p_value_adjusted",
        "statistic",
        "df",
        "method",
        "is_significant",
        "direction",
    } <= plain["metrics"][0]["comparisons"][0].keys()
    assert {
        "verdict",
        "should_ship",
        "winner",
        "is_significant",
        "p_value",
        "confidence_interval_lower",
        "confidence_interval_upper",
        "relative_improvement",
        "recommendation",
        "reasons",
    } <= plain["decision"].keys()


def test_the_same_input_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(4)
    data = frame(rng.normal(5, 1, 500), rng.normal(5, 1, 500))
    one = experiment(ab.Mean("x"))
    assert analyze(one, data).to_json() == analyze(one, data).to_json()


def test_relative_change_from_zero_is_none_with_a_reason() -> None:
    data = frame(np.zeros(50), np.r_[np.zeros(25), np.ones(25)])
    for metric in (ab.Mean("x"), ab.Proportion("x")):
        lift = analyze(experiment(metric), data).primary.comparisons[0].lift
        assert lift.value is None
        assert "control level is 0" in str(lift.reason)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_rates_of_nothing_and_of_everything_have_an_interval(value: float) -> None:
    data = frame(np.full(30, value), np.full(30, value))
    found = analyze(experiment(ab.Proportion("x")), data).primary.comparisons[0]
    assert found.p_value == 1
    assert found.difference.low == pytest.approx(-0.1135, abs=1e-4)
    assert found.difference.high == pytest.approx(0.1135, abs=1e-4)


def test_small_counts_are_judged_by_an_exact_test() -> None:
    data = frame(np.r_[np.ones(3), np.zeros(7)], np.r_[np.ones(9), np.zeros(1)])
    found = analyze(experiment(ab.Proportion("x")), data).primary.comparisons[0]
    exact = scipy_stats.boschloo_exact([[9, 3], [1, 7]]).pvalue
    assert "exact" in found.method
    assert found.p_value is not None
    assert found.p_value >= exact
    assert found.is_significant == (found.difference.low is not None and found.difference.low > 0)


def test_no_variation_is_said_and_nothing_is_inferred() -> None:
    analysis = analyze(experiment(ab.Mean("x")), frame(np.full(20, 3.0), np.full(20, 4.0)))
    found = analysis.primary.comparisons[0]
    assert (found.p_value, found.difference.low, found.is_significant) == (None, None, False)
    assert "no variation" in str(found.difference.reason)
    assert analysis.check("variance").status == "fail"
    assert analysis.decision.verdict == "inconclusive"


def test_one_unit_per_variant_infers_nothing() -> None:
    found = analyze(experiment(ab.Mean("x")), frame(np.array([1.0]), np.array([2.0]))).primary.comparisons[0]
    assert found.p_value is None
    assert "fewer than two units" in str(found.difference.reason)


def test_a_broken_split_is_invalid_whatever_the_effect() -> None:
    rng = np.random.default_rng(5)
    analysis = analyze(experiment(ab.Mean("x")), frame(rng.normal(5, 1, 1000), rng.normal(9, 1, 1300)))
    assert analysis.check("srm").status == "fail"
    assert analysis.decision.verdict == "invalid"
    assert analysis.decision.winner is None


def test_contamination_above_the_limit_is_invalid() -> None:
    rng = np.random.default_rng(6)
    data = frame(rng.normal(5, 1, 100), rng.normal(5, 1, 100), unit=[*range(100), *range(97, 197)])
    analysis = analyze(experiment(ab.Mean("x")), ab.Source.frame(data, unit="unit"))
    assert analysis.check("contamination").status == "fail"
    assert analysis.decision.verdict == "invalid"


def test_more_missing_in_one_variant_is_told() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(5, 1, 400)
    values[:80] = np.nan
    data = frame(values[:200], values[200:])
    analysis = analyze(experiment(ab.Mean("x", missing="drop")), data)
    assert analysis.check("missing").status == "fail"
    assert analysis.variants[0].missing == {"x": 80}


@pytest.mark.parametrize(("goal", "factor"), [("minimize", 1.0), ("maximize", -1.0)])
@pytest.mark.parametrize(("shift", "status"), [(0.0, "holds"), (0.4, "violated"), (0.2, "undecided")])
def test_guardrails_hold_are_violated_or_stay_undecided(goal: str, factor: float, shift: float, status: str) -> None:
    rng = np.random.default_rng(8)
    size = 60 if status == "undecided" else 2000
    noise = rng.normal(0, 1, size)
    data = frame(5 + noise, 5 * (1 + factor * shift) + noise[::-1])
    one = experiment("success_rate", guardrail_metrics=[ab.Mean("x", goal=goal, margin=0.2)])
    analysis = analyze(one, data.assign(success_rate=1))
    found = analysis.metric("x").comparisons[0].guardrail
    assert found is not None
    assert found.status == status
    assert found.p_value is not None
    assert (found.p_value < 0.05) == (status == "holds")


def test_an_uncomputable_guardrail_is_undecided_never_passed() -> None:
    rng = np.random.default_rng(9)
    one = experiment(ab.Mean("x"), guardrail_metrics=[ab.Quantile("x", 0.99, margin=0.1)])
    analysis = analyze(one, frame(rng.normal(5, 1, 40), rng.normal(9, 1, 40)))
    assert analysis.metric("x_p99").comparisons[0].guardrail.status == "undecided"  # type: ignore[union-attr]
    assert analysis.decision.verdict == "inconclusive"


def test_several_treatments_pay_for_their_number() -> None:
    rng = np.random.default_rng(10)
    names = np.repeat(["a", "b", "c", "d"], 50)
    data = pd.DataFrame({"variant": names, "x": rng.normal(5, 1, 200)})
    variants = [ab.Variant(name, 25, is_control=name == "a") for name in "abcd"]
    found = analyze(experiment(ab.Mean("x"), variants=variants), data).primary.comparisons
    for one in found:
        assert one.p_value is not None
        assert one.p_value_adjusted == pytest.approx(min(1, 3 * one.p_value))
        assert one.confidence_level == pytest.approx(1 - 0.05 / 3)
        assert one.is_significant == (one.difference.low > 0 or one.difference.high < 0)  # type: ignore[operator]


def test_cuped_removes_variance_and_says_how_much() -> None:
    rng = np.random.default_rng(11)
    before = rng.normal(10, 2, 2000)
    data = frame(before[:1000] + rng.normal(0, 1, 1000), before[1000:] + rng.normal(0, 1, 1000), before=before)
    plain = analyze(experiment(ab.Mean("x")), data).primary
    adjusted = analyze(experiment(ab.Mean("x", covariate="before")), data).primary
    assert adjusted.variance_removed == pytest.approx(0.8, abs=0.03)
    assert adjusted.comparisons[0].difference.se == pytest.approx(
        plain.comparisons[0].difference.se * 0.2**0.5, rel=0.1
    )


def test_an_always_valid_plan_says_nothing_during_its_burn_in() -> None:
    rng = np.random.default_rng(12)
    one = experiment(ab.Mean("x"), plan=ab.Plan(inference="always_valid"), min_sample_size=1000)
    early = analyze(one, frame(rng.normal(5, 1, 20), rng.normal(50, 1, 20)))
    assert early.decision.verdict == "keep_running"
    assert "burn-in" in str(early.primary.comparisons[0].difference.reason)
    later = analyze(one, frame(rng.normal(5, 1, 100), rng.normal(50, 1, 100)))
    assert later.decision.verdict == "ship"


def test_a_bare_frame_and_an_experiment_without_data() -> None:
    with pytest.raises(ab.AbkitError, match="does not say where its data is"):
        ab.analyze(experiment(ab.Mean("x")))


def test_the_frame_of_results_has_a_row_per_comparison() -> None:
    rng = np.random.default_rng(13)
    one = experiment(ab.Mean("x"), secondary_metrics=[ab.Quantile("x", 0.5)])
    table = analyze(one, frame(rng.normal(5, 1, 40), rng.normal(6, 1, 40))).to_frame()
    assert table["metric"].tolist() == ["x", "x_p50"]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "22.11.2026"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ab.AbkitError, match="is not an ISO date"):
        parse_time(text)


def test_hostile_names_are_text_in_the_notebook() -> None:
    rng = np.random.default_rng(14)
    name = "<img src=x onerror=alert(1)>"
    data = frame(rng.normal(5, 1, 40), rng.normal(6, 1, 40)).rename(columns={"x": name})
    html = analyze(experiment(ab.Mean(name)), data)._repr_html_()
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_group_sequential_plan_spends_its_error_over_the_planned_looks() -> None:
    rng = np.random.default_rng(15)
    data = frame(rng.normal(5, 1, 200), rng.normal(5.25, 1, 200))
    plan = ab.Plan(inference="group_sequential", looks=4)
    early = analyze(experiment(ab.Mean("x"), plan=plan, min_sample_size=1600), data)
    final = analyze(experiment(ab.Mean("x"), plan=plan, min_sample_size=400), data)
    fixed = analyze(experiment(ab.Mean("x"), min_sample_size=400), data)
    widths = [one.primary.comparisons[0].difference for one in (early, final, fixed)]
    early_width, final_width, fixed_width = (interval.high - interval.low for interval in widths)  # type: ignore[operator]
    assert early_width > 1.5 * fixed_width, "little is spent at the first of four looks"
    assert fixed_width < final_width < 1.1 * fixed_width
    assert early.decision.verdict == "keep_running"
    assert final.primary.comparisons[0].method == "group sequential"


def test_a_group_sequential_plan_holds_its_error_over_all_looks() -> None:
    rng = np.random.default_rng(16)
    rejected, rounds, looks = 0, 80, 4
    one = experiment(ab.Mean("x"), plan=ab.Plan(inference="group_sequential", looks=looks), min_sample_size=400)
    for _ in range(rounds):
        control, treatment = rng.normal(5, 1, (2, 200))
        rejected += any(
            analyze(one, frame(control[:n], treatment[:n])).primary.comparisons[0].is_significant
            for n in (50, 100, 150, 200)
        )
    assert rejected / rounds < 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5


def test_a_constant_variant_does_not_escape_the_burn_in() -> None:
    rng = np.random.default_rng(17)
    variants = [ab.Variant("a", 1, is_control=True), ab.Variant("b", 99)]
    always = experiment(ab.Mean("x"), variants=variants, plan=ab.Plan(), min_sample_size=1000)
    data = frame(np.zeros(3), rng.binomial(1, 0.67, 297).astype(float))
    assert analyze(always, data).decision.verdict == "keep_running"
    fixed = experiment(ab.Mean("x"), min_sample_size=10)
    found = analyze(fixed, frame(np.zeros(2), rng.binomial(1, 0.67, 200).astype(float))).primary.comparisons[0]
    assert (found.p_value, found.is_significant) == (None, False)
    assert "too few to show how much they vary" in str(found.difference.reason)


def test_rare_events_in_a_small_control_do_not_ship_by_chance() -> None:
    rng = np.random.default_rng(18)
    variants = [ab.Variant("a", 10, is_control=True), ab.Variant("b", 90)]
    one = experiment(ab.Proportion("x"), variants=variants, plan=ab.Plan(), min_sample_size=1000)
    shipped, rounds = 0, 60
    for _ in range(rounds):
        events = rng.binomial(1, 0.05, 400).astype(float)
        looks = [frame(events[: n // 10], events[n // 10 : n]) for n in (120, 200, 400)]
        shipped += any(analyze(one, look).decision.verdict == "ship" for look in looks)
    assert shipped / rounds <= 0.05


def test_a_negative_control_level_has_no_relative_threshold_to_pass() -> None:
    rng = np.random.default_rng(19)
    data = frame(-100 + rng.normal(0, 0.1, 400), -99.95 + rng.normal(0, 0.1, 400))
    judged = analyze(experiment(ab.Mean("x"), min_detectable_effect=0.5), data).decision
    assert judged.verdict == "inconclusive"
    assert "practical_threshold: null" in judged.recommendation
    without = experiment(ab.Mean("x"), plan=ab.Plan(inference="fixed", practical_threshold=None))
    assert analyze(without, data).decision.verdict == "ship"


def test_a_lopsided_rate_has_a_lift_interval_that_agrees_with_its_test() -> None:
    data = frame(np.r_[np.ones(4), np.zeros(396)], np.r_[np.ones(16), np.zeros(384)])
    found = analyze(experiment(ab.Proportion("x")), data).primary.comparisons[0]
    assert found.lift.low == pytest.approx(0.381, abs=0.001)
    assert found.lift.high == pytest.approx(10.307, abs=0.001)


def test_more_units_are_counted_at_the_split_that_there_is() -> None:
    rng = np.random.default_rng(20)
    even = frame(rng.normal(5, 1, 500), rng.normal(5, 1, 500))
    variants = [ab.Variant("a", 90, is_control=True), ab.Variant("b", 10)]
    uneven = frame(rng.normal(5, 1, 900), rng.normal(5, 1, 100))
    units = [
        analyze(one, data).primary.comparisons[0].units_needed
        for one, data in (
            (experiment(ab.Mean("x"), min_detectable_effect=0.01), even),
            (experiment(ab.Mean("x"), min_detectable_effect=0.01, variants=variants), uneven),
        )
    ]
    assert units[1] / units[0] == pytest.approx(0.25 / 0.09, rel=0.15)  # type: ignore[operator]


def test_the_decision_says_which_variant_its_numbers_belong_to_and_names_the_harmed_one() -> None:
    rng = np.random.default_rng(21)
    data = pd.DataFrame(
        {
            "variant": np.repeat(list("abc"), 200),
            "x": np.r_[rng.normal(5, 1, 200), rng.normal(4, 1, 200), rng.normal(5, 1, 200)],
        }
    )
    variants = [
        ab.Variant(name, share, is_control=name == "a") for name, share in zip("abc", (34, 33, 33), strict=True)
    ]
    judged = analyze(experiment(ab.Mean("x"), variants=variants), data).decision
    assert (judged.verdict, judged.variant, judged.winner) == ("inconclusive", "c", None)
    assert "'c'" in judged.recommendation
    assert "Do not ship 'b'" in judged.recommendation


def test_the_burn_in_of_rare_and_large_values_is_longer() -> None:
    rng = np.random.default_rng(22)
    one = experiment(ab.Mean("x"), plan=ab.Plan(), min_sample_size=1000)
    usual = analyze(one, frame(rng.normal(5, 1, 60), rng.normal(5, 1, 60)))
    assert usual.primary.comparisons[0].difference.low is not None
    rare = [np.where(rng.random(60) < 0.1, rng.gamma(2, 5, 60), 0.0) for _ in range(2)]
    assert "burn-in" in str(analyze(one, frame(*rare)).primary.comparisons[0].difference.reason)
    many = [np.where(rng.random(600) < 0.1, rng.gamma(2, 5, 600), 0.0) for _ in range(2)]
    assert analyze(one, frame(*many)).primary.comparisons[0].difference.low is not None
