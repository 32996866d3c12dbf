import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from abkit.stats.srm import sequential_srm, srm, srm_by_segment


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=5))
def test_agrees_with_scipy(counts):
    got = srm(counts, [1] * len(counts))
    wanted = stats.chisquare(counts)
    assert (got.statistic, got.p_value) == pytest.approx((wanted.statistic, wanted.pvalue), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("seen", "n", "share"), [(9, 10, 0.5), (3, 20, 0.4), (0, 7, 0.1), (45, 100, 0.5)])
def test_exact_is_the_binomial_test(seen, n, share):
    got = srm([seen, n - seen], [share, 1 - share], method="exact").p_value
    assert got == pytest.approx(stats.binomtest(seen, n, share).pvalue, rel=1e-6)


def test_exact_with_three_variants_adds_up_all_splits():
    weights, n, seen = np.array([0.5, 0.3, 0.2]), 12, np.array([9, 1, 2])
    every = [(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)]
    mass = stats.multinomial(n, weights).pmf(every)
    wanted = mass[mass <= stats.multinomial(n, weights).pmf(seen) * (1 + 1e-7)].sum()
    assert srm(seen, weights, method="exact").p_value == pytest.approx(wanted, rel=1e-9)


def test_zero_share_does_not_count_and_a_stray_unit_is_a_mismatch():
    assert srm([50, 50, 0], [1, 1, 0]).df == 1
    assert srm([50, 50, 0], [1, 1, 0]).p_value == 1.0
    assert srm([50, 50, 1], [1, 1, 0]).p_value == 0.0


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ([0, 0], [1, 1]),
        ([5, 5], [1, 0]),
        ([5, -5], [1, 1]),
        ([5, 5], [1, -1]),
        ([5, 5], [1, 1, 1]),
        ([np.nan, 1], [1, 1]),
    ],
)
def test_splits_that_are_none_are_refused(counts, shares):
    with pytest.raises(ValueError, match=r"split|share|counts"):
        srm(counts, shares)


def test_exact_refuses_what_it_cannot_add_up():
    with pytest.raises(ValueError, match="too many splits"):
        srm([10**4, 10**4, 10**4], [1, 1, 1], method="exact")
    with pytest.raises(ValueError, match="whole"):
        srm([1.5, 2], [1, 1], method="exact")
    with pytest.raises(ValueError, match="method"):
        srm([1, 2], [1, 1], method="magic")


def test_renders_as_a_table():
    assert "p_value" in repr(srm([5, 5], [1, 1]))
    assert srm([5, 5], [1, 1])._repr_html_().count('<th scope="row"') == 5


def test_segments_share_one_budget():
    counts = np.array([[520, 480], [700, 300], [0, 0]])
    p_values, alarms = srm_by_segment(counts, [1, 1])
    assert p_values[0] == pytest.approx(min(1, srm(counts[0], [1, 1]).p_value), rel=1e-9)
    assert p_values[1] == pytest.approx(2 * srm(counts[1], [1, 1]).p_value, rel=1e-9)
    assert np.isnan(p_values[2])
    assert alarms.tolist() == [False, True, False]


def test_sequential_is_the_mixture_of_all_splits():
    counts, shares, total = np.array([[7, 3]]), np.array([0.6, 0.4]), 20.0
    e_values, _ = sequential_srm(counts, shares, concentration=total)
    grid = np.linspace(0, 1, 200001)[1:-1]
    prior = stats.beta(total * 0.6, total * 0.4).pdf(grid)
    likelihood = grid**7 * (1 - grid) ** 3 / (0.6**7 * 0.4**3)
    assert e_values[0] == pytest.approx((prior * likelihood).mean(), rel=1e-4)


def test_sequential_p_value_never_rises_and_batches_equal_loops():
    rng = np.random.default_rng(3)
    counts = rng.multinomial(50, [0.5, 0.3, 0.2], size=(4, 30)).cumsum(axis=1)
    e_values, p_values = sequential_srm(counts, [0.5, 0.3, 0.2])
    assert (np.diff(p_values, axis=-1) <= 0).all()
    for i in range(4):
        assert sequential_srm(counts[i], [0.5, 0.3, 0.2])[0] == pytest.approx(e_values[i])


def test_sequential_finds_a_broken_split_and_a_stray_unit():
    _, p_values = sequential_srm([[550, 450], [1100, 900], [5500, 4500]], [1, 1])
    assert p_values[-1] < 0.001
    e_values, p_values = sequential_srm([[5, 5, 0], [5, 5, 1]], [1, 1, 0])
    assert np.isinf(e_values[1])
    assert p_values[1] == 0


def test_sequential_refuses_counts_that_fall():
    with pytest.raises(ValueError, match="cumulative"):
        sequential_srm([[5, 5], [4, 6]], [1, 1])
    with pytest.raises(ValueError, match="concentration"):
        sequential_srm([[5, 5]], [1, 1], concentration=0)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [2_000, pytest.param(10_000, marks=pytest.mark.full)])
def test_five_hundred_looks_at_a_right_split_alarm_no_more_often_than_alpha(runs):
    """500 looks of 20 units each; the binomial band is at three standard errors."""
    rng, alpha = np.random.default_rng(11), 0.05
    seen = rng.binomial(20, 0.5, size=(runs, 500)).cumsum(axis=1)
    total = 20 * np.arange(1, 501)
    alarms = 0
    for start in range(0, runs, 1000):
        counts = np.stack([seen[start : start + 1000], total - seen[start : start + 1000]], axis=-1)
        alarms += int((sequential_srm(counts, [1, 1])[1].min(axis=1) <= alpha).sum())
    assert alarms / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    fixed = special.chdtrc(1, (2 * seen - total) ** 2 / total)
    assert (fixed.min(axis=1) <= alpha).mean() > 0.3, "the fixed test looked at 500 times is the mistake this replaces"
