import numpy as np
import pytest
from scipy import stats

from abkit.stats.cluster import clustered_difference
from abkit.stats.estimate import Reason
from abkit.stats.ratio import ratio_difference
from abkit.stats.resample import bootstrap_difference, cluster_bootstrap, permutation_test, poisson_bootstrap


def test_few_units_are_counted_exactly_and_many_are_shuffled():
    rng = np.random.default_rng(1)
    c, t = rng.normal(size=6), rng.normal(1, 1, size=5)
    exact = stats.permutation_test(
        (t, c), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, n_resamples=np.inf
    )
    answer = permutation_test(c, t)
    assert answer.p_value == pytest.approx(exact.pvalue)
    assert answer.details["p_value_greater"] + answer.details["p_value_less"] >= 1


def test_shuffles_agree_with_the_t_test_where_it_holds():
    rng = np.random.default_rng(12)
    c, t = rng.normal(size=40), rng.normal(0.4, 1, size=40)
    assert permutation_test(c, t, rng).p_value == pytest.approx(stats.ttest_ind(t, c).pvalue, abs=0.02)
    with pytest.raises(ValueError, match="rng"):
        permutation_test(c, t)


def test_permutation_never_says_zero_and_takes_any_statistic():
    rng = np.random.default_rng(2)
    answer = permutation_test(np.arange(30.0), np.arange(30.0) + 100, rng, lambda x: np.median(x, axis=-1), draws=199)
    assert answer.p_value == 2 / 200
    assert permutation_test([1.0] * 4, [1.0] * 4, rng, draws=99).p_value == 1.0
    assert permutation_test([], [1.0], rng).reason is Reason.TOO_FEW_UNITS


def test_same_seed_same_answer():
    data = np.random.default_rng(3).exponential(size=(2, 40))
    one, two = (bootstrap_difference(*data, np.random.default_rng(4), draws=500) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(("kind", "method"), [("bca", "BCa"), ("percentile", "percentile")])
def test_bootstrap_agrees_with_scipy(kind, method):
    rng = np.random.default_rng(5)
    c, t = rng.exponential(1, 60), rng.exponential(2, 45)
    answer = bootstrap_difference(c, t, rng, kind=kind, draws=20_000)
    expected = stats.bootstrap(
        (t, c), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=20_000, method=method, rng=rng
    )
    assert (answer.low, answer.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.03)
    assert answer.se == pytest.approx(expected.standard_error, rel=0.03)


def test_constant_samples_have_a_reason_where_scipy_has_nan():
    answer = bootstrap_difference([1.0] * 5, [2.0] * 5, np.random.default_rng(6))
    assert (answer.value, answer.low, answer.reason) == (1.0, None, Reason.ZERO_VARIANCE)
    assert bootstrap_difference([1.0], [2.0, 3.0], np.random.default_rng(6)).reason is Reason.TOO_FEW_UNITS


@pytest.mark.parametrize("weights", ["multinomial", "poisson"])
def test_bootstrap_of_clusters_agrees_with_the_clustered_variance(weights):
    rng = np.random.default_rng(7)
    units = np.repeat(np.arange(150), rng.integers(1, 12, 150))
    c, t = (rng.normal(0, 1, 150)[units] + rng.normal(0, 1, len(units)) for _ in range(2))
    answer = cluster_bootstrap(c, units, t, units, rng, draws=4000, weights=weights)
    assert answer.se == pytest.approx(clustered_difference(c, units, t, units).se, rel=0.07)
    assert cluster_bootstrap([1.0, 2.0], [0, 0], t, units, rng).reason is Reason.TOO_FEW_UNITS


def test_poisson_bootstrap_of_a_ratio_agrees_with_the_delta_method():
    rng = np.random.default_rng(8)
    x = rng.integers(1, 9, (2, 400)).astype(float)
    y = x * rng.lognormal(0, 0.5, (2, 400))
    answer = poisson_bootstrap(y[0], y[1], rng, control_denominator=x[0], treatment_denominator=x[1], draws=4000)
    expected = ratio_difference(y[0], x[0], y[1], x[1])
    assert answer.value == pytest.approx(expected.value)
    assert answer.se == pytest.approx(expected.se, rel=0.06)
    zero = poisson_bootstrap(y[0], y[1], rng, control_denominator=np.zeros(400), treatment_denominator=x[1])
    assert zero.reason is Reason.ZERO_TOTAL


@pytest.mark.slow
@pytest.mark.parametrize("runs", [400, pytest.param(1500, marks=pytest.mark.full)])
def test_percentile_covers_a_skewed_difference_and_bca_a_normal_one(runs):
    rng, covered = np.random.default_rng(9), [0, 0]
    for _ in range(runs):
        skewed = bootstrap_difference(rng.lognormal(size=100), rng.lognormal(size=100), rng, draws=999)
        normal = bootstrap_difference(rng.normal(size=100), rng.normal(size=100), rng, kind="bca", draws=999)
        covered[0] += skewed.low <= 0 <= skewed.high
        covered[1] += normal.low <= 0 <= normal.high
    assert all(0.925 <= count / runs <= 0.975 for count in covered)
