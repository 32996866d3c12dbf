import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.covariates import quantile_linearised
from abkit.stats.estimate import Reason
from abkit.stats.median import median_difference, median_ratio, median_se
from abkit.stats.quantile_bootstrap import (
    binomial_bootstrap,
    binomial_bootstrap_difference,
    cluster_quantile_bootstrap,
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


def test_exact_bootstrap_is_the_limit_of_resampling():
    rng = np.random.default_rng(3)
    c, t = rng.exponential(1, 150), rng.exponential(1.3, 120)
    answer = binomial_bootstrap_difference(c, t, 0.5)
    ranks = [np.clip(rng.binomial(len(v) + 1, 0.5, 400_000), 1, len(v)) - 1 for v in (c, t)]
    gaps = np.sort(t)[ranks[1]] - np.sort(c)[ranks[0]]
    assert (answer.low, answer.high) == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), abs=0.01)
    one = binomial_bootstrap(c, 0.5)
    assert (one.low, one.high) == pytest.approx(tuple(np.quantile(np.sort(c)[ranks[0]], [0.025, 0.975])), abs=0.02)
    assert not binomial_bootstrap(c[:50], 0.95).details["is_reliable"]


def test_bootstrap_of_units_agrees_with_the_clustered_variance():
    rng = np.random.default_rng(4)
    units = np.repeat(np.arange(250), 8)
    c, t = (np.exp(rng.normal(0, 0.6, 250)[units] + rng.normal(0, 0.8, 2000)) for _ in range(2))
    boot = cluster_quantile_bootstrap(c, units, t, units, 0.9, rng, draws=2000)
    direct = quantile_difference(c, t, 0.9, 0.95, units, units)
    assert boot.se == pytest.approx(direct.se, rel=0.15)
    assert boot.value == direct.value
    assert cluster_quantile_bootstrap([1.0], [0], [1.0], [0], 0.5, rng).reason is Reason.TOO_FEW_UNITS


def test_median_standard_error_scales_and_refuses():
    values = np.random.default_rng(5).normal(size=25)
    assert median_se(3 * values) == pytest.approx(3 * median_se(values))
    assert median_difference([1.0, 2.0], [1.0, 2.0]).reason is Reason.TOO_FEW_UNITS
    assert median_ratio([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]).reason is Reason.NOT_POSITIVE
    with pytest.raises(ValueError, match="two values"):
        median_se([1.0])


def skewed(rng, users, rows, icc):
    user = rng.normal(0, np.sqrt(icc), (users, 1))
    return np.exp(user + rng.normal(0, np.sqrt(1 - icc), (users, rows))).ravel()


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


@pytest.mark.slow
@pytest.mark.parametrize(("q", "n"), [(0.5, 20), (0.5, 100), (0.95, 200), (0.95, 1000)])
def test_exact_bootstrap_covers(q, n):
    rng = np.random.default_rng(18)
    runs = 4000
    covered = sum(
        answer.low <= 0 <= answer.high
        for answer in (
            binomial_bootstrap_difference(rng.lognormal(size=n), rng.lognormal(size=n), q) for _ in range(runs)
        )
    )
    assert 0.935 <= covered / runs <= 0.99


@pytest.mark.slow
def test_small_medians_cover():
    rng = np.random.default_rng(19)
    runs = 6000
    answers = [median_difference(rng.lognormal(size=20), rng.lognormal(size=20)) for _ in range(runs)]
    assert 0.935 <= np.mean([a.low <= 0 <= a.high for a in answers]) <= 0.985
