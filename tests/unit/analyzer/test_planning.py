"""Planned sizes against other calculators, and against experiments run at them and decided as abkit decides."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special
from statsmodels.stats.power import NormalIndPower, TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_confint

import abkit as ab
from abkit.analyzer import analyze_snapshot
from abkit.analyzer.metric_plan import plan_metric
from abkit.analyzer.power import Gate
from abkit.controller.planning import population_of
from abkit.errors import DefinitionError, NotFoundError, ParameterError
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import Moments, RatioLevel, always_valid_inflation, inflation, spending_bounds

VARIANTS = [ab.Variant("plain", 50, is_control=True), ab.Variant("warming", 50)]
FREE = ab.Plan(inference="fixed", practical_threshold=None)
COST = ab.Baseline(2.0, sd=3.0)


def design(primary, guardrails=(), secondaries=(), plan=FREE, variants=VARIANTS, mde=0.1, **keys):
    return ab.Experiment(
        key="planned",
        variants=variants,
        primary_metric=primary,
        guardrail_metrics=list(guardrails),
        secondary_metrics=list(secondaries),
        min_sample_size=keys.pop("min_sample_size", 4),
        min_detectable_effect=mde,
        plan=plan,
        **keys,
    )


def gate(experiment, metric, role, baselines, power=0.8) -> Gate:
    found = plan_metric(experiment, metric, role, population_of(experiment, baselines), power).gate
    assert found is not None
    return found


# --- sizes, as other calculators have them


@pytest.mark.parametrize(("rate", "mde"), [(0.2, 0.25), (0.5, 0.02), (0.01, 0.3)])
def test_a_rate_needs_what_the_score_test_needs(rate, mde):
    plan = ab.plan(design(ab.Proportion("success"), mde=mde), {"success": rate})
    expected = ab.sample_size(lift=mde, rate=rate).n_control
    assert plan.metric("success").units_by_variant["plain"] == pytest.approx(expected, rel=1e-3, abs=1)


def test_a_mean_needs_what_statsmodels_says_for_the_mean_of_both_variances():
    plan = ab.plan(design(ab.Mean("cost"), mde=0.2), {"cost": COST})
    spread = math.sqrt((3.0**2 + (1.2 * 3.0) ** 2) / 2)
    expected = TTestIndPower().solve_power(0.4 / spread, power=0.8, alpha=0.05)
    assert plan.metric("cost").units_by_variant["plain"] == pytest.approx(expected, rel=2e-3)


def test_a_guardrail_needs_the_one_sided_test_against_its_margin():
    cost = ab.Mean("cost", goal="minimize", margin=0.1)
    plan = ab.plan(design(ab.Proportion("success"), [cost]), {"success": 0.3, "cost": COST})
    assert plan.power_each == pytest.approx(0.9)
    spread = math.sqrt((3.0**2 + (1.1 * 3.0) ** 2) / 2)
    expected = NormalIndPower().solve_power(0.2 / spread, power=0.9, alpha=0.05, alternative="larger")
    assert plan.metric("cost").units_by_variant["plain"] == pytest.approx(expected, rel=2e-3)


def test_uneven_traffic_and_several_treatments_cost_units():
    variants = [ab.Variant("a", 60, is_control=True), ab.Variant("b", 30), ab.Variant("c", 10)]
    plan = ab.plan(design(ab.Mean("cost"), mde=0.2, variants=variants), {"cost": COST}).metric("cost")
    spread = math.sqrt(3.6**2 + 3.0**2 / 6)  # per unit of the smallest treatment
    reach = -special.ndtri(0.05 / 2 / 2) + special.ndtri(0.8)
    assert plan.alpha == pytest.approx(0.025)
    assert plan.units_by_variant["c"] == pytest.approx((reach * spread / 0.4) ** 2, rel=5e-3)
    assert plan.units_by_variant["a"] == pytest.approx(6 * plan.units_by_variant["c"], abs=6)
    assert plan.units == sum(plan.units_by_variant.values())


def test_pairs_need_the_sd_of_their_difference():
    rng = np.random.default_rng(3)
    task = rng.normal(10, 2, 400)
    frame = pd.DataFrame(
        {
            "task": np.tile(np.arange(400), 2),
            "variant": np.repeat(["plain", "warming"], 400),
            "score": np.concatenate([task + rng.normal(0, 1, 400), task + rng.normal(0, 1, 400)]),
        }
    )
    plan = ab.plan(design(ab.Mean("score"), mde=0.02), ab.Source.frame(frame, unit="task", design="paired"))
    pairs = frame.pivot(index="task", columns="variant", values="score")
    difference = pairs["warming"] - pairs["plain"]
    metric = plan.metric("score")
    assert metric.sd == pytest.approx(difference.std())
    expected = TTestPower().solve_power(0.02 * pairs["plain"].mean() / difference.std(), power=0.8, alpha=0.05)
    assert metric.units == math.ceil(expected)
    assert metric.units_by_variant == {"plain": metric.units, "warming": metric.units}


def test_clustered_rows_cost_their_design_effect():
    clustered = ab.Baseline(0.3, icc=0.4, rows_per_unit=5)
    one = ab.plan(design(ab.Proportion("success")), {"success": 0.3}).metric("success")
    five = ab.plan(design(ab.Proportion("success")), {"success": clustered}).metric("success")
    assert five.icc == pytest.approx(0.4, abs=0.01)
    assert five.design_effect == pytest.approx(1 + 4 * 0.4, rel=0.03)
    assert five.units / one.units == pytest.approx((1 + 4 * 0.4) / 5, rel=0.03)
    assert (one.icc, one.icc_reason) == (None, "every unit is one row")


def test_a_covariate_saves_the_square_of_its_correlation():
    metric = ab.Mean("cost", covariate="before")
    plan = ab.plan(design(metric, mde=0.2), {"cost": ab.Baseline(2.0, sd=3.0, correlation=0.6)}).metric("cost")
    assert plan.covariate.variance_removed == pytest.approx(0.36, abs=1e-3)
    assert plan.units / plan.covariate.units_without == pytest.approx(0.64, abs=2e-3)
    assert plan.covariate.units_saved == plan.covariate.units_without - plan.units


def test_a_quantile_needs_its_density():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"latency": rng.exponential(1.0, 50_000)})
    plan = ab.plan(design(ab.Quantile("latency", 0.9, goal="minimize"), mde=0.1), frame).metric("latency_p90")
    assert plan.sd == pytest.approx(
        math.sqrt(0.9 * 0.1) / 0.1, rel=0.05
    )  # density of the unit exponential there is 0.1
    assert plan.baseline == pytest.approx(math.log(10), rel=0.02)


# --- monitoring


def test_monitoring_costs_what_the_methods_say():
    plan = ab.plan(design(ab.Proportion("success"), mde=0.02), {"success": 0.5}).metric("success")
    fixed, sequential, always = plan.monitoring
    assert (fixed.extra_units, fixed.ratio) == (0, 1.0)
    assert sequential.ratio == pytest.approx(inflation(spending_bounds(np.arange(1, 6) / 5), 0.8), rel=1e-3)
    assert sequential.power_with_looks == pytest.approx(0.8, abs=1e-3)
    assert always.ratio == pytest.approx(always_valid_inflation(0.05, power=0.8), rel=1e-3)
    assert always.extra_units == always.units - fixed.units
    assert 0.82 < always.power_with_looks < 0.87


def test_an_always_valid_plan_is_sized_by_its_own_sequence():
    plan = ab.Plan(inference="always_valid", practical_threshold=None)
    metric = ab.plan(design(ab.Proportion("success"), mde=0.05, plan=plan), {"success": 0.5}).metric("success")
    assert metric.units == metric.monitoring[2].units


# --- the decision


GUARDRAILS = {
    "cost": (ab.Mean("cost", goal="minimize", margin=0.1), COST),
    "tokens": (ab.Mean("tokens", goal="minimize", margin=0.1), ab.Baseline(100.0, sd=40.0)),
    "errors": (ab.Proportion("errors", goal="minimize", margin=0.1), ab.Baseline(0.05)),
}
RATE = 0.3


def tight_design(power_each):
    """A size at which the primary metric and each of three guardrails have exactly this power."""
    primary = ab.Proportion("success")
    experiment = design(primary, [metric for metric, _ in GUARDRAILS.values()])
    baselines = {"success": RATE, **{name: baseline for name, (_, baseline) in GUARDRAILS.items()}}
    units = 2 * math.ceil(gate(experiment, primary, "primary", baselines).units_for(0.1, power_each) / 2)
    guardrails = [
        replace(metric, margin=gate(experiment, metric, "guardrail", baselines).effect_for(units, power_each))
        for metric, _ in GUARDRAILS.values()
    ]
    plan = replace(FREE, planned_units=units)
    return replace(experiment, guardrail_metrics=guardrails, plan=plan), baselines, units


def ship_share(experiment, units, runs, rng):
    """How often a variant that is 10 % better, and no worse on any guardrail, ships."""
    shipped = 0
    n = units // 2
    for _ in range(runs):
        values = {
            "success": [rng.random(n) < RATE, rng.random(n) < RATE * 1.1],
            "cost": [rng.gamma(4 / 9, 4.5, n) for _ in "ct"],
            "tokens": [rng.normal(100, 40, n) for _ in "ct"],
            "errors": [rng.random(n) < 0.05 for _ in "ct"],
        }
        shipped += analyze_snapshot(experiment, snapshot_of(values, n)).decision.verdict == "ship"
    return shipped


def snapshot_of(values, n):
    def moments(name, arms):
        blocks = tuple(Moments.from_rows(np.stack([arm.astype(float), np.ones(n)], axis=-1)) for arm in arms)
        return MetricMoments(blocks, RatioLevel(), 2, {"plain": 0, "warming": 0}, name in {"success", "errors"})

    counts = {"plain": n, "warming": n}
    found = {name: moments(name, arms) for name, arms in values.items()}
    return Snapshot(("plain", "warming"), "randomized", "2026-01-01", "sha256:", counts, counts, 2 * n, 0, found)


def check_ships(runs, power_each, expected):
    experiment, baselines, units = tight_design(power_each)
    plan = ab.plan(experiment, baselines)
    shipped = ship_share(experiment, units, runs, np.random.default_rng(11))
    low, high = proportion_confint(shipped, runs, 0.01, method="beta")
    assert low < expected < high
    return plan, shipped, high


@pytest.mark.parametrize("runs", [200, pytest.param(400, marks=pytest.mark.full)])
def test_a_design_at_the_planned_size_ships_a_good_variant_as_often_as_planned(runs):
    plan, _, high = check_ships(runs, 0.95, 0.95**4)
    assert plan.units == pytest.approx(plan.planned_units, abs=40)
    assert plan.decision.at_least == pytest.approx(0.8, abs=0.005)
    assert plan.decision.if_independent == pytest.approx(0.95**4, abs=0.005)
    assert high > 0.8


@pytest.mark.parametrize("runs", [150, pytest.param(300, marks=pytest.mark.full)])
def test_without_the_correction_it_would_ship_only_41_percent(runs):
    plan, _, high = check_ships(runs, 0.8, 0.8**4)
    assert plan.uncorrected_power == pytest.approx(0.4096)
    assert high < 0.6
    assert plan.decision_at_planned_units.if_independent == pytest.approx(0.41, abs=0.01)


@pytest.mark.full
def test_the_planned_power_holds_in_many_experiments():
    _, shipped, _ = check_ships(2500, 0.95, 0.95**4)
    assert shipped / 2500 > 0.8


def test_a_threshold_at_the_effect_halves_the_chance_and_it_is_said_aloud():
    experiment = design(ab.Proportion("success"), plan=ab.Plan(inference="fixed"))
    plan = ab.plan(experiment, {"success": 0.3})
    assert plan.threshold.highest_power == pytest.approx(0.5, abs=2e-3)
    assert plan.decision.at_least < 0.5
    assert "NO NUMBER OF UNITS" in repr(plan)
    assert plan.warnings[0].startswith("NO NUMBER OF UNITS SHIPS A TRUE EFFECT OF 10% MORE OFTEN THAN 50%")
    lower = replace(experiment, plan=ab.Plan(inference="fixed", practical_threshold=plan.threshold.threshold_for_power))
    assert ab.plan(lower, {"success": 0.3}).decision.at_least == pytest.approx(0.8, abs=0.005)
    larger = replace(experiment, min_detectable_effect=plan.threshold.effect_for_power)
    threshold = replace(larger, plan=ab.Plan(inference="fixed", practical_threshold=0.1))
    at_size = replace(threshold, plan=replace(threshold.plan, planned_units=plan.units))
    assert ab.plan(at_size, {"success": 0.3}).decision_at_planned_units.at_least == pytest.approx(0.8, abs=0.005)


def test_the_chance_to_be_significant_and_reach_the_threshold_is_that_of_a_simulation():
    experiment = design(ab.Mean("cost"), mde=0.2)
    one = gate(experiment, experiment.primary_metric, "primary", {"cost": COST})
    rng, n, runs = np.random.default_rng(2), 500, 400_000
    control, treatment = rng.normal(2.0, 3.0 / n**0.5, runs), rng.normal(2.4, 3.6 / n**0.5, runs)
    se = math.sqrt((3.0**2 + 3.6**2) / n)
    for threshold in (0.0, 0.15, 0.2, 0.3):
        seen = (treatment - control > 1.962 * se) & (treatment >= (1 + threshold) * control)
        assert one.reaches(2 * n, 0.2, threshold) == pytest.approx(seen.mean(), abs=0.004)


def test_secondary_metrics_that_may_block_by_chance_are_paid_for():
    calls = ab.Mean("calls", goal="minimize")
    baselines = {"success": 0.3, "calls": ab.Baseline(4.0, sd=2.0)}
    alone = ab.plan(design(ab.Proportion("success")), {"success": 0.3})
    beside = ab.plan(design(ab.Proportion("success"), secondaries=[calls]), baselines)
    assert {miss.gate: miss.probability for miss in beside.decision.misses}["calls"] == pytest.approx(0.025)
    assert beside.decision.at_least >= 0.8
    assert beside.units > alone.units


def test_too_many_secondary_metrics_are_said_to_be_too_many():
    many = [ab.Mean(f"m{i}") for i in range(9)]
    baselines = {"success": 0.3, **{metric.name: ab.Baseline(4.0, sd=2.0) for metric in many}}
    plan = ab.plan(design(ab.Proportion("success"), secondaries=many), baselines)
    assert plan.fewest_units is None
    assert "each of 9 secondary metrics" in " ".join(plan.warnings)
    assert plan.decision.at_least < 0.8


def test_effects_that_no_rate_can_have_are_not_in_the_table():
    plan = ab.plan(design(ab.Proportion("success"), mde=0.5), {"success": 0.6})
    assert plan.sizes_frame().index.tolist() == [0.25, 0.375, 0.5]


def test_a_metric_that_some_units_lack_needs_more_units():
    rng = np.random.default_rng(9)
    score = rng.gamma(4, 1, 4000)
    full, half = (
        ab.plan(design(ab.Mean("s", missing="drop")), pd.DataFrame({"s": s}))
        for s in (score, np.where(np.arange(4000) % 2, score, np.nan))
    )
    assert half.units / full.units == pytest.approx(2, rel=0.1)
    assert "50 % of units have a value" in half.metric("s").notes[0]


def test_a_group_sequential_plan_has_its_power_at_the_last_look():
    plan = ab.Plan(inference="group_sequential", practical_threshold=None)
    found = ab.plan(design(ab.Proportion("success"), plan=plan), {"success": 0.3})
    assert found.decision.at_least >= 0.8
    assert found.units == pytest.approx(found.metric("success").units, rel=0.04)


def test_the_bottleneck_is_the_metric_that_needs_most():
    errors = ab.Proportion("errors", goal="minimize", margin=0.05)
    plan = ab.plan(design(ab.Proportion("success"), [errors]), {"success": 0.3, "errors": 0.01})
    assert plan.bottleneck == "errors"
    assert plan.units >= plan.metric("errors").units > plan.metric("success").units
    assert plan.fewest_units < plan.units  # the primary metric holds almost surely there


# --- sizes that are given, the curve, the table


def test_what_a_size_detects_needs_that_size():
    errors = ab.Proportion("errors", goal="minimize", margin=0.05)
    experiment = design(ab.Proportion("success"), [errors])
    plan = ab.plan(experiment, {"success": 0.3, "errors": 0.1}, sizes=[1000, 50_000])
    for name in ("success", "errors"):
        first, second = plan.metric(name).mde
        assert (first.units, second.units) == (1000, 50_000)
        assert first.mde > second.mde
    detected = plan.metric("success").mde[1].mde
    again = ab.plan(replace(experiment, min_detectable_effect=detected), {"success": 0.3, "errors": 0.1})
    assert again.metric("success").units == pytest.approx(50_000, abs=3)


def test_the_curve_rises_and_meets_the_target_at_the_planned_size():
    plan = ab.plan(design(ab.Proportion("success")), {"success": 0.3})
    powers = [point.decision for point in plan.curve]
    assert powers == sorted(powers)
    at = next(point for point in plan.curve if point.units == plan.units)
    assert at.decision == pytest.approx(0.8, abs=2e-3)


def test_the_table_of_sizes_has_the_plan_in_it():
    plan = ab.plan(design(ab.Proportion("success")), {"success": 0.3})
    table = plan.sizes_frame()
    assert table.loc[0.1, 0.8] == pytest.approx(plan.metric("success").units, abs=2)
    assert (table.diff(axis=1).iloc[:, 1:] > 0).all().all()


# --- runtime


def days(counts):
    frame = pd.DataFrame({"user": np.arange(sum(counts)), "success": 0})
    frame["success"] = (frame["user"] % 3 == 0).astype(int)
    frame["at"] = np.repeat(pd.date_range("2026-01-01", periods=len(counts)), counts)
    return ab.Source.frame(frame, unit="user", time="at")


def test_days_follow_from_new_units_a_day():
    plan = ab.plan(design(ab.Proportion("success"), mde=0.1), days([100] * 20))
    assert plan.runtime.daily_units == pytest.approx(100)
    assert plan.runtime.days == math.ceil(plan.units / 100)
    assert plan.runtime.weeks == math.ceil(plan.runtime.days / 7)
    given = ab.plan(design(ab.Proportion("success"), mde=0.1), days([100] * 20), daily_units=10_000)
    assert (given.runtime.days, given.runtime.weeks) == (1, 1)
    assert "run a full week" in " ".join(given.warnings)


def test_units_that_return_are_new_once():
    plan = ab.plan(design(ab.Proportion("success"), mde=0.1), days([400] * 5 + [50] * 5))
    assert plan.runtime.daily_units == pytest.approx(50)
    assert "later half" in plan.runtime.note


def test_without_a_time_there_is_no_runtime_but_a_reason():
    plan = ab.plan(design(ab.Proportion("success")), {"success": 0.3})
    assert plan.runtime.days is None
    assert "no time" in plan.runtime.reason


# --- what cannot be computed


@pytest.mark.parametrize(
    ("metric", "values", "said"),
    [
        (ab.Mean("x"), [1.0] * 50, "do not vary"),
        (ab.Mean("x"), [-1.0, -2.0] * 25, "control level is negative"),
        (ab.Mean("x"), [-1.0, 1.0] * 25, "control level is 0"),
        (ab.Quantile("x", 0.95), list(range(50)), "needs at least 92"),
        (ab.Quantile("x", 0.5), [1.0] * 400 + [2.0, 0.0], "share the value 1"),
        (ab.Mean("x", missing="drop"), [np.nan] * 50, "fewer than two past rows"),
        (ab.Proportion("x"), [1] * 49 + [0], "would exceed 100 %"),
    ],
)
def test_what_cannot_be_planned_has_a_reason_and_no_number(metric, values, said):
    plan = ab.plan(design(metric), pd.DataFrame({"x": values}))
    found = plan.metrics[0]
    assert said in found.reason
    assert (found.units, plan.units, plan.decision, plan.runtime.days) == (None, None, None, None)
    assert said in repr(plan)
    plan.to_json()


def test_a_guardrail_that_cannot_be_shown_stops_the_plan():
    errors = ab.Proportion("errors", goal="minimize", margin=0.0)
    plan = ab.plan(design(ab.Proportion("success"), [errors]), {"success": 0.3, "errors": 0.1})
    assert plan.metric("success").units is not None
    assert plan.units is None
    assert "without it no variant can ship" in plan.reasons[0]


def test_there_must_be_something_to_plan_with():
    with pytest.raises(DefinitionError, match="nothing to plan"):
        ab.plan(design(ab.Proportion("success")))
    with pytest.raises(NotFoundError, match="did you mean 'succes'"):
        ab.plan(design(ab.Proportion("success")), pd.DataFrame({"succes": [0, 1]}))
    with pytest.raises(ParameterError, match="daily_units"):
        ab.plan(design(ab.Proportion("success")), {"success": 0.3}, daily_units=0)
    with pytest.raises(ParameterError, match="sizes"):
        ab.plan(design(ab.Proportion("success")), {"success": 0.3}, sizes=[2])


# --- how it is told


def test_it_is_the_same_each_time_and_plain_data():
    experiment = design(ab.Proportion("success"), [GUARDRAILS["cost"][0]])
    baselines = {"success": 0.3, "cost": COST}
    first, second = ab.plan(experiment, baselines), ab.plan(experiment, baselines)
    assert first == second
    assert first.to_dict()["schema"] == "abkit.plan/1"
    assert list(first.to_frame()["name"]) == ["success", "cost"]


def test_names_are_escaped():
    hostile = "<script>alert(1)</script>"
    experiment = design(
        ab.Proportion("success", name=hostile), variants=[replace(VARIANTS[0], name="<b>"), VARIANTS[1]]
    )
    text = ab.plan(experiment, {hostile: 0.3})._repr_html_()
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text


def test_a_plan_of_the_bundled_example_finds_what_is_too_small(root):
    plan = ab.plan(ab.Experiment.from_yaml(root / "examples/agents/warming.yml"))
    assert (plan.design, plan.bottleneck) == ("paired", "latency_s_p95")
    assert plan.metric("success").units_by_variant["plain"] > 164
