"""What the simulation predicts, against simulating rows and analyzing them; and what a design promises, held to it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

import abkit as ab
from abkit.analyzer.characteristics import design_of, simulate_scenario
from abkit.analyzer.operating import ScenarioResult
from abkit.analyzer.scenario import Scenario, default_scenarios, detectable_split
from abkit.errors import DefinitionError
from abkit.models import Mean, Quantile, Ratio
from tests.unit.analyzer.populations import experiment, past, population_of

SLOW = pytest.mark.slow


def run(what, scenario, *, runs=1000, looks=None, seed=1, workers=1, frame=None) -> ScenarioResult:
    population = population_of(what, past() if frame is None else frame)
    return simulate_scenario(
        design_of(what, population, looks), population, scenario, runs=runs, seed=seed, workers=workers
    )


def test_the_same_seed_gives_the_same_numbers_with_any_number_of_workers():
    what = experiment("always_valid", units=600)
    scenario = Scenario("better", {"success": 0.3})
    one, three = (run(what, scenario, runs=700, looks=4, workers=n) for n in (1, 3))
    assert one == three
    assert run(what, scenario, runs=700, looks=4, seed=2) != one


def test_large_experiments_are_drawn_as_normal_sums_and_agree_with_resampling(monkeypatch):
    what = experiment("group_sequential", units=72_000, min_detectable_effect=0.05)
    scenario = Scenario("better", {"success": 0.025})
    normal = run(what, scenario, looks=3)
    assert normal.method == "sums of normal values"
    monkeypatch.setattr("abkit.analyzer.characteristics._may_be_normal", lambda units: False)
    resampled = run(what, scenario, looks=3, runs=400)
    assert resampled.method == "units of the past, drawn with replacement"
    for verdict in ("ship", "inconclusive"):
        gap = abs(normal.probabilities[verdict] - resampled.probabilities[verdict])
        assert gap < 1.5 * (normal.errors[verdict] + resampled.errors[verdict])


def by_rows(what, lifts, frame, sizes, runs, seed):
    """Draw users with replacement, change the rows of the treatment, and ask the real analysis at each look."""
    rng = np.random.default_rng(seed)
    verdicts = []
    for _ in range(runs):
        rows = frame.iloc[rng.integers(0, len(frame), sizes[-1])].reset_index(drop=True)
        rows["variant"] = rng.permutation(np.where(rng.random(sizes[-1]) < 0.5, "a", "b0"))
        treated = (rows["variant"] == "b0").to_numpy()
        for name, lift in lifts.items():
            if name == "success":
                level = frame["success"].mean()
                turned = treated & (rng.random(sizes[-1]) < level * lift / (1 - level)) & (rows[name] == 0)
                rows.loc[turned, name] = 1
            else:
                rows[name] = np.where(treated, rows[name] * (1 + lift), rows[name])
        for size in sizes:
            verdict = ab.analyze(what, rows.iloc[:size]).decision.verdict
            if verdict != "keep_running":
                break
        verdicts.append(verdict)
    return {verdict: verdicts.count(verdict) / runs for verdict in set(verdicts)}


@pytest.mark.parametrize(
    ("inference", "looks", "runs", "drawn"),
    [
        ("fixed", 1, 50, 1000),
        pytest.param("fixed", 1, 600, 4000, marks=pytest.mark.full),
        pytest.param("group_sequential", 3, 250, 4000, marks=pytest.mark.full),
        pytest.param("always_valid", 3, 250, 4000, marks=pytest.mark.full),
    ],
)
def test_it_predicts_what_simulated_rows_do(inference, looks, runs, drawn):
    """No cap here: the simulation fixes it at the past's own value, the analysis reads it off each experiment."""
    guardrails = [
        Quantile("latency", 0.9, goal="minimize", margin=0.25),
        Mean("score", margin=0.05, covariate="before"),
    ]
    what = experiment(inference, units=1500, guardrail_metrics=guardrails, plan={"looks": looks})
    frame, lifts = past(4000), {"success": 0.2, "latency": 0.05}
    scenario = Scenario("better", {"success": 0.2, "latency_p90": 0.05})
    predicted = run(what, scenario, looks=looks, runs=drawn, frame=frame).probabilities
    sizes = [round(1500 * (look + 1) / looks) for look in range(looks)]
    seen = by_rows(what, lifts, frame, sizes, runs, seed=7)
    assert sum(share > 0.05 for share in predicted.values()) > 1
    for verdict, share in predicted.items():
        band = 3.3 * np.sqrt(share * (1 - share) * (1 / runs + 1 / drawn)) + 0.5 / runs
        assert abs(seen.get(verdict, 0.0) - share) <= band, verdict


def test_default_scenarios_speak_of_every_guardrail():
    what = experiment()
    names = [scenario.name for scenario in default_scenarios(what)]
    at_margins = ["cost_at_margin", "latency_p90_at_margin", "score_at_margin"]
    assert names == ["no_effect", "design_effect", "harm", *at_margins, "broken_split"]
    at_margin = default_scenarios(what)[3]
    assert at_margin.lifts == {"success": 0.2, "cost": 0.2}


