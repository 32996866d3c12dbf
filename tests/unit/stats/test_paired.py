import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.estimate import Reason
from abkit.stats.least_squares import clustered_regression
from abkit.stats.paired import (
    paired_clustered_difference,
    paired_difference,
    paired_grouped_difference,
    sign_flip_test,
    signed_rank_test,
    task_differences,
)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_paired_t_agrees_with_scipy(seed, n):
    rng = np.random.default_rng(seed)
    c, t = rng.normal(0, 1, (2, n))
    answer, expected = paired_difference(c, t), stats.ttest_rel(t, c)
    assert (answer.statistic, answer.p_value, answer.df) == pytest.approx((expected.statistic, expected.pvalue, n - 1))
    assert (answer.low, answer.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_constant_differences_have_a_reason_and_no_p_value():
    answer = paired_difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert (answer.value, answer.p_value, answer.reason) == (1.0, None, Reason.ZERO_VARIANCE)
    assert paired_difference([1.0], [2.0]).reason is Reason.TOO_FEW_UNITS
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0], [2.0, 3.0])


def test_tasks_by_trials_is_the_paired_t_of_task_means():
    rng = np.random.default_rng(1)
    task = np.repeat(np.arange(20), 5)
    c, t = rng.random((2, 100)).round()
    answer = paired_clustered_difference(c, task, t, task)
    means = [v.reshape(20, 5).mean(axis=1) for v in (c, t)]
    expected = paired_difference(*means)
    assert (answer.value, answer.se, answer.df) == pytest.approx((expected.value, expected.se, 19))
    noise = sum(v.reshape(20, 5).var(axis=1, ddof=1).mean() / 5 for v in (c, t))
    assert answer.details["variance_of_trials"] == pytest.approx(noise)


def test_tasks_of_one_variant_only_are_left_out_and_order_does_not_matter():
    differences, tasks = task_differences([1, 0, 5], ["b", "a", "x"], [1, 1, 0, 9], ["a", "a", "b", "y"])
    assert (differences.tolist(), tasks.tolist()) == ([1.0, -1.0], ["a", "b"])


def test_groups_of_tasks_agree_with_the_general_regression():
    rng = np.random.default_rng(2)
    c, t, group = rng.normal(size=12), rng.normal(size=12), np.repeat(np.arange(4), [1, 2, 4, 5])
    answer, fit = paired_grouped_difference(c, t, group), clustered_regression(t - c, np.ones((12, 1)), group)
    assert (answer.value, answer.se, answer.df) == pytest.approx((fit.coefficients[0], fit.se[0], fit.df[0]))


def test_sign_flips_are_exact_for_few_and_close_for_many():
    rng = np.random.default_rng(3)
    d = rng.normal(0.5, 1, 10)
    reference = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_test(d).p_value == pytest.approx(reference.pvalue)
    many = np.concatenate([d, d, d])
    p_value = sign_flip_test(many, rng, draws=20_000).p_value
    assert p_value == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)
    with pytest.raises(ValueError, match="rng"):
        sign_flip_test(many)
    assert sign_flip_test([0.0, 0.0]).p_value == 1.0


def test_signed_rank_agrees_with_scipy():
    d = np.array([0.8, -0.3, 1.2, 0.05, 0.9, -0.1, 2.0])
    answer = signed_rank_test(d)
    assert answer.p_value == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)
    tied = signed_rank_test([1.0, 1.0, -1.0, 2.0, 0.0])
    assert 0 < tied.p_value <= 1
    assert signed_rank_test([0.0, 0.0]).reason is Reason.NO_VARIATION


@pytest.mark.slow
def test_pairing_has_the_power_and_keeps_the_error():
    """50 tasks x 5 trials, difficulty sd 1.5 logits: 5 % at no effect; at half a logit most, without pairing few."""
    rng = np.random.default_rng(9)
    task, runs = np.repeat(np.arange(50), 5), 2000
    null, paired, unpaired = 0, 0, 0
    for _ in range(runs):
        difficulty = np.repeat(rng.normal(0, 1.5, 50), 5)
        c, same, t = (rng.random(250) < 1 / (1 + np.exp(-difficulty - effect)) for effect in (0.0, 0.0, 0.5))
        null += paired_clustered_difference(c, task, same, task).p_value < 0.05
        paired += paired_clustered_difference(c, task, t, task).p_value < 0.05
        means = [v.reshape(50, 5).mean(axis=1) for v in (c, t)]
        unpaired += stats.ttest_ind(*means, equal_var=False).pvalue < 0.05
    assert 0.035 <= null / runs <= 0.065
    assert paired / runs > 0.5
    assert unpaired / runs < 0.25
