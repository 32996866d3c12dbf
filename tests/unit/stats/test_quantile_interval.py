import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.covariates import quantile_linearised
from abkit.stats.estimate import Reason
from abkit.stats.quantile_bootstrap import (
    binomial_bootstrap_difference,
)
from abkit.stats.quantile_interval import (
    binomial_quantile,
    order_statistic_ranks,
    quantile_difference,
    quantile_interval,
    quantile_se,
    rows_for_interval,
    sample_quantile,
)

RUNS = 10_000


def skewed(rng, users, rows, icc):
    user = rng.normal(0, np.sqrt(icc), (users, 1))
    return np.exp(user + rng.normal(0, np.sqrt(1 - icc), (users, rows))).ravel()


@given(st.integers(1, 400), st.floats(0.01, 0.99), st.floats(0.5, 0.9999))
def test_ranks_cover_what_they_say(n, q, level):
    ranks = order_statistic_ranks(n, q, level)
    low = 0 if ranks.lower is None else ranks.lower
    high = n + 1 if ranks.upper is None else ranks.upper
    below = stats.binom.cdf(low - 1, n, q) if low else 0.0
    assert ranks.coverage == pytest.approx(stats.binom.cdf(high - 1, n, q) - below, abs=1e-12)
    assert ranks.coverage >= level - 1e-9


@given(st.floats(0.0001, 0.9999), st.integers(1, 1000), st.floats(0.01, 0.99))
def test_binomial_quantile_is_the_smallest_that_reaches_p(p, n, q):
    k = binomial_quantile(p, n, q)
    assert stats.binom.cdf(k, n, q) >= p * (1 - 1e-9)
    assert stats.binom.cdf(k - 1, n, q) < p


def test_rows_needed_are_the_fewest():
    assert [rows_for_interval(q) for q in (0.95, 0.99, 0.999)] == [72, 368, 3688]
    assert order_statistic_ranks(71, 0.95).upper is None
    assert order_statistic_ranks(72, 0.95).upper is not None


def test_too_few_rows_are_refused_with_a_reason():
    answer = quantile_interval(np.arange(300.0), 0.99)
    assert (answer.high, answer.reason) == (None, Reason.TOO_FEW_UNITS)
    assert answer.low is not None
    assert quantile_interval([], 0.5).reason is Reason.TOO_FEW_UNITS
    short = quantile_difference(np.arange(60.0), np.arange(60.0), 0.95)
    assert (short.value, short.p_value, short.reason) == (None, None, Reason.TOO_FEW_UNITS)
    ties = quantile_difference(np.ones(500), np.ones(500), 0.5)
    assert (ties.p_value, ties.reason) == (None, Reason.ZERO_VARIANCE)


def test_quantile_is_the_inverse_of_the_distribution():
    for q in (0.05, 0.5, 0.9, 0.95, 0.99):
        for n in (10, 20, 100, 333):
            values = np.random.default_rng(n).permutation(n) + 1.0
            assert sample_quantile(values, q) == np.quantile(values, q, method="inverted_cdf")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-6, 1e6), st.sampled_from([0.5, 0.9]))
def test_rescaling_does_not_change_the_verdict(seed, scale, q):
    rng = np.random.default_rng(seed)
    c, t, units = rng.lognormal(size=300), rng.lognormal(0.1, size=300), np.repeat(np.arange(100), 3)
    for clusters in ((None, None), (units, units)):
        one = quantile_difference(c, t, q, 0.95, *clusters)
        other = quantile_difference(c * scale, t * scale, q, 0.95, *clusters)
        assert other.statistic == pytest.approx(one.statistic)
        assert other.details["lift_low"] == pytest.approx(one.details["lift_low"])
        flipped = quantile_difference(t, c, q, 0.95, *clusters)
        assert flipped.value == pytest.approx(-one.value)
        assert flipped.p_value == pytest.approx(one.p_value)
    exact, scaled = binomial_bootstrap_difference(c, t, q), binomial_bootstrap_difference(c * scale, t * scale, q)
    assert (scaled.low, scaled.high) == pytest.approx((exact.low * scale, exact.high * scale))


def test_clusters_of_one_row_change_little():
    values = np.random.default_rng(1).lognormal(size=2000)
    _, plain = quantile_se(values, 0.9)
    _, clustered = quantile_se(values, 0.9, np.arange(2000))
    assert clustered == pytest.approx(plain, rel=0.01)


def test_linearised_values_carry_the_same_standard_error():
    rng = np.random.default_rng(2)
    values, units = rng.lognormal(size=3000), np.repeat(np.arange(300), 10)
    quantile, se = quantile_se(values, 0.9, units)
    per_unit = quantile_linearised(values, 0.9, units)
    assert per_unit.mean() == pytest.approx(quantile)
    assert per_unit.std(ddof=1) / np.sqrt(300) == pytest.approx(se, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("users", "icc", "limits"), [(50, 0.3, (0.93, 0.985)), (200, 0.3, (0.935, 0.975)), (200, 0.0, (0.935, 0.975))]
)
def test_p95_with_eight_runs_per_user_covers(users, icc, limits):
    rng = np.random.default_rng(17)
    units = np.repeat(np.arange(users), 8)
    covered = 0
    for _ in range(RUNS // 2):
        answer = quantile_difference(skewed(rng, users, 8, icc), skewed(rng, users, 8, icc), 0.95, 0.95, units, units)
        covered += answer.low <= 0 <= answer.high
    assert limits[0] <= covered / (RUNS // 2) <= limits[1]
