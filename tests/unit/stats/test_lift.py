import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from abkit.stats import Comparison, Moments, RatioLevel, StudentTest, delta_method
from abkit.stats.estimate import Reason
from abkit.stats.lift import geometric_lift, mean_lift
from abkit.stats.means import mean_difference
from abkit.stats.summary import Summary

POSITIVE = st.builds(Summary, st.integers(3, 10**5), st.floats(0.1, 1e3), st.floats(1e-3, 1e4))
METHODS = ["fieller", "fieller plug-in", "delta", "log"]


@given(POSITIVE, POSITIVE, st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_fieller_never_contradicts_the_difference(new, old, level):
    lift, difference = mean_lift(new, old, level=level), mean_difference(new, old, level=level)
    assume(lift.reason is None and abs(difference.p_value - (1 - level)) > 1e-9)
    assert (lift.low > 0 or lift.high < 0) == (difference.p_value < 1 - level)
    assert lift.p_value == difference.p_value


@given(POSITIVE, POSITIVE)
def test_fieller_bounds_are_the_ratios_at_which_welch_just_rejects(new, old):
    lift = mean_lift(new, old)
    assume(lift.reason is None)
    for bound in (lift.low, lift.high):
        ratio = bound + 1
        scaled = Summary(old.n, ratio * old.mean, ratio**2 * old.variance)
        assert mean_difference(new, scaled).p_value == pytest.approx(0.05, abs=2e-6)


@pytest.mark.parametrize("method", METHODS)
@given(new=POSITIVE, old=POSITIVE, scale=st.floats(1e-3, 1e3))
def test_rescaling_the_metric_changes_nothing(method, new, old, scale):
    moved = [Summary(s.n, s.mean * scale, s.variance * scale**2) for s in (new, old)]
    plain, other = mean_lift(new, old, method=method), mean_lift(*moved, method=method)
    assume(plain.reason is None and other.reason is None)
    assert (other.value, other.low, other.high) == pytest.approx(
        (plain.value, plain.low, plain.high), rel=1e-5, abs=1e-8
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.9, 0.975])
def test_one_sided_bounds_are_those_of_the_wider_two_sided_interval(method, level):
    new, old = Summary(40, 12.0, 9.0), Summary(50, 10.0, 16.0)
    both = mean_lift(new, old, method=method, level=2 * level - 1)
    up, down = (mean_lift(new, old, method=method, level=level, alternative=side) for side in ("greater", "less"))
    assert (up.low, up.high) == (pytest.approx(both.low), None)
    assert (down.low, down.high) == (None, pytest.approx(both.high))
    assert up.p_value == pytest.approx(1 - down.p_value)


def test_noisy_control_has_an_unbounded_set_and_still_a_p_value():
    new, old = Summary(20, 3.0, 1.0), Summary(20, 0.2, 1.0)
    answer = mean_lift(new, old)
    assert answer.reason is Reason.UNBOUNDED
    assert (answer.low, answer.high) == (None, None)
    assert answer.p_value == mean_difference(new, old).p_value
    assert answer.details["difference"] == pytest.approx(2.8)


@pytest.mark.parametrize("mean", [0.0, -1.0])
@pytest.mark.parametrize("method", METHODS)
def test_control_level_that_is_not_positive_has_no_lift(mean, method):
    answer = mean_lift(Summary(20, 3.0, 1.0), Summary(20, mean, 1.0), method=method)
    assert (answer.value, answer.p_value, answer.reason) == (None, None, Reason.CONTROL_NOT_POSITIVE)
    assert answer.details["difference"] == 3.0 - mean


def test_log_needs_a_positive_treatment_too():
    assert mean_lift(Summary(20, -3.0, 1.0), Summary(20, 1.0, 1.0), method="log").reason is Reason.NOT_POSITIVE


def test_constant_variants_have_a_lift_without_interval():
    answer = mean_lift([3.0, 3.0], [2.0, 2.0])
    assert (answer.value, answer.low, answer.reason) == (0.5, None, Reason.ZERO_VARIANCE)


def test_geometric_lift_is_welch_on_logarithms():
    rng = np.random.default_rng(1)
    new, old = rng.lognormal(0.3, 1, 50), rng.lognormal(0, 1, 60)
    log = mean_difference(np.log(new), np.log(old))
    answer = geometric_lift(new, old)
    assert answer.p_value == log.p_value
    assert (answer.low, answer.high) == pytest.approx((math.exp(log.low) - 1, math.exp(log.high) - 1))
    with pytest.raises(ValueError, match="positive"):
        geometric_lift([1.0, 0.0], [1.0, 2.0])


def test_log_interval_beyond_all_floats_is_no_number():
    answer = mean_lift(Summary(3, 1.0, 1.0), Summary(3, 0.1, 812.0), method="log")
    assert (answer.high, answer.reason) == (None, Reason.NOT_FINITE)


def test_with_a_handful_of_units_the_lift_still_says_what_the_difference_says():
    lift = mean_lift(Summary(3, 1, 1), Summary(3, 16, 4), level=0.999)
    assert lift.p_value > 0.001
    assert lift.high == 0.0


def test_lifts_at_several_levels_are_those_of_each():
    draws = [np.random.default_rng(seed).gamma(9, 1 + seed / 9, (3, 40, 1)) for seed in (1, 2)]
    blocks = [Moments.from_rows(np.concatenate([part, np.ones_like(part)], axis=-1)) for part in draws]
    alphas = np.array([0.05, 0.1])
    many = Comparison(delta_method(RatioLevel(), blocks, 2), 1, 0, StudentTest())
    for place, alpha in enumerate(alphas):
        found = [part[place] for part in many.lift_interval(alphas[:, None])]
        np.testing.assert_allclose(found, many.lift_interval(alpha), rtol=1e-12)
    one = Comparison(delta_method(RatioLevel(), [block[0] for block in blocks], 2), 1, 0, StudentTest())
    each = np.transpose([one.lift_interval(alpha) for alpha in alphas])
    np.testing.assert_allclose(one.lift_interval(alphas), each, rtol=1e-12)
