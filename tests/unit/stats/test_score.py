import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from abkit.stats.score import constrained_rate, difference_interval, difference_score, ratio_interval, ratio_score

Z = 1.959963984540054
TABLES = st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@given(TABLES, st.floats(-0.95, 0.95))
def test_constrained_rate_maximizes_the_likelihood(table, gap):
    x_t, n_t, x_c, n_c = table

    def surprise(p):
        terms = special.xlogy(x_t, p + gap) + special.xlogy(n_t - x_t, 1 - p - gap)
        return -(terms + special.xlogy(x_c, p) + special.xlogy(n_c - x_c, 1 - p))

    low, high = max(0, -gap), min(1, 1 - gap)
    got = float(constrained_rate(x_t / n_t, n_t, x_c / n_c, n_c, gap))
    best = optimize.minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    assert low <= got <= high
    assert surprise(got) <= best.fun + 1e-6


@given(TABLES)
def test_bounds_are_where_the_score_is_z(table):
    low, high = (float(bound) for bound in difference_interval(*table, Z))
    assert -1 <= low <= table[0] / table[1] - table[2] / table[3] <= high <= 1
    if low > -1:
        assert float(difference_score(*table, low)) == pytest.approx(Z, abs=1e-5)
    if high < 1:
        assert float(difference_score(*table, high)) == pytest.approx(-Z, abs=1e-5)


@given(TABLES)
def test_ratio_bounds_are_where_the_score_is_z(table):
    low, high = (float(bound) for bound in ratio_interval(*table, Z))
    assert (low == 0) == (table[0] == 0)
    assert np.isinf(high) == (table[2] == 0)
    if low > 0:
        assert float(ratio_score(*table, low)) == pytest.approx(Z, abs=1e-5)
    if np.isfinite(high):
        assert float(ratio_score(*table, high)) == pytest.approx(-Z, abs=1e-5)


@given(TABLES)
def test_difference_and_ratio_agree_on_equality(table):
    assert float(difference_score(*table, 0.0, corrected=False)) == pytest.approx(
        float(ratio_score(*table, 1.0)), abs=1e-9
    )


@given(TABLES)
def test_swapping_the_variants_flips_the_interval(table):
    low, high = difference_interval(*table, Z)
    other = difference_interval(table[2], table[3], table[0], table[1], Z)
    assert (float(low), float(high)) == pytest.approx((-float(other[1]), -float(other[0])), abs=1e-9)


@given(TABLES)
def test_counting_failures_flips_the_interval(table):
    x_t, n_t, x_c, n_c = table
    low, high = difference_interval(*table, Z)
    other = difference_interval(n_t - x_t, n_t, n_c - x_c, n_c, Z)
    assert (float(low), float(high)) == pytest.approx((-float(other[1]), -float(other[0])), abs=1e-9)


@pytest.mark.parametrize("table", [(30, 30, 30, 30), (0, 10, 0, 20), (10, 10, 0, 10), (5, 56, 0, 29)])
def test_tables_at_which_statsmodels_raises(table):
    low, high = (float(bound) for bound in difference_interval(*table, Z))
    assert -1 <= low < high <= 1


def test_batch_equals_loop():
    x = np.arange(13)
    batch = np.array(difference_interval(x[:, None], 12, x, 12, Z))
    loop = [[difference_interval(i, 12, j, 12, Z) for j in x] for i in x]
    assert np.moveaxis(batch, 0, -1) == pytest.approx(np.array(loop, dtype=float), abs=1e-12)


def test_rejected_exactly_when_the_interval_excludes_zero():
    x = np.arange(41)
    low, high = difference_interval(x[:, None], 40, x, 40, Z)
    rejected = np.abs(difference_score(x[:, None], 40, x, 40, 0.0)) > Z
    assert np.array_equal(rejected, (low > 0) | (high < 0))