def test_a_scenario_of_unknown_metrics_or_variants_is_refused_with_all_problems():
    with pytest.raises(DefinitionError) as refused:
        run(experiment(), Scenario("wrong", {"sucess": 0.1}, treatments=("b1",), shares=(1.0,)))
    assert [problem.split(";")[0][:12] for problem in refused.value.problems] == [
        "no metric 's",
        "no treatment",
        "shares: one ",
    ]


def test_loss_is_what_was_shipped_or_missed():
    what = experiment(treatments=2, guardrail_metrics=[], secondary_metrics=[])
    result = run(what, Scenario("one is better", {"success": 0.3}, treatments=("b1",)))
    shipped = result.winners
    assert shipped["b1"] > 10 * shipped["b0"]
    assert result.expected_loss == pytest.approx(0.3 * (1 - shipped["b1"]))


def test_baselines_stand_for_a_past():
    what = experiment(units=2000, guardrail_metrics=[], secondary_metrics=[])
    known = ab.operating_characteristics(what, {"success": 0.36}, runs=800, scenarios=[Scenario("x", {"success": 0.2})])
    frame = past().assign(success=np.arange(2000) % 25 < 9)
    seen = ab.operating_characteristics(what, frame, runs=800, scenarios=[Scenario("x", {"success": 0.2})])
    gap = known.scenario("x").probabilities["ship"] - seen.scenario("x").probabilities["ship"]
    assert abs(gap) < 2 * known.scenario("x").errors["ship"]


def test_the_result_prints_itself():
    what = experiment(units=400)
    result = ab.operating_characteristics(what, past(), runs=50, daily_units=100)
    assert result.expected_days("no_effect") == result.scenario("no_effect").expected_units / 100
    assert len(repr(result).splitlines()) == 9
    assert "<td " in result._repr_html_()
    assert result.to_frame().loc["harm", "ship"] == result.scenario("harm").probabilities["ship"]
    assert result.to_dict()["scenarios"][0]["name"] == "no_effect"


# What a design promises, at so many experiments: shares with room for chance, 3 standard errors.

DESIGNS = [("fixed", 1), ("group_sequential", 14), ("always_valid", 14)]


@lru_cache
def promised(inference: str, looks: int, treatments: int = 1):
    """A rate with three guardrails, at the size that the plan asks for."""
    guardrails = [
        Mean("cost", goal="minimize", margin=0.25, cap=0.99),
        Ratio("cost", "calls", goal="minimize", margin=0.3),
        Mean("score", margin=0.05, covariate="before"),
    ]
    what = experiment(inference, treatments, guardrail_metrics=guardrails, secondary_metrics=[], plan={"looks": looks})
    return replace(what, min_sample_size=ab.plan(what, past()).units)


def share(result: ScenarioResult, verdict: str = "ship") -> float:
    return result.probabilities[verdict]


def room(rate: float, runs: int) -> float:
    return 3 * float(np.sqrt(rate * (1 - rate) / runs))


@SLOW
@pytest.mark.parametrize("runs", [1_000, pytest.param(20_000, marks=pytest.mark.full)])
@pytest.mark.parametrize(("inference", "looks"), DESIGNS)
class TestPromises:
    def test_without_effect_it_ships_at_most_alpha(self, inference, looks, runs):
        assert share(run(promised(inference, looks), Scenario("no_effect"), runs=runs, looks=looks)) <= 0.05 + room(
            0.05, runs
        )

    def test_the_design_effect_ships_at_least_with_the_planned_power(self, inference, looks, runs):
        result = run(promised(inference, looks), Scenario("better", {"success": 0.2}), runs=runs, looks=looks)
        assert share(result) >= 0.8 - room(0.8, runs)

    def test_a_guardrail_at_its_margin_ships_at_most_alpha(self, inference, looks, runs):
        for name, margin in (("cost", 0.25), ("cost_per_calls", 0.3), ("score", -0.05)):
            scenario = Scenario(name, {"success": 0.5, name: margin})
            assert share(run(promised(inference, looks), scenario, runs=runs, looks=looks)) <= 0.05 + room(
                0.05, runs
            ), name

    def test_harm_of_any_size_ships_at_most_half_alpha(self, inference, looks, runs):
        for size in (-0.001, -0.02, -0.2):
            scenario = Scenario("harm", {"success": size})
            assert share(run(promised(inference, looks), scenario, runs=runs, looks=looks)) <= 0.025 + room(
                0.025, runs
            ), size

    def test_the_best_of_four_without_effect_ships_at_most_alpha(self, inference, looks, runs):
        what = promised(inference, looks, treatments=4)
        assert share(run(what, Scenario("no_effect"), runs=runs, looks=looks)) <= 0.05 + room(0.05, runs)

    def test_a_broken_split_is_found(self, inference, looks, runs):
        what = promised(inference, looks)
        scenario = Scenario("broken", shares=detectable_split(what))
        assert share(run(what, scenario, runs=runs, looks=looks), "invalid") >= 0.95 - room(0.95, runs)
