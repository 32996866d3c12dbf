import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.estimand import Effect, Levels
from abkit.stats.group_sequential import spending_bounds
from abkit.stats.inference import Comparison, StudentTest
from abkit.stats.spending import Spending
from abkit.stats.stopping import GroupSequentialTest, stopped_estimate


def effect_of(value, se=1.0, df=np.inf):
    return Effect(*(np.asarray(x, dtype=float) for x in (value, se, df, 1000.0, 500.0)))


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-6, 6),
    st.sampled_from([0.01, 0.05, 0.1]),
    st.sampled_from([(0.3,), (0.2, 0.6), (0.5, 1.2)]),
    st.sampled_from([4.0, 30.0, np.inf]),
)
def test_interval_excludes_zero_exactly_when_p_is_at_most_alpha(z, alpha, information, df):
    test, effect = GroupSequentialTest(information), effect_of(z, df=df)
    excluded = abs(z) > float(test.multiplier(effect, alpha))
    p_value = float(test.p_value(effect))
    assert excluded == (p_value < alpha) or p_value == pytest.approx(alpha, rel=1e-6)


def test_one_look_at_the_plan_is_the_fixed_test():
    effect = effect_of([0.5, 2.2, -3.0], df=[12.0, 12.0, 40.0])
    test = GroupSequentialTest((1.0,))
    assert np.allclose(test.multiplier(effect, 0.05), StudentTest().multiplier(effect, 0.05), atol=1e-8)
    assert np.allclose(test.p_value(effect), StudentTest().p_value(effect), rtol=1e-7)


def test_it_serves_a_comparison_in_batches_like_one_by_one():
    levels = Levels(
        np.array([[1.0, 1.3], [1.0, 1.05]]),
        np.tile(np.diag([0.01, 0.01])[None, None], (2, 1, 1, 1)),
        np.full((2, 1), 200.0),
    )
    test = GroupSequentialTest((0.3, 0.7))
    comparison = Comparison(levels, 1, 0, test)
    low, high = comparison.interval(0.05)
    p_values = comparison.p_value()
    for i in range(2):
        one = Comparison(Levels(levels.value[i], levels.covariance[i], levels.n[i]), 1, 0, test)
        assert float(one.interval(0.05)[0]) == pytest.approx(low[i])
        assert float(one.p_value()) == pytest.approx(p_values[i])
    lift_low, lift_high = comparison.lift_interval(0.05)
    assert ((lift_low > 0) == (low > 0)).all()
    assert ((lift_high > 0) == (high > 0)).all()


def test_repeated_look_changes_nothing():
    effect = effect_of(2.5)
    once, twice = GroupSequentialTest((0.3, 0.6)), GroupSequentialTest((0.3, 0.6, 0.6))
    assert once.multiplier(effect, 0.05) == twice.multiplier(effect, 0.05)


def test_before_anything_is_spent_the_interval_is_the_whole_line():
    test, effect = GroupSequentialTest((0.005,)), effect_of(7.0)
    assert np.isinf(test.multiplier(effect, 0.05))
    assert float(test.p_value(effect)) > 0.05


def test_zero_standard_error_has_no_p_value():
    assert np.isnan(GroupSequentialTest((0.5,)).p_value(effect_of(0.0, se=0.0)))


def test_enormous_effect_keeps_a_positive_p_value():
    p_value = float(GroupSequentialTest((0.5, 1.0)).p_value(effect_of(60.0)))
    assert 0 < p_value < 1e-10


def test_stopping_at_the_first_look_is_the_fixed_answer():
    answer = stopped_estimate(3.0, 1.0, spending_bounds([0.5]))
    assert answer.value == pytest.approx(3.0, abs=1e-9)
    assert (answer.low, answer.high) == pytest.approx((3 - 1.959964, 3 + 1.959964), abs=1e-6)


def test_final_p_value_at_the_bound_is_what_was_spent():
    bounds = spending_bounds([0.3, 0.6, 1.0], spending=Spending("pocock"))
    for k in (1, 2, 3):
        so_far = spending_bounds(bounds.information[:k], spending=Spending("pocock"))
        answer = stopped_estimate(float(so_far.efficacy[-1]), 1.0, so_far)
        assert answer.p_value == pytest.approx(so_far.spent[-1], rel=1e-3)


def test_one_sided_final_p_value_at_the_bound_is_what_was_spent():
    bounds = spending_bounds([0.3, 0.6], 0.025, sides=1)
    answer = stopped_estimate(float(bounds.efficacy[-1]), 1.0, bounds)
    assert answer.p_value == pytest.approx(bounds.spent[-1], rel=1e-6)
    assert (answer.high, answer.alternative, answer.reason) == (None, "greater", None)


def test_a_jump_that_no_earlier_look_saw_still_has_an_answer():
    answer = stopped_estimate(30.0, 1.0, spending_bounds([0.001, 0.6, 1.0]))
    assert answer.low < answer.value < 30.0


def test_sign_flips_with_the_effect():
    bounds = spending_bounds([0.4, 1.0])
    up, down = (stopped_estimate(value, 1.0, bounds) for value in (2.4, -2.4))
    assert up.value == pytest.approx(-down.value, abs=1e-8)
    assert up.low == pytest.approx(-down.high, abs=1e-8)
    assert up.p_value == pytest.approx(down.p_value)
    assert up.value < 2.4


@pytest.mark.slow
@pytest.mark.parametrize("runs", [400, pytest.param(4000, marks=pytest.mark.full)])
def test_median_unbiased_estimate_and_its_interval_after_stopping(runs):
    times, drift = np.array([0.25, 0.5, 0.75, 1.0]), 2.5
    bounds = [spending_bounds(times[: k + 1], spending=Spending("pocock")) for k in range(4)]
    rng = np.random.default_rng(3)
    steps = rng.normal(drift * np.diff(times, prepend=0), np.sqrt(np.diff(times, prepend=0)), (runs, 4))
    z = np.cumsum(steps, axis=1) / np.sqrt(times)
    crossed = np.abs(z) > bounds[-1].efficacy
    stop = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 3)
    answers = [
        stopped_estimate(z[i, k] / np.sqrt(times[k]), 1 / np.sqrt(times[k]), bounds[k]) for i, k in enumerate(stop)
    ]
    values, naive = np.array([a.value for a in answers]), z[np.arange(runs), stop] / np.sqrt(times[stop])
    assert abs((values < drift).mean() - 0.5) < 4 * np.sqrt(0.25 / runs)
    assert naive.mean() > drift * 1.1
    covered = np.mean([a.low <= drift <= a.high for a in answers])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)
