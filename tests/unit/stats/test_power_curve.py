import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.power_curve import (
    discordant_power,
    mean_power,
    noncentral_t_power,
    normal_power,
    paired_power,
    rate_power,
)

RNG = np.random.default_rng(21)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("side", ["two-sided", "larger"])
def test_means_agree_with_statsmodels(ratio, side):
    from statsmodels.stats.power import TTestIndPower

    wanted = TTestIndPower().power(0.4, 40, 0.03, ratio=ratio, alternative=side)
    got = mean_power(0.4, 1.0, 1.0, 40, 40 * ratio, alpha=0.03, alternative=side.replace("larger", "greater"))
    assert got == pytest.approx(wanted, rel=1e-8)


def test_pairs_agree_with_statsmodels():
    from statsmodels.stats.power import TTestPower

    assert paired_power(0.4, 1.0, 40) == pytest.approx(TTestPower().power(0.4, 40, 0.05), rel=1e-8)


def test_unequal_variances_against_simulation():
    n_c, n_t, runs = 12, 40, 40_000
    control, treatment = RNG.normal(0, 3, (runs, n_c)), RNG.normal(1.8, 1, (runs, n_t))
    rejected = stats.ttest_ind(treatment, control, axis=1, equal_var=False).pvalue <= 0.05
    assert mean_power(1.8, 3.0, 1.0, n_c, n_t) == pytest.approx(rejected.mean(), abs=0.012)


@pytest.mark.parametrize("rates", [(0.2, 0.3), (0.9, 0.8)])
def test_rates_against_enumeration(rates):
    n = 150
    x = np.arange(n + 1)
    pooled = (x[:, None] + x) / (2 * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (x[:, None] - x) / n / np.sqrt(2 * pooled * (1 - pooled) / n)
    rejected = np.abs(z) > 1.959964
    exact = stats.binom.pmf(x, n, rates[1]) @ rejected @ stats.binom.pmf(x, n, rates[0])
    assert rate_power(*rates, n, n) == pytest.approx(exact, abs=0.02)


@given(st.floats(0.01, 3), st.floats(2, 1e5), st.floats(1e-4, 0.3))
def test_power_is_alpha_without_effect_and_rises_with_size(effect, n, alpha):
    assert mean_power(0.0, 1.0, 1.0, n, n, alpha=alpha) == pytest.approx(alpha, rel=1e-6)
    small, large = (
        mean_power(effect, 1.0, 1.0, n, n, alpha=alpha),
        mean_power(effect, 1.0, 1.0, 2 * n, 2 * n, alpha=alpha),
    )
    assert 0 < small <= large + 1e-12
    assert large <= 1 + 1e-12


@given(st.floats(0.01, 3), st.floats(3, 1e4))
def test_one_sided_tests_mirror(effect, n):
    up = mean_power(effect, 1.0, 2.0, n, n, alternative="greater")
    assert up == pytest.approx(mean_power(-effect, 1.0, 2.0, n, n, alternative="less"))
    assert normal_power(effect, 1.0, 1.0, 0.05, "greater") == pytest.approx(
        normal_power(-effect, 1.0, 1.0, 0.05, "less")
    )


def test_no_number_is_missing_far_out():
    shift = np.array([0.0, 5.0, 20.0, 37.0, 100.0, 1e4])
    power = noncentral_t_power(shift, np.array([[1.5], [10.0], [1e9]]), 0.05)
    assert np.isfinite(power).all()
    assert power[:, -1] == pytest.approx(1.0)


def test_strict_counts_the_wrong_side_too():
    strict, loose = normal_power(0.0, 1.0, 1.0, 0.05), normal_power(0.0, 1.0, 1.0, 0.05, strict=False)
    assert (strict, loose) == (pytest.approx(0.05), pytest.approx(0.025))


def test_discordant_pairs_against_simulation():
    runs, n, only_t, only_c = 200_000, 200, 0.2, 0.1
    counts = RNG.multinomial(n, [only_t, only_c, 1 - only_t - only_c], size=runs)
    z = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, 0] + counts[:, 1])
    assert discordant_power(0.1, 0.3, n) == pytest.approx((np.abs(z) > 1.959964).mean(), abs=0.01)


def test_noninferiority_gap_uses_the_constrained_variance():
    wanted = 0.9
    power = rate_power(0.8, 0.8, 336, 336, alpha=0.025, alternative="greater", gap=-0.1)
    assert power == pytest.approx(wanted, abs=0.01)
