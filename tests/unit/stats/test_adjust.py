import numpy as np
import pytest

from abkit.stats.adjust import cuped
from abkit.stats.covariates import cuped_difference
from abkit.stats.estimand import RatioLevel, contrast
from abkit.stats.moments import Moments


def arms(seed, n_c=40, n_t=60, slope=1.5, covariates=2):
    rng = np.random.default_rng(seed)
    x_c, x_t = rng.normal(5, 2, (n_c, covariates)), rng.normal(5, 2, (n_t, covariates))
    y_c = x_c @ np.full(covariates, slope) + rng.normal(0, 1, n_c)
    y_t = x_t @ np.full(covariates, slope) + rng.normal(0.5, 1, n_t)
    return y_c, y_t, x_c, x_t


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


@pytest.mark.parametrize("seed", range(5))
def test_covariates_that_say_all_leave_no_rounding_to_test_against(seed: int):
    rng = np.random.default_rng(seed)
    before = rng.lognormal(0, 0.5, (2, 300))
    ones = np.ones(300)
    for slope in (1.0, 3.7):
        rows = np.stack([np.stack([slope * x + 0.1, ones, x, ones], axis=-1) for x in before])
        adjusted = cuped([Moments.from_rows(one) for one in rows], RatioLevel())
        assert adjusted.levels.se.tolist() == [0.0, 0.0]
    rows[..., 0] += rng.normal(0, 1e-4, (2, 300))
    assert (cuped([Moments.from_rows(one) for one in rows], RatioLevel()).levels.se > 0).all()


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
