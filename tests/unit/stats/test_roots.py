import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.stats.roots import find_roots


@given(st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=20))
def test_many_equations_at_once(targets):
    wanted = np.array(targets)
    root = find_roots(lambda x: np.tanh(x) - wanted, np.full(wanted.shape, -20.0), np.full(wanted.shape, 20.0))
    assert np.tanh(root) == pytest.approx(wanted, abs=1e-12)


def test_no_change_of_sign_is_nan_and_does_not_disturb_the_others():
    root = find_roots(lambda x: x**2 + np.array([1.0, -4.0]), np.zeros(2), np.full(2, 10.0))
    assert np.isnan(root[0])
    assert root[1] == pytest.approx(2.0)


def test_root_at_zero_and_at_an_end():
    assert find_roots(lambda x: x, np.array([-1.0]), np.array([3.0])) == pytest.approx(0.0, abs=1e-12)
    assert find_roots(lambda x: x - 1, np.array([1.0]), np.array([3.0])) == pytest.approx(1.0)
