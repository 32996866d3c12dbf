import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.discordant import PairedRates
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
from abkit.stats.pass_rate import pass_at_k, pass_hat_k, pass_rate, pass_rate_difference

counts = st.integers(0, 60)


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


@given(counts, counts, counts, counts)
def test_paired_rates_are_symmetric_and_stay_in_range(both, only_c, only_t, neither):
    if both + only_c + only_t + neither == 0:
        return
    pairs, swapped = PairedRates(both, only_c, only_t, neither), PairedRates(both, only_t, only_c, neither)
    assert pairs.difference == -swapped.difference
    assert 0 < pairs.p_value_mid <= pairs.p_value_exact <= 1
    assert pairs.p_value_exact == pytest.approx(swapped.p_value_exact)
    for name in ("wald_interval", "agresti_min_interval", "newcombe_interval"):
        (low, high), (other_low, other_high) = getattr(pairs, name)(), getattr(swapped, name)()
        assert (low, high) == pytest.approx((-other_high, -other_low), abs=1e-12)
        assert -1 - 1e-12 <= low <= high <= 1 + 1e-12


def test_exact_test_is_the_binomial_and_no_discordant_pair_is_no_evidence():
    assert PairedRates(10, 3, 12, 5).p_value_exact == pytest.approx(stats.binomtest(3, 15).pvalue)
    none = PairedRates(10, 0, 0, 5)
    assert (none.p_value_exact, none.p_value_mid, none.p_value_asymptotic(), none.chi_square()) == (1.0, 1.0, 1.0, None)
    huge = PairedRates(0, 4000, 4200, 0)
    assert 0 < huge.p_value_mid < huge.p_value_exact < 0.05
    with pytest.raises(ValueError, match="task"):
        PairedRates(0, 0, 0, 0)


def test_newcombe_interval_of_the_published_example():
    """Newcombe (1998, 17:2635), table III: 36, 12, 2, 0 of 50 give 0.0569 to 0.3404 by method 10."""
    low, high = PairedRates(both=36, only_control=2, only_treatment=12, neither=0).newcombe_interval()
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=6e-5)


@given(st.integers(1, 12), st.data())
def test_pass_rates_are_unbiased_by_enumeration(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    from itertools import combinations

    outcomes = [1] * c + [0] * (n - c)
    drawn = [[outcomes[i] for i in chosen] for chosen in combinations(range(n), k)]
    assert float(pass_at_k(n, c, k)) == pytest.approx(np.mean([any(d) for d in drawn]))
    assert float(pass_hat_k(n, c, k)) == pytest.approx(np.mean([all(d) for d in drawn]))


def test_pass_rate_interval_is_between_tasks_and_differences_are_paired():
    n, c, t = [8] * 30, np.arange(30) % 9, (np.arange(30) + 1) % 9
    answer = pass_rate(n, c, k=3)
    per_task = pass_at_k(n, c, 3)
    assert answer.se == pytest.approx(per_task.std(ddof=1) / np.sqrt(30))
    assert 0 <= answer.low <= answer.value <= answer.high <= 1
    gap = pass_rate_difference(n, c, n, t, 3, every=True)
    assert gap.value == pytest.approx(float(np.mean(pass_hat_k(n, t, 3) - pass_hat_k(n, c, 3))))
    with pytest.raises(ValueError, match="at least k"):
        pass_at_k(2, 1, 3)


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
