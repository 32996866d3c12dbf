import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.estimate import Reason
from abkit.stats.means import mean_difference, trimmed_difference
from abkit.stats.summary import Summary

RNG = np.random.default_rng(7)
SUMMARIES = st.builds(Summary, st.integers(2, 10**6), st.floats(-1e3, 1e3), st.floats(1e-3, 1e4))
LEVELS = st.sampled_from([0.5, 0.8, 0.95, 0.99, 0.9999])


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("equal_var", [True, False])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_agrees_with_scipy(alternative, equal_var, level):
    new, old = RNG.normal(1, 2, 13), RNG.normal(0, 1, 31)
    expected = stats.ttest_ind(new, old, equal_var=equal_var, alternative=alternative)
    interval = expected.confidence_interval(level)
    method = "student" if equal_var else "welch"
    got = mean_difference(new, old, level=level, alternative=alternative, method=method)
    assert (got.statistic, got.p_value, got.df) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
    for bound, wanted in ((got.low, interval.low), (got.high, interval.high)):
        assert bound is None if np.isinf(wanted) else bound == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("equal_var", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.4])
def test_trimmed_agrees_with_scipy(equal_var, share):
    new, old = RNG.standard_t(2, 23), RNG.standard_t(2, 17)
    expected = stats.ttest_ind(new, old, equal_var=equal_var, trim=share)
    got = trimmed_difference(new, old, share=share, method="student" if equal_var else "welch")
    assert (got.statistic, got.p_value) == pytest.approx((expected.statistic, expected.pvalue))


@given(SUMMARIES, SUMMARIES, LEVELS)
def test_interval_excludes_zero_exactly_when_p_is_small(new, old, level):
    answer = mean_difference(new, old, level=level)
    assume(abs(answer.p_value - (1 - level)) > 1e-9)
    assert (answer.low > 0 or answer.high < 0) == (answer.p_value < 1 - level)


@given(SUMMARIES, SUMMARIES)
def test_swapping_the_variants_flips_the_sign(new, old):
    there, back = mean_difference(new, old), mean_difference(old, new)
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)
    assert there.p_value == back.p_value


@given(SUMMARIES, SUMMARIES, st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_scale_and_shift(new, old, scale, shift):
    moved = [Summary(s.n, s.mean * scale + shift, s.variance * scale**2) for s in (new, old)]
    plain, other = mean_difference(new, old), mean_difference(*moved)
    assert other.se == pytest.approx(plain.se * scale)
    assert other.df == pytest.approx(plain.df)
    assert other.value == pytest.approx(plain.value * scale, abs=1e-9 * (abs(shift) + scale * 1e3))


def test_one_constant_variant_has_the_other_ones_degrees_of_freedom():
    answer = mean_difference([5.5, 6.1, 4.9, 7.2], [5, 5, 5, 5])
    assert answer.df == pytest.approx(3.0)
    assert answer.p_value is not None


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        ([2.0], [1.0, 2.0], Reason.TOO_FEW_UNITS),
        ([], [1.0, 2.0], Reason.TOO_FEW_UNITS),
        ([2.0, 2.0], [1.0, 1.0], Reason.ZERO_VARIANCE),
        ([1.0, 1.0], [1.0, 1.0], Reason.ZERO_VARIANCE),
    ],
)
@pytest.mark.parametrize("method", ["welch", "student", "z"])
def test_what_cannot_be_tested_has_a_reason(new, old, reason, method):
    answer = mean_difference(new, old, method=method)
    assert answer.reason is reason
    assert (answer.p_value, answer.low, answer.high) == (None, None, None)
    assert answer.value == (None if not new else np.mean(new) - np.mean(old))


def test_identical_variants_have_no_effect():
    answer = mean_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (answer.value, answer.p_value) == (0.0, 1.0)


def test_large_offset_keeps_its_digits():
    new, old = RNG.normal(0, 1e-3, 500), RNG.normal(2e-4, 1e-3, 500)
    near = mean_difference(new, old)
    far = mean_difference(new + 1e8, old + 1e8)
    assert far.p_value == pytest.approx(mean_difference((new + 1e8) - 1e8, (old + 1e8) - 1e8).p_value, rel=1e-6)
    assert far.se == pytest.approx(near.se, rel=1e-3)


def test_ten_billion_units():
    answer = mean_difference(Summary(10**10, 1.0001, 1.0), Summary(10**10, 1.0, 1.0))
    assert answer.statistic == pytest.approx(1e-4 / (2e-10) ** 0.5, rel=1e-9)
    assert answer.p_value == pytest.approx(2 * stats.norm.sf(answer.statistic), rel=1e-6)


@pytest.mark.parametrize("level", [0.4, 1.0, -1, 95])
def test_levels_out_of_range_are_refused(level):
    with pytest.raises(ValueError, match="confidence level"):
        mean_difference([1, 2], [1, 3], level=level)


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="method"):
        mean_difference([1, 2], [1, 3], method="anova")
    with pytest.raises(ValueError, match="alternative"):
        mean_difference([1, 2], [1, 3], alternative="bigger")


def test_null_difference_moves_the_statistic_only():
    plain, moved = mean_difference([1, 2, 3], [1, 1, 2]), mean_difference([1, 2, 3], [1, 1, 2], null=plain_value())
    assert moved.statistic == pytest.approx(0.0, abs=1e-12)
    assert (moved.low, moved.high) == (plain.low, plain.high)


def plain_value():
    return 2.0 - 4 / 3
