import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abkit.stats import Moments

grid = st.integers(-8000, 8000).map(lambda step: step / 8)
rows = arrays(float, st.tuples(st.integers(2, 30), st.just(3)), elements=grid)


def same(left: Moments, right: Moments, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(left.n, right.n)
    np.testing.assert_allclose(left.mean, right.mean, rtol=rtol, atol=1e-9)
    np.testing.assert_allclose(left.covariance, right.covariance, rtol=rtol, atol=1e-6)


@given(rows, st.integers(0, 30))
def test_merging_parts_equals_the_whole(values: np.ndarray, cut: int) -> None:
    same(Moments.from_rows(values[:cut]) + Moments.from_rows(values[cut:]), Moments.from_rows(values))


@given(rows, grid)
def test_shifted_sums_equal_two_passes(values: np.ndarray, shift: float) -> None:
    moved = values - shift
    sums = Moments.from_shifted_sums(len(values), [shift] * 3, moved.sum(0), moved.T @ moved)
    same(sums, Moments.from_rows(values), rtol=1e-6)


def test_a_large_offset_keeps_the_variance() -> None:
    values = 1e8 + np.random.default_rng(1).normal(0, 1, (10_000, 1))
    moved = values - 1e8
    shifted = Moments.from_shifted_sums(len(values), [1e8], moved.sum(0), moved.T @ moved)
    assert shifted.covariance[0, 0] == pytest.approx(np.var(values, ddof=1), rel=1e-9)


def test_a_constant_column_has_no_variance_at_all() -> None:
    assert Moments.from_rows([[0.1]] * 10).covariance[0, 0] == 0
    moved = np.full((7, 1), 0.1) - 0.3
    constant = Moments.from_shifted_sums(7, [0.3], moved.sum(0), moved.T @ moved)
    assert constant.covariance[0, 0] == 0


def test_batches_equal_loops() -> None:
    values = np.random.default_rng(2).normal(size=(4, 5, 20, 2))
    batch = Moments.from_rows(values)
    for i in range(4):
        for j in range(5):
            same(batch[i, j], Moments.from_rows(values[i, j]))


def test_fewer_than_two_units_have_no_covariance() -> None:
    assert (Moments.from_rows([[3.0, 4.0]]).covariance == 0).all()
