import numpy as np
import pytest
from scipy import stats

from abkit.stats.means import mean_difference
from abkit.stats.summary import Summary
from abkit.stats.welch import welch_tests

RNG = np.random.default_rng(8)


def test_batch_equals_scipy_and_the_single_call():
    n, mean, sd = RNG.integers(2, 500, (50, 2)), RNG.normal(5, 2, (50, 2)), RNG.uniform(0.5, 4, (50, 2))
    got = welch_tests(n[:, 1], mean[:, 1], sd[:, 1] ** 2, n[:, 0], mean[:, 0], sd[:, 0] ** 2)
    wanted = stats.ttest_ind_from_stats(mean[:, 1], sd[:, 1], n[:, 1], mean[:, 0], sd[:, 0], n[:, 0], equal_var=False)
    assert got.p_value == pytest.approx(wanted.pvalue, rel=1e-9)
    low, high = got.interval(0.9)
    for i in range(50):
        pair = (Summary(n[i, j], mean[i, j], sd[i, j] ** 2) for j in (1, 0))
        one = mean_difference(*pair, level=0.9)
        assert (one.df, one.low, one.high) == pytest.approx((got.df[i], low[i], high[i]))


def test_where_there_is_no_test_there_is_no_number():
    got = welch_tests([1, 5, 5, 0], 2.0, [0.0, 0.0, 1.0, 0.0], 5, 1.0, [1.0, 0.0, 0.0, 1.0])
    assert np.isnan(got.p_value).tolist() == [True, True, False, True]
    assert got.df[2] == pytest.approx(4.0)
    assert np.isnan(got.interval()[0]).tolist() == [True, True, False, True]
