"""Sliders: each move is one small computation, and says the call that gives the same."""

from dataclasses import replace
from typing import Any

import pytest

import abkit as ab
from abkit import widgets

EXPERIMENT = ab.Experiment("demo", [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)], ab.Mean("x"), id="e1")


def run(call: str) -> Any:
    """What a person gets who pastes the call."""
    known = {"ab": ab, "experiment": EXPERIMENT, "replace": replace}
    *before, last = call.splitlines()
    exec("\n".join(before), known)
    return eval(last, known)


def test_the_call_of_the_power_calculator_gives_the_same_number() -> None:
    calculator = ab.widgets.power_calculator()
    calculator.move(rate=0.3, lift=0.05, power=0.9)
    assert calculator.to_text().startswith(f"{run(calculator.call).n_total:,.0f} units")
    assert calculator.call in calculator._repr_html_()
    assert calculator.move(daily_units=20_000).to_text() != calculator.move(daily_units=10).to_text()


@pytest.mark.parametrize("options", [{"mean": 0.02, "sd": 0.03}, {"mean": 0.02, "sd": 0.013, "paired": True}])
def test_the_call_for_a_mean_gives_the_same_number_at_every_place_of_the_sliders(options: dict[str, Any]) -> None:
    calculator = ab.widgets.power_calculator(**options, lift=-0.07, daily_units=None)
    for moves in ({}, {"sd": 2 * options["sd"]}, {"lift": -0.123456789}, {"power": 0.9, "alpha": 0.0166666}):
        assert calculator.move(**moves).to_text().startswith(f"{run(calculator.call).n_total:,.0f} units\n")


def plan_of(metric: Any, known: Any, **options: Any) -> Any:
    return ab.plan(replace(EXPERIMENT, primary_metric=metric, min_detectable_effect=0.1), known, **options)


@pytest.mark.parametrize(
    ("metric", "known", "start"),
    [
        (ab.Proportion("ok"), {"ok": 0.3}, {"lift": 0.1, "rate": 0.3}),
        (ab.Proportion("bad", goal="minimize"), {"bad": 0.95}, {"lift": -0.1, "rate": 0.95}),
        (ab.Mean("x"), {"x": ab.Baseline(0.02, sd=0.03)}, {"lift": 0.1, "mean": 0.02, "sd": 0.03}),
    ],
)
def test_the_calculator_of_a_plan_starts_with_its_primary_metric(metric: Any, known: Any, start: Any) -> None:
    plan = plan_of(metric, known, daily_units=123.4)
    calculator = ab.widgets.plan_calculator(plan)
    given = dict(one.split("=") for one in calculator.call.removeprefix("ab.sample_size(")[:-1].split(", "))
    assert {name: float(given[name]) for name in start} == pytest.approx(start, rel=0.01)
    assert float(given["power"]) == pytest.approx(plan.metrics[0].power)
    assert calculator.to_text().startswith(f"{run(calculator.call).n_total:,.0f} units, ")
    assert calculator.values["daily_units"] == 123
    assert "daily_units" not in ab.widgets.plan_calculator(plan_of(metric, known)).values


def test_a_plan_with_nothing_to_start_from_says_so() -> None:
    calculator = ab.widgets.plan_calculator(plan_of(ab.Mean("x"), {"x": ab.Baseline(-2.0, sd=1.0)}))
    assert "Nothing to try 'x' with" in calculator.to_text()
    assert calculator.call == ""


def test_numbers_that_cannot_be_together_are_told_and_the_sliders_stay() -> None:
    calculator = ab.widgets.power_calculator(rate=0.9)
    assert "power calculator" in calculator.move(lift=0.3).to_text()
    assert calculator.call == ""
    assert calculator.move(lift=0.05).call.startswith("ab.sample_size(lift=0.05, rate=0.9")


def test_a_start_outside_of_the_usual_range_widens_it() -> None:
    assert ab.widgets.power_calculator(daily_units=50_000).sliders[-1].high == 50_000
    alone = replace(EXPERIMENT, variants=[ab.Variant("a", 100, is_control=True), ab.Variant("b", 0)])
    assert ab.widgets.traffic_simulator(alone).move(treatment=50).call.startswith("changed")


@pytest.mark.parametrize("moves", [{}, {"treatment": 20}, {"users": 500, "seed": 3}, {"treatment": 20, "users": 500}])
def test_the_call_of_the_traffic_simulator_gives_the_same_split(moves: dict[str, float]) -> None:
    simulator = ab.widgets.traffic_simulator(EXPERIMENT).move(**moves)
    for variant in run(simulator.call).variants:
        assert f"{variant.users:,}" in simulator.to_text()


def test_a_move_computes_once_and_hashes_each_user_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    hashed = widgets.HashedUsers.of
    monkeypatch.setattr(
        widgets.HashedUsers, "of", lambda one, users, by: (calls.append(users.size), hashed(one, users, by))[1]
    )
    simulator = ab.widgets.traffic_simulator(EXPERIMENT)
    calls.clear()
    simulator.move(users=20_000)
    assert calls == [20_000]


def test_a_slider_moves_what_is_shown() -> None:
    ipywidgets = pytest.importorskip("ipywidgets")
    box = ab.widgets.power_calculator().live()
    rate, shown = box.children[0], box.children[-1]
    assert isinstance(shown, ipywidgets.HTML)
    before = shown.value
    rate.value = 0.4
    assert shown.value != before
    assert "rate=0.4" in shown.value


def test_where_there_are_no_widgets_the_answer_and_the_call_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABKIT_STATIC", "1")
    bundle = ab.widgets.power_calculator()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" not in bundle
    assert "ab.sample_size(lift=0.1, rate=0.2, power=0.8, alpha=0.05)" in bundle["text/html"]


def test_what_cannot_be_moved_is_refused() -> None:
    with pytest.raises(ab.AbkitError, match="no slider 'lfit'; did you mean 'lift'"):
        ab.widgets.power_calculator().move(lfit=0.1)
    with pytest.raises(ab.AbkitError, match="rate goes from"):
        ab.widgets.power_calculator().move(rate=2)
    paired = replace(EXPERIMENT, data=ab.Data(path="x.csv", unit="task", design="paired"))
    with pytest.raises(ab.AbkitError, match="no traffic to split"):
        ab.widgets.traffic_simulator(paired)
