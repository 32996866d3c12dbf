import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abkit.errors import ParameterError
from abkit.stats.split import (
    alarm_rates,
    changed_ids,
    cluster_design_effect,
    count_range,
    detectable_deviation,
    dispersion,
    effective_clusters,
    independence,
)


@given(st.integers(1, 10**6), st.floats(0.0001, 0.9999), st.sampled_from([0.95, 0.999]))
def test_count_ranges_are_binomial_quantiles(n, share, level):
    wanted = stats.binom.ppf([(1 - level) / 2, (1 + level) / 2], n, share)
    assert count_range(n, share, level) == tuple(wanted.astype(int))


def test_a_single_split_of_equal_cells_agrees_with_the_chi_square_test():
    rng = np.random.default_rng(3)
    counts = rng.multinomial(100_000, np.full(1000, 1 / 1000))
    above = stats.chisquare(counts).pvalue
    ratio, p_value = dispersion(counts, np.ones(1000))
    assert ratio == pytest.approx(stats.chisquare(counts).statistic / 999)
    assert p_value == pytest.approx(2 * min(above, 1 - above), abs=0.01)


@pytest.mark.parametrize(("shares", "n"), [([0.5, 0.5], 1000), ([0.01, 0.99], 500), ([0.2, 0.3, 0.5], 100)])
def test_dispersion_keeps_its_level_on_both_sides(shares, n):
    rng = np.random.default_rng(11)
    counts = rng.multinomial(n, shares, size=(4000, 50))
    found = [dispersion(sets, shares) for sets in counts]
    for is_side in (np.less, np.greater):
        errors = np.mean([p < 0.05 and is_side(ratio, 1) for ratio, p in found])
        assert 0.025 - 3 * 0.0025 < errors < 0.025 + 3 * 0.0025


def test_turns_are_too_even_and_a_leak_is_too_uneven():
    ratio, p_value = dispersion([[50, 50], [50, 50], [51, 49]] * 20, [1, 1])
    assert ratio < 0.1
    assert p_value < 1e-9
    ratio, p_value = dispersion([[60, 40], [40, 60]] * 20, [1, 1])
    assert ratio > 3
    assert p_value < 1e-9
    with pytest.raises(ParameterError, match="every set has units"):
        dispersion([[0, 0]], [1, 1])


def test_alarm_rates_agree_with_published_looks():
    """14 daily looks at 0.05 alarm in 22.6 % of sound experiments, one look in 5 %."""
    rates = alarm_rates([1000] * 14, [1, 1], 0.05, np.random.default_rng(5), launches=20_000)
    assert rates.once == pytest.approx(0.05, abs=3 * 0.0016)
    assert rates.daily == pytest.approx(0.226, abs=3 * 0.003 + 0.002)
    assert rates.always_valid < 0.05


def test_alarm_rates_do_not_count_days_that_are_too_small_to_judge():
    rates = alarm_rates([3, 4, 2], [1, 1], 0.4, np.random.default_rng(5), launches=1000)
    assert rates.once == rates.daily
    assert alarm_rates([1, 1], [1, 1], 0.4, np.random.default_rng(5), launches=1000).daily == 0


def test_the_detectable_deviation_is_detected_as_often_as_said():
    share, n, threshold = 0.3, 20_000, 0.001
    off = detectable_deviation(n, share, threshold)
    counts = np.random.default_rng(1).binomial(n, share + off, size=20_000)
    p_values = stats.chi2.sf((counts - n * share) ** 2 / (n * share * (1 - share)), 1)
    assert np.mean(p_values < threshold) == pytest.approx(0.9, abs=0.01)


def test_independence_agrees_with_scipy():
    table = np.array([[120, 90, 30], [80, 110, 35]])
    assert independence(table) == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert independence([[1000, 2], [1000, 1]]) is None


def test_a_design_effect_is_the_variance_of_a_mean_of_unequal_clusters():
    sizes, icc = np.array([1, 2, 5, 10, 40]), 0.1
    rng = np.random.default_rng(2)
    common = rng.normal(0, np.sqrt(icc), (40_000, sizes.size))
    means = common + rng.normal(0, np.sqrt((1 - icc) / sizes), (40_000, sizes.size))
    variance = (means @ sizes / sizes.sum()).var() * sizes.sum()
    assert cluster_design_effect(sizes, icc) == pytest.approx(variance, rel=0.03)
    assert effective_clusters(sizes) == pytest.approx(58**2 / (sizes**2).sum())


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.2, 0.3, 0.5)])
def test_changed_ids_shrink_the_effect_as_a_simulation_says(shares):
    rng, n, change = np.random.default_rng(4), 400_000, 0.3
    first = rng.choice(len(shares), n, p=shares)
    second = np.where(rng.random(n) < change, rng.choice(len(shares), n, p=shares), -1)
    effect = np.arange(len(shares)) * 1.0
    outcome = np.where(second >= 0, (effect[first] + effect[second]) / 2, effect[first])
    variant = np.concatenate([first, second[second >= 0]])
    seen = np.concatenate([outcome, outcome[second >= 0]])
    told = changed_ids(change, shares)
    assert told.mixed == pytest.approx(np.mean((second >= 0) & (first != second)), abs=0.003)
    for treatment in range(1, len(shares)):
        difference = seen[variant == treatment].mean() - seen[variant == 0].mean()
        assert difference / treatment == pytest.approx(told.attenuation, abs=0.01)
    assert told.extra_units == pytest.approx(told.attenuation**-2)
