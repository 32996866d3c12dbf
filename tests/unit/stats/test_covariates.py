import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.adjust import cuped
from abkit.stats.covariates import cuped_difference, impute_missing, quantile_linearised, regression_difference
from abkit.stats.estimand import RatioLevel, contrast
from abkit.stats.estimate import Reason
from abkit.stats.least_squares import regression
from abkit.stats.moments import Moments
from abkit.stats.ratio import ratio_difference, ratio_linearised
from abkit.stats.stratify import post_stratified_difference


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


def test_one_covariate_agrees_with_the_batched_adjustment_of_moments():
    y_c, y_t, x_c, x_t = arms(2, covariates=1)
    blocks = [
        Moments.from_rows(np.column_stack([y, np.ones(len(y)), x[:, 0], np.ones(len(y))]))
        for y, x in ((y_c, x_c), (y_t, x_t))
    ]
    batched = contrast(cuped(blocks, RatioLevel()).levels, 1, 0)
    assert cuped_difference(y_c, y_t, x_c, x_t).value == pytest.approx(float(batched.value))


def test_several_covariates_agree_with_the_batched_adjustment_of_moments():
    y_c, y_t, x_c, x_t = arms(12, covariates=3)
    rows = [
        np.column_stack([y, np.ones(len(y)), *(c for x_j in x.T for c in (x_j, np.ones(len(y))))])
        for y, x in ((y_c, x_c), (y_t, x_t))
    ]
    batched = cuped([Moments.from_rows(r) for r in rows], RatioLevel(), width=8)
    answer = cuped_difference(y_c, y_t, x_c, x_t)
    assert float(contrast(batched.levels, 1, 0).value) == pytest.approx(answer.value)
    assert batched.theta.tolist() == pytest.approx(answer.details["theta"])
    assert float(batched.variance_removed) == pytest.approx(answer.details["variance_removed"])


def test_moments_adjustment_ignores_what_does_not_vary_or_says_the_same():
    y_c, y_t, x_c, x_t = arms(13, covariates=1)

    def adjust(*columns):
        rows = [
            np.column_stack([y, np.ones(len(y)), *(c for x_j in x for c in (x_j, np.ones(len(y))))])
            for y, x in zip((y_c, y_t), columns, strict=True)
        ]
        return cuped([Moments.from_rows(r) for r in rows], RatioLevel(), width=rows[0].shape[1])

    one = adjust([x_c[:, 0]], [x_t[:, 0]])
    twice = adjust([x_c[:, 0], 2 * x_c[:, 0]], [x_t[:, 0], 2 * x_t[:, 0]])
    flat = adjust([np.full(40, 7.0)], [np.full(60, 7.0)])
    assert np.allclose(one.levels.value, twice.levels.value)
    assert float(twice.variance_removed) == pytest.approx(float(one.variance_removed))
    assert float(flat.variance_removed) == 0.0
    assert float(flat.theta) == 0.0
    assert np.allclose(flat.levels.value, [y_c.mean(), y_t.mean()])


def test_moments_adjustment_in_batches_equals_one_by_one():
    rng = np.random.default_rng(14)
    rows = rng.normal(3, 1, (5, 2, 30, 6)) + 1e3 * (np.arange(6) % 2 == 0)
    rows[..., 1::2] = 1.0
    blocks = [Moments.from_rows(rows[:, i]) for i in (0, 1)]
    together = cuped(blocks, RatioLevel(), width=6)
    for k in range(5):
        alone = cuped([b[k] for b in blocks], RatioLevel(), width=6)
        assert np.allclose(alone.theta, together.theta[k])
        assert np.allclose(alone.levels.value, together.levels.value[k])
        assert np.allclose(alone.variance_removed, together.variance_removed[k])


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


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30, 200])
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
