import numpy as np
import pytest

from abkit.stats.covariates import cuped_difference
from abkit.stats.estimate import Reason
from abkit.stats.stratify import post_stratified_difference


def test_strata_remove_what_lies_between_them():
    rng = np.random.default_rng(7)
    strata = rng.integers(0, 3, 400)
    y = 5.0 * strata + rng.normal(0, 1, 400)
    treated = rng.random(400) < 0.5
    answer = post_stratified_difference(y[~treated], strata[~treated], y[treated] + 1, strata[treated])
    assert answer.se == pytest.approx(0.1, rel=0.15)
    assert answer.details["variance_removed"] > 0.9
    assert answer.low < 1 < answer.high


def test_one_stratum_is_welch_and_a_thin_one_is_refused():
    y = np.random.default_rng(8).normal(size=40)
    one = post_stratified_difference(y[:15], np.zeros(15), y[15:], np.zeros(25))
    welch = cuped_difference(y[:15], y[15:], np.zeros(15), np.zeros(25))
    assert (one.value, one.se, one.df, one.p_value) == pytest.approx((welch.value, welch.se, welch.df, welch.p_value))
    assert one.details["variance_removed"] == 0.0
    thin = post_stratified_difference([1.0, 2.0, 3.0], [0, 0, 1], [1.0, 2.0, 3.0], [0, 0, 1])
    assert (thin.value, thin.reason) == (None, Reason.TOO_FEW_UNITS)
