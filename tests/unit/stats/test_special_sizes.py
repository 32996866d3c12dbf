import math

import numpy as np
import pytest
from scipy import stats

from abkit.stats.noise import paired_sd, quantile_sd, ratio_sd, trials_sd
from abkit.stats.sequential import ConfidenceSequence
from abkit.stats.special_sizes import (
    allocation_efficiency,
    always_valid_inflation,
    best_allocation,
    miller_sample_size,
    power_each,
    rank_sample_size,
    split_sample_size,
)

RNG = np.random.default_rng(33)


def test_split_size_has_the_power_it_was_asked_for():
    n = split_sample_size([0.5, 0.3, 0.2], [0.52, 0.29, 0.19], alpha=0.01, power=0.8)
    counts = RNG.multinomial(math.ceil(n), [0.52, 0.29, 0.19], size=20_000)
    expected = math.ceil(n) * np.array([0.5, 0.3, 0.2])
    p = stats.chi2.sf(((counts - expected) ** 2 / expected).sum(axis=1), 2)
    assert (p < 0.01).mean() == pytest.approx(0.8, abs=0.015)


def test_split_size_agrees_with_statsmodels():
    from statsmodels.stats.power import GofChisquarePower

    wanted = GofChisquarePower().solve_power(0.01, None, 0.001, 0.9, n_bins=2)
    assert split_sample_size([1, 1], [50.5, 49.5]) == pytest.approx(wanted, rel=1e-5)


def test_rank_size_has_about_the_power_it_was_asked_for():
    shift = math.sqrt(2) * stats.norm.ppf(0.65)
    n = math.ceil(float(rank_sample_size(0.65)))
    hits = [stats.mannwhitneyu(RNG.normal(shift, 1, n), RNG.normal(0, 1, n)).pvalue < 0.05 for _ in range(1500)]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.04)


def test_always_valid_inflation_is_the_ratio_of_the_intervals():
    sequence = ConfidenceSequence(planned_units=500, alpha=0.05)
    x = 500 * sequence.mixture_variance
    width = math.sqrt(2 * (x + 1) / x * (math.log1p(x) / 2 - math.log(0.05)))
    assert always_valid_inflation() == pytest.approx((width / 1.959963985) ** 2)
    assert 1 < always_valid_inflation(power=0.8) < always_valid_inflation()


def test_miller_folds_a_high_baseline():
    assert miller_sample_size(0.8, 0.05) == pytest.approx(miller_sample_size(0.2, 0.05))


def test_guardrails_pass_together_with_the_wanted_power():
    each = float(power_each(0.8, 4))
    assert each == pytest.approx(0.96)
    assert 1 - 5 * (1 - each) == pytest.approx(0.8)


def test_best_allocation_minimizes_the_total():
    for k in (1, 2, 5):
        ratios = np.linspace(0.1, 3, 2901)
        total = (1 + k * ratios) * (1 + 1 / ratios)
        assert ratios[total.argmin()] == pytest.approx(best_allocation(k), abs=2e-3)


def test_efficiency_is_relative_to_equal_halves():
    r = 3.0
    unequal = 1 / (1 / 1 + 1 / r) / (1 + r)
    assert allocation_efficiency(r) == pytest.approx(unequal / (1 / 2 / 2))


def test_noise_of_a_ratio_is_that_of_its_linear_form():
    x = RNG.poisson(5, 100_000) + 1.0
    y = 2 * x + RNG.normal(0, 3, x.size)
    ratio = y.mean() / x.mean()
    got = ratio_sd(y.std(), x.std(), np.corrcoef(x, y)[0, 1], ratio, x.mean())
    assert got == pytest.approx((y - ratio * x).std() / x.mean(), rel=1e-9)


def test_noise_of_a_median_is_that_of_many_medians():
    medians = np.median(RNG.normal(size=(4000, 401)), axis=1)
    assert quantile_sd(0.5, stats.norm.pdf(0)) / math.sqrt(401) == pytest.approx(medians.std(), rel=0.05)


def test_noise_of_pairs_and_trials():
    a = RNG.normal(size=200_000)
    b = 0.6 * a + 0.8 * RNG.normal(size=a.size)
    assert paired_sd(1.0, 0.6) == pytest.approx((a - b).std(), rel=0.01)
    assert trials_sd(0.3, 0.4, 0.5, 1e12) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: split_sample_size([1, 1], [2, 2]),
        lambda: split_sample_size([1, 0], [1, 1]),
        lambda: split_sample_size([1, 1], [2, 1], alpha=0.5, power=0.4),
        lambda: rank_sample_size(0.5),
        lambda: rank_sample_size(1.0),
        lambda: miller_sample_size(0.2, 0.0),
        lambda: miller_sample_size(0.4, 0.6),
        lambda: power_each(0.8, -1),
        lambda: best_allocation(0),
        lambda: always_valid_inflation(0.0),
        lambda: ratio_sd(1.0, 1.0, 0.0, 1.0, 0.0),
        lambda: quantile_sd(1.0, 1.0),
        lambda: paired_sd(1.0, 1.5),
        lambda: trials_sd(1.0, 1.0, 1.0, 0),
    ],
)
def test_impossible_requests_are_refused(call):
    with pytest.raises(ValueError):  # noqa: PT011
        call()
