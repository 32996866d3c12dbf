import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import comb

from abkit.stats.estimate import Reason
from abkit.stats.rank import brunner_munzel, brunner_munzel_permutation, mann_whitney, rank_sum_distribution

samples = st.lists(st.integers(0, 6), min_size=2, max_size=25)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12))
def test_exact_rank_sum_agrees_with_scipy(seed, n_c, n_t):
    rng = np.random.default_rng(seed)
    c, t = rng.normal(size=n_c), rng.normal(size=n_t)
    answer = mann_whitney(c, t)
    for alternative, p_value in (
        ("two-sided", answer.p_value),
        ("greater", answer.p_value_greater),
        ("less", answer.p_value_less),
    ):
        expected = stats.mannwhitneyu(t, c, alternative=alternative, method="exact")
        assert (answer.u, p_value) == pytest.approx((expected.statistic, expected.pvalue))


@settings(max_examples=40, deadline=None)
@given(samples, samples)
def test_tied_rank_sum_agrees_with_scipy(c, t):
    pooled = np.array(c + t)
    if (pooled == pooled[0]).all() or len(np.unique(pooled)) == len(pooled):
        return
    answer, expected = mann_whitney(c, t), stats.mannwhitneyu(t, c, method="asymptotic")
    assert not answer.is_exact
    assert answer.p_value == pytest.approx(expected.pvalue)


def test_distribution_counts_every_arrangement():
    mass = rank_sum_distribution(4, 3)
    assert mass.sum() == pytest.approx(1.0)
    assert np.allclose(mass, mass[::-1])
    assert mass[0] == pytest.approx(1 / comb(7, 3))


def test_shift_interval_excludes_zero_exactly_when_the_test_rejects():
    rng = np.random.default_rng(1)
    for _ in range(300):
        answer = mann_whitney(rng.normal(size=8), rng.normal(0.9, 1, size=9))
        assert (answer.low > 0 or answer.high < 0) == (answer.p_value < 0.05)


def test_tiny_and_constant_samples():
    tiny = mann_whitney([1.0, 2.0], [3.0, 4.0])
    assert (tiny.low, tiny.high) == (None, None)
    assert tiny.p_value == pytest.approx(1 / 3)
    constant = mann_whitney([1.0] * 5, [1.0] * 5)
    assert (constant.p_value, constant.shift) == (1.0, 0.0)
    with pytest.raises(ValueError, match="value in both"):
        mann_whitney([], [1.0])


@settings(max_examples=60, deadline=None)
@given(samples, samples)
def test_brunner_munzel_agrees_with_scipy_and_is_symmetric(c, t):
    answer = brunner_munzel(c, t)
    swapped = brunner_munzel(t, c)
    assert answer.value == pytest.approx(1 - swapped.value)
    if answer.se is None:
        assert answer.reason in (Reason.SEPARATED, Reason.NO_VARIATION)
        return
    expected = stats.brunnermunzel(c, t)
    assert (answer.statistic, answer.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert 0 <= answer.low <= answer.value <= answer.high <= 1


def test_separated_variants_have_a_p_value_and_no_interval():
    answer = brunner_munzel([1, 2, 3, 4], [5, 6, 7])
    assert (answer.value, answer.low, answer.reason) == (1.0, None, Reason.SEPARATED)
    assert answer.p_value == pytest.approx(2 / comb(7, 3))
    assert answer.p_value == pytest.approx(brunner_munzel_permutation([1, 2, 3, 4], [5, 6, 7]))
    same = brunner_munzel([2, 2, 2], [2, 2])
    assert (same.value, same.p_value, same.reason) == (0.5, 1.0, Reason.NO_VARIATION)
    assert brunner_munzel([1], [2, 3]).reason is Reason.TOO_FEW_UNITS


def test_permutation_version_counts_all_splits():
    rng = np.random.default_rng(2)
    c, t = rng.integers(0, 5, 6), rng.integers(1, 7, 5)
    reference = stats.permutation_test(
        (c, t),
        lambda x, y: abs(stats.brunnermunzel(x, y).statistic) if max(x) >= min(y) and max(y) >= min(x) else np.inf,
        n_resamples=np.inf,
        alternative="greater",
        vectorized=False,
    )
    assert brunner_munzel_permutation(c, t) == pytest.approx(reference.pvalue, abs=0.005)
    many = brunner_munzel_permutation(rng.normal(size=30), rng.normal(size=30), rng, draws=4000)
    assert 0 < many <= 1
    with pytest.raises(ValueError, match="rng"):
        brunner_munzel_permutation(np.arange(30), np.arange(30))


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1000, pytest.param(4000, marks=pytest.mark.full)])
def test_unequal_spreads_keep_the_error_where_mann_whitney_does_not(runs):
    rng, wrong = np.random.default_rng(3), [0, 0]
    for _ in range(runs):
        c, t = rng.normal(0, 4, 15), rng.normal(0, 1, 45)
        wrong[0] += brunner_munzel(c, t).p_value < 0.05
        wrong[1] += mann_whitney(c, t).p_value < 0.05
    assert 0.04 <= wrong[0] / runs <= 0.068
    assert wrong[1] / runs > 0.08
