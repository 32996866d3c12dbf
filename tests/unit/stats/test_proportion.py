import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from abkit.stats.exact import exact_p_value
from abkit.stats.proportion import RateBatch, RateComparison, wilson_interval

TABLES = st.tuples(st.integers(2, 80), st.integers(2, 80)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@given(TABLES, st.sampled_from([0.01, 0.05, 0.2]))
def test_difference_lift_and_p_value_give_one_verdict(table, alpha):
    pair = RateComparison(*table)
    p_value = pair.p_value()
    assume(abs(p_value - alpha) > 1e-7)
    low, high = pair.interval(alpha)
    assert (low > 0 or high < 0) == (p_value < alpha)
    low, high = pair.lift_interval(alpha)
    if np.isfinite(low) and np.isfinite(high):
        assert (low > 0 or high < 0) == (p_value < alpha)


@given(TABLES)
def test_swapping_the_variants_flips_the_interval(table):
    low, high = RateComparison(*table).interval(0.05)
    other = RateComparison(table[2], table[3], table[0], table[1]).interval(0.05)
    assert (low, high) == pytest.approx((-other[1], -other[0]), abs=1e-9)


def test_small_counts_need_an_exact_test_too():
    small = RateComparison(4, 6, 0, 6)
    assert small.method == "newcombe + exact"
    assert small.p_value() >= exact_p_value(4, 6, 0, 6) - 1e-9
    assert RateComparison(560, 700, 480, 800).method == "newcombe"


def test_all_units_alike():
    pair = RateComparison(30, 30, 30, 30)
    assert pair.p_value() == 1.0
    assert pair.interval(0.05) == pytest.approx((-0.1135, 0.1135), abs=5e-5)


def test_no_control_successes_have_no_lift():
    assert np.isnan(RateComparison(3, 50, 0, 50).lift_interval(0.05)).all()


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0, 6))
def test_wilson_holds_the_rate_and_stays_within_zero_and_one(pair, z):
    low, high = wilson_interval(*pair, z)
    assert 0 <= low <= pair[0] / pair[1] + 1e-12
    assert pair[0] / pair[1] - 1e-12 <= high <= 1


def test_a_batch_of_pairs_is_judged_as_each_of_them():
    rng = np.random.default_rng(5)
    n_t, n_c = rng.integers(20, 400, size=(2, 60)).astype(float)
    successes_t, successes_c = rng.binomial(n_t.astype(int), 0.03), rng.binomial(n_c.astype(int), 0.02)
    batch = RateBatch(successes_t.astype(float), n_t, successes_c.astype(float), n_c)
    for ratio in (1.0, 1.25):
        low, high = batch.interval(0.05, ratio)
        p_values = batch.p_value(ratio)
        for place in range(60):
            pair = RateComparison(float(successes_t[place]), n_t[place], float(successes_c[place]), n_c[place])
            assert (low[place], high[place]) == pytest.approx(pair.interval(0.05, ratio), abs=1e-12)
            assert p_values[place] == pair.p_value(ratio)
