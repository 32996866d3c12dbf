import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from abkit.stats.estimate import Reason
from abkit.stats.rate_methods import DIFFERENCES, RATE_INTERVALS, RATIOS
from abkit.stats.rates import rate, rate_difference, rate_ratio

TABLES = st.tuples(st.integers(1, 80), st.integers(1, 80)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)
INVERTED = ["newcombe", "miettinen-nurminen", "pooled z"]


@pytest.mark.parametrize(
    ("method", "name"),
    [("wilson", "wilson"), ("clopper-pearson", "beta"), ("agresti-coull", "agresti_coull"), ("wald", "normal")],
)
@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 7), (7, 7), (81, 263)])
def test_one_rate_agrees_with_statsmodels(method, name, successes, n):
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, 0.1, method=name)
    got = rate(successes, n, level=0.9, method=method)
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-9)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_hold_the_rate_and_mirror_when_failures_are_counted(pair):
    successes, n = pair
    for method in RATE_INTERVALS:
        got, mirrored = rate(successes, n, method=method), rate(n - successes, n, method=method)
        assert got.low - 1e-12 <= got.value <= got.high + 1e-12
        assert (got.low, got.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-9)


def test_clopper_pearson_is_never_below_its_level():
    n = 30
    bounds = [rate(x, n, method="clopper-pearson") for x in range(n + 1)]
    for p in np.linspace(0.01, 0.99, 99):
        inside = np.array([b.low <= p <= b.high for b in bounds])
        assert stats.binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95


@given(TABLES, st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_and_p_value_tell_the_same(table, level):
    for method in INVERTED:
        got = rate_difference(*table, level=level, method=method)
        if got.p_value is None:
            continue
        assume(abs(got.p_value - (1 - level)) > 1e-7)
        assert (got.low > 0 or got.high < 0) == got.is_significant


@given(TABLES)
def test_swapping_the_variants_flips_every_difference(table):
    back = (table[2], table[3], table[0], table[1])
    for method in DIFFERENCES:
        one, other = rate_difference(*table, method=method), rate_difference(*back, method=method)
        assert one.value == -other.value
        if one.low is not None:
            assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
        if one.p_value is not None:
            assert one.p_value == pytest.approx(other.p_value, rel=1e-7)


@pytest.mark.parametrize("method", list(DIFFERENCES))
def test_one_sided_p_values_and_bounds(method):
    table = (56, 70, 48, 80)
    up, down = (rate_difference(*table, method=method, alternative=side) for side in ("greater", "less"))
    both = rate_difference(*table, method=method, level=0.9)
    assert up.p_value < 0.05 < down.p_value
    if both.low is not None:
        assert (up.low, down.high) == (pytest.approx(both.low), pytest.approx(both.high))
        assert (up.high, down.low) == (None, None)


def test_nothing_varies():
    table = (30, 30, 30, 30)
    assert rate_difference(*table).p_value == 1.0
    score = rate_difference(*table, method="miettinen-nurminen")
    assert (score.p_value, score.reason) == (None, Reason.NO_VARIATION)
    assert -1 < score.low < 0 < score.high < 1
    assert rate_difference(*table, method="wald").low is None


@given(TABLES)
def test_ratio_bounds_and_p_value_tell_the_same(table):
    got = rate_ratio(*table)
    if got.p_value is None or got.low is None:
        return
    assume(abs(got.p_value - 0.05) > 1e-7)
    assert (got.low > 1 or (got.high is not None and got.high < 1)) == (got.p_value < 0.05)


def test_ratio_without_control_successes():
    for method in RATIOS:
        got = rate_ratio(3, 50, 0, 50, method=method)
        assert (got.value, got.high, got.reason) == (None, None, Reason.CONTROL_NOT_POSITIVE)
    assert rate_ratio(3, 50, 0, 50).low > 0


def test_lift_is_the_ratio_less_one():
    assert rate_ratio(56, 70, 48, 80).details["lift"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("table", [(11, 10, 3, 10), (-1, 10, 3, 10), (1, 0, 3, 10), (1, float("inf"), 1, 10)])
def test_impossible_counts_are_refused(table):
    with pytest.raises(ValueError, match="successes"):
        rate_difference(*table)
    with pytest.raises(ValueError, match="successes"):
        rate_ratio(*table)


@pytest.mark.parametrize("function", [rate_difference, rate_ratio])
def test_unknown_method_is_refused(function):
    with pytest.raises(ValueError, match="method is one of"):
        function(1, 2, 1, 2, method="magic")
    with pytest.raises(ValueError, match="method is one of"):
        rate(1, 2, method="magic")


def test_ten_billion_units():
    got = rate_difference(5_000_300_000, 10**10, 5 * 10**9, 10**10)
    assert got.low < got.value < got.high
    assert got.value == pytest.approx(3e-5)
    assert got.high - got.low == pytest.approx(2 * 1.959964 * np.sqrt(0.5 / 10**10), rel=1e-4)
