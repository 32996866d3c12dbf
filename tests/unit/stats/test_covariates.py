import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.covariates import cuped_difference, impute_missing, quantile_linearised, regression_difference
from abkit.stats.estimate import Reason
from abkit.stats.least_squares import regression
from abkit.stats.ratio import ratio_difference, ratio_linearised


def arms(seed, n_c=40, n_t=60, slope=1.5, covariates=2):
    rng = np.random.default_rng(seed)
    x_c, x_t = rng.normal(5, 2, (n_c, covariates)), rng.normal(5, 2, (n_t, covariates))
    y_c = x_c @ np.full(covariates, slope) + rng.normal(0, 1, n_c)
    y_t = x_t @ np.full(covariates, slope) + rng.normal(0.5, 1, n_t)
    return y_c, y_t, x_c, x_t


def test_slopes_within_variants_are_those_of_ancova():
    data = arms(1)
    ancova = regression_difference(*data, interacted=False, correction="classical")
    adjusted = cuped_difference(*data)
    assert adjusted.value == pytest.approx(ancova.value)
    assert adjusted.details["theta"] == pytest.approx([1.5, 1.5], abs=0.2)
    assert adjusted.details["variance_removed"] == pytest.approx(0.95, abs=0.03)


def test_lin_is_the_difference_of_two_regression_lines_at_the_overall_mean():
    y_c, y_t, x_c, x_t = arms(3)
    overall = np.vstack([x_c, x_t]).mean(axis=0)
    lines = [
        regression(y, np.column_stack([np.ones(len(y)), x - overall])).coefficients[0]
        for y, x in ((y_c, x_c), (y_t, x_t))
    ]
    assert regression_difference(y_c, y_t, x_c, x_t).value == pytest.approx(lines[1] - lines[0])


def test_says_that_nothing_was_removed_when_nothing_was():
    y_c, y_t, *_ = arms(4)
    constant = cuped_difference(y_c, y_t, np.full(40, 0.1), np.full(60, 0.1))
    assert constant.details["variance_removed"] == 0.0
    assert constant.details["theta"] == 0.0
    assert constant.value == pytest.approx(constant.details["value_unadjusted"])
    assert constant.se == pytest.approx(constant.details["se_unadjusted"])
    lin = regression_difference(y_c, y_t, np.full(40, 0.1), np.full(60, 0.1))
    assert lin.details["variance_removed"] == 0.0


def test_covariate_that_explains_everything_leaves_no_test():
    x = np.arange(20.0)
    answer = cuped_difference(2 * x, 2 * x + 1, x, x)
    assert (answer.p_value, answer.reason) == (None, Reason.ZERO_VARIANCE)
    assert answer.value == pytest.approx(1.0)
    perfect = regression_difference(2 * x, 2 * x + 1, x, x)
    assert (perfect.p_value, perfect.reason) == (None, Reason.ZERO_VARIANCE)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.001, 1000), st.floats(-1e5, 1e5))
def test_covariate_units_do_not_matter(seed, scale, shift):
    y_c, y_t, x_c, x_t = arms(seed)
    before, after = (
        cuped_difference(y_c, y_t, x_c, x_t),
        cuped_difference(y_c, y_t, x_c * scale + shift, x_t * scale + shift),
    )
    assert after.value == pytest.approx(before.value, rel=1e-5, abs=1e-6)
    assert after.se == pytest.approx(before.se, rel=1e-5)
    swapped = cuped_difference(y_t, y_c, x_t, x_c)
    assert swapped.value == pytest.approx(-before.value)
    assert swapped.p_value == pytest.approx(before.p_value)


def test_ratios_and_quantiles_are_adjusted_by_their_linearised_values():
    rng = np.random.default_rng(5)
    before = rng.lognormal(0, 1, (2, 2000))
    runs = rng.integers(1, 9, (2, 2000))
    cost = runs * before * rng.lognormal(0, 0.3, (2, 2000))
    plain = ratio_difference(cost[0], runs[0], cost[1], runs[1])
    linear = [ratio_linearised(cost[i], runs[i]) for i in (0, 1)]
    answer = cuped_difference(*linear, before[0], before[1])
    assert answer.details["se_unadjusted"] == pytest.approx(plain.se)
    assert answer.se < 0.75 * plain.se
    below = [quantile_linearised(v, 0.5) for v in before * rng.lognormal(0, 0.3, (2, 2000))]
    reduced = cuped_difference(*below, np.log(before[0]), np.log(before[1]))
    assert reduced.details["variance_removed"] > 0.3


def test_missing_covariates_are_filled_and_marked():
    filled = impute_missing([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0]])
    assert filled.tolist() == [[1.0, 5.0, 0.0], [2.0, 6.0, 1.0], [3.0, 7.0, 0.0]]
    with pytest.raises(ValueError, match="impute"):
        cuped_difference([1.0, 2.0], [1.0, 2.0], [1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="same covariates"):
        cuped_difference([1.0, 2.0], [1.0, 2.0], [1.0], [1.0, 2.0])


def test_few_units_pay_for_their_covariates():
    data = arms(6, 8, 8, covariates=1)
    ancova = regression_difference(*data, interacted=False, correction="classical")
    answer = cuped_difference(*data)
    assert answer.df <= 13
    assert answer.se == pytest.approx(ancova.se, rel=0.2)
    assert cuped_difference([1.0], [2.0], [1.0], [2.0]).reason is Reason.TOO_FEW_UNITS


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, *(pytest.param(n, marks=pytest.mark.full) for n in (30, 200))])
def test_adjusted_tests_keep_the_error_and_shrink_the_variance(n):
    """Correlation 0.7: size 5 %, variance about 0.51 of the unadjusted one."""
    rng = np.random.default_rng(9)
    runs, rejected, ratio = 6000, [0, 0], []
    for _ in range(runs):
        x = rng.normal(size=(2, n))
        y = 0.7 * x + np.sqrt(0.51) * rng.normal(size=(2, n))
        answers = cuped_difference(*y, *x), regression_difference(*y, *x, interacted=n > 10)
        ratio.append(answers[0].value)
        for i, answer in enumerate(answers):
            rejected[i] += answer.p_value < 0.05
    assert all(0.035 <= count / runs <= 0.065 for count in rejected)
    assert np.var(ratio) * n / 2 == pytest.approx(0.51, rel=0.15)
