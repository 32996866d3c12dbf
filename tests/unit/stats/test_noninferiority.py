import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.stats.estimate import Reason
from abkit.stats.means import mean_difference
from abkit.stats.noninferiority import mean_noninferiority, rate_noninferiority
from abkit.stats.summary import Summary

SUMMARIES = st.builds(Summary, st.integers(2, 10**5), st.floats(1, 1e3), st.floats(1e-3, 1e4))


@given(SUMMARIES, SUMMARIES, st.floats(0, 100))
def test_absolute_margin_is_the_one_sided_bound_of_the_difference(new, old, margin):
    bound = mean_difference(new, old, level=0.975, alternative="greater").low
    answer = mean_noninferiority(new, old, margin)
    if abs(bound + margin) > 1e-6:
        assert answer.is_significant == (bound > -margin)


@given(SUMMARIES, SUMMARIES, st.floats(0, 0.9))
def test_minimize_is_maximize_of_the_negative(new, old, margin):
    up = mean_noninferiority(new, old, margin, goal="minimize")
    flipped = [Summary(s.n, -s.mean, s.variance) for s in (new, old)]
    assert up.p_value == pytest.approx(mean_noninferiority(*flipped, margin).p_value)


def test_relative_margin_counts_the_noise_of_control():
    new, old = Summary(100, 9.5, 4.0), Summary(100, 10.0, 4.0)
    answer = mean_noninferiority(new, old, 0.1, relative=True)
    assert answer.value == pytest.approx(9.5 - 9.0)
    assert answer.se == pytest.approx((0.04 + 0.81 * 0.04) ** 0.5)


def test_relative_margin_for_a_minimized_metric():
    answer = mean_noninferiority(Summary(100, 10.5, 4.0), Summary(100, 10.0, 4.0), 0.1, relative=True, goal="minimize")
    assert answer.value == pytest.approx(11.0 - 10.5)


def test_underpowered_is_not_passed():
    assert not mean_noninferiority(Summary(3, 10.0, 100.0), Summary(3, 10.0, 100.0), 0.5).is_significant
    for few in (Summary(1, 10.0, 0.0), Summary(0, 0.0, 0.0)):
        answer = mean_noninferiority(few, Summary(3, 10.0, 100.0), 0.5)
        assert not answer.is_significant
        assert answer.reason is Reason.TOO_FEW_UNITS


def test_relative_margin_needs_a_positive_control():
    assert mean_noninferiority([1, 2], [-1, 0], 0.1, relative=True).reason is Reason.CONTROL_NOT_POSITIVE


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_rate_bound_and_p_value_tell_the_same(goal):
    for x in range(60, 101):
        answer = rate_noninferiority(x, 100, 80, 100, margin=0.1, goal=goal)
        bound = answer.low if goal == "maximize" else answer.high
        passed = bound > -0.1 if goal == "maximize" else bound < 0.1
        assert answer.is_significant == passed


def test_margin_zero_is_the_one_sided_score_test():
    answer = rate_noninferiority(39, 500, 13, 500, margin=0.0)
    assert answer.statistic == pytest.approx(3.70311762826626)


@pytest.mark.parametrize("margin", [-0.1, float("nan"), 1.0])
def test_margins_that_are_none_are_refused(margin):
    with pytest.raises(ValueError, match="margin"):
        rate_noninferiority(5, 10, 5, 10, margin=margin)
    if margin != 1.0:
        with pytest.raises(ValueError, match="margin"):
            mean_noninferiority([1, 2], [1, 2], margin)


def test_unknown_goal_is_refused():
    with pytest.raises(ValueError, match="goal"):
        mean_noninferiority([1, 2], [1, 2], 0.1, goal="up")
