"""Units to come: with so many, the plan's power is reached; checked by simulation and against textbook sizes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.analyzer.checks import check_weeks
from abkit.collectors import collect
from abkit.controller.analysis import source_of

VARIANTS = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]


def experiment(metric: object, **changes: object) -> ab.Experiment:
    own = {"min_sample_size": 100, "plan": ab.Plan(inference="fixed"), "min_detectable_effect": 0.1, "id": "x"}
    return ab.Experiment("demo", VARIANTS, metric, **{**own, **changes})


def frame(n: int, shift: float = 0.0, seed: int = 1, **columns: object) -> pd.DataFrame:
    """Both arms with mean 10 (and `shift`) and standard deviation 4, exactly."""
    rng = np.random.default_rng(seed)
    arm = rng.normal(size=n)
    arm = (arm - arm.mean()) / arm.std(ddof=1)
    values = np.concatenate([10 + 4 * arm, 10 + shift + 4 * arm[::-1]])
    return pd.DataFrame({"variant": ["a"] * n + ["b"] * n, "x": values, **columns})


def times(n: int, days: float) -> pd.DatetimeIndex:
    return pd.Timestamp("2026-11-02T00:10", tz="UTC") + pd.to_timedelta(
        np.linspace(0, days * 86400 - 1200, n), unit="s"
    )


def test_the_primary_metric_lacks_what_a_sample_size_says() -> None:
    one = ab.analyze(experiment(ab.Mean("x")), frame(100)).primary.comparisons[0]
    assert one.units_needed == pytest.approx(ab.sample_size(1.0, sd=4.0).n_total, rel=0.02)


def test_an_undecided_guardrail_lacks_what_a_non_inferiority_size_says() -> None:
    rail = ab.Mean("x", name="cost", goal="minimize", margin=0.1)
    data = frame(100, shift=0.2)
    analysis = ab.analyze(experiment(ab.Mean("x"), guardrail_metrics=[rail]), data)
    found = analysis.metric("cost").comparisons[0].guardrail
    assert found.status == "undecided"
    sd = 4 * np.sqrt((1 + 1.1**2) / 2)  # against 1.1 times the control, not against it
    expected = 2 * ((1.645 + 0.8416) * sd / (0.1 * 10 - 0.2)) ** 2 * 2
    assert found.units_needed == pytest.approx(expected, rel=0.03)
    assert found.days_needed is None


def test_a_guardrail_whose_estimate_is_beyond_its_margin_is_not_settled_by_more() -> None:
    rail = ab.Mean("x", name="cost", goal="minimize", margin=0.01)
    analysis = ab.analyze(experiment(ab.Mean("x"), guardrail_metrics=[rail]), frame(100, shift=0.3))
    found = analysis.metric("cost").comparisons[0].guardrail
    assert (found.status, found.units_needed) == ("undecided", None)
    assert any(need.metric == "cost" and need.units is None for need in analysis.decision.needs)


@pytest.mark.parametrize(
    "plan", [ab.Plan(inference="always_valid"), ab.Plan(inference="group_sequential", looks=4)], ids=["always", "group"]
)
@pytest.mark.parametrize("n", [100, 400])
def test_a_monitored_plan_is_judged_as_it_will_be_at_that_size(plan: ab.Plan, n: int) -> None:
    """From whatever size it is asked, the answer is the same but for the noise that was taken out of the data."""
    one = experiment(ab.Mean("x"), plan=plan, min_sample_size=1000)
    needed = ab.analyze(one, frame(n)).primary.comparisons[0].units_needed
    fixed = ab.sample_size(1.0, sd=4.0).n_total
    assert 1.0 < needed / fixed < 2.6
    at_size = ab.analyze(replace(one, plan=replace(plan)), frame(needed // 2)).primary.comparisons[0]
    if plan.inference == "always_valid":
        assert at_size.mde == pytest.approx(0.1, rel=0.02)


def test_days_to_come_follow_from_the_rate_where_there_is_a_time() -> None:
    data = frame(100, when=times(200, 4))
    one = experiment(ab.Mean("x"), min_sample_size=500)
    analysis = ab.analyze(one, ab.Source.frame(data, time="when"))
    assert (analysis.data.first_seen, analysis.data.days) == ("2026-11-02T00:10:00Z", 4.0)
    size = next(need for need in analysis.decision.needs if need.gate == "sample_size")
    assert (size.units, size.days) == (300, 6.0)
    assert "6 days" in analysis.decision.recommendation
    comparison = analysis.primary.comparisons[0]
    assert comparison.days_needed == pytest.approx((comparison.units_needed - 200) / 50)


def test_an_hour_of_data_has_no_rate() -> None:
    data = frame(100, when=times(200, 0.1))
    analysis = ab.analyze(experiment(ab.Mean("x"), min_sample_size=500), ab.Source.frame(data, time="when"))
    assert analysis.data.days == pytest.approx(3 / 24)
    assert all(need.days is None for need in analysis.decision.needs if need.gate != "runtime")


def test_a_young_experiment_waits_whatever_it_found() -> None:
    data = frame(100, shift=4.0, when=times(200, 2))
    one = experiment(ab.Mean("x"))
    source = ab.Source.frame(data, time="when")
    analysis = ab.analyze(one, source)
    assert analysis.decision.verdict == "keep_running"
    assert analysis.to_dict()["plan"]["min_runtime_days"] == 3.0
    sooner = replace(one, plan=ab.Plan(inference="fixed", min_runtime_days=2))
    assert ab.analyze(sooner, source).decision.verdict == "ship"
    assert ab.analyze(one, data.drop(columns="when")).decision.verdict == "ship"


@pytest.mark.parametrize(
    ("days", "status"), [(7, "pass"), (14, "pass"), (6.6, "pass"), (9, "not_enough_data"), (3, "not_enough_data")]
)
def test_weeks_that_are_not_whole_are_told(days: float, status: str) -> None:
    data = frame(100, shift=4.0, when=times(200, days))
    analysis = ab.analyze(experiment(ab.Mean("x")), ab.Source.frame(data, time="when"))
    assert analysis.check("weeks").status == status
    assert analysis.decision.verdict == "ship"


def test_dates_alone_are_whole_days() -> None:
    dates = pd.to_datetime("2026-11-02") + pd.to_timedelta(np.arange(200) % 7, unit="D")
    source = ab.Source.frame(frame(100, when=dates), time="when")
    one = experiment(ab.Mean("x"))
    snapshot = collect(one, source_of(one, source), now=pd.Timestamp("2026-12-01", tz="UTC").to_pydatetime())
    assert (snapshot.days, check_weeks(snapshot).status) == (7.0, "pass")
