import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abkit.stats.summary import Summary, mean_levels, trimmed

VALUES = arrays(np.float64, st.integers(2, 40), elements=st.floats(-1e6, 1e6, width=64))


@given(VALUES)
def test_agrees_with_numpy(values):
    s = Summary.of(values)
    assert s.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-6)
    assert s.variance == pytest.approx(values.var(ddof=1), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("constant", [0.1, 1e8 + 0.3, -7.77])
def test_constant_values_have_exactly_no_variance(constant):
    assert Summary.of([constant] * 1000).variance == 0.0


def test_nist_numacc4():
    """NIST StRD NumAcc4: mean 10000000.2, standard deviation 0.1."""
    s = Summary.of([10000000.2, *([10000000.1, 10000000.3] * 500)])
    assert s.mean == pytest.approx(10000000.2, rel=1e-15)
    assert math.sqrt(s.variance) == pytest.approx(0.1, rel=1e-7)


def test_sums_of_a_constant_have_no_variance():
    assert Summary.from_sums(10, 1.0, 0.1).variance == 0.0


def test_sums_that_no_numbers_have_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        Summary.from_sums(10, 100.0, 900.0)


@pytest.mark.parametrize("bad", [[1.0, math.nan], [1.0, math.inf]])
def test_missing_and_infinite_values_are_refused(bad):
    with pytest.raises(ValueError, match="missing or infinite"):
        Summary.of(bad)


def test_negative_variance_is_refused():
    with pytest.raises(ValueError, match="negative"):
        Summary(3, 0.0, -1.0)


@given(VALUES, st.floats(0, 0.45))
def test_trimmed_mean_agrees_with_scipy(values, share):
    from scipy import stats

    assert trimmed(values, share).mean == pytest.approx(stats.trim_mean(values, share), rel=1e-9, abs=1e-6)


def test_levels_of_a_batch_equal_those_of_each():
    n, mean, variance = np.array([[4, 9], [16, 25]]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[4.0, 9], [1, 1]])
    whole = mean_levels(n, mean, variance)
    for i in range(2):
        one = mean_levels(n[i], mean[i], variance[i])
        assert np.array_equal(whole.covariance[i], one.covariance)
        assert np.array_equal(whole.value[i], one.value)
