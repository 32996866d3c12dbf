import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from abkit.stats.eprocess import (
    always_valid_p,
    bernoulli_log_e,
    bernoulli_sequence,
    effect_log_e,
    mixture_precision,
    mixture_sprt,
    normal_mixture_bound,
    normal_mixture_log_e,
    two_proportion_log_e,
)
from abkit.stats.estimand import Effect
from abkit.stats.proportion import wilson_interval


def test_normal_mixture_is_the_integral_over_a_normal_prior():
    total, variance, precision = 12.0, 40.0, 7.0

    def weighted(m):
        return np.exp(m * total - m**2 * variance / 2) * stats.norm.pdf(m, scale=precision**-0.5)

    for sides, low in ((2, -10), (1, 0)):
        mixture = sides**-1 * 2 * integrate.quad(weighted, low, 10, points=[0.25])[0]
        assert np.log(mixture) == pytest.approx(
            float(normal_mixture_log_e(total, variance, precision, sides)), rel=1e-8
        )


def test_bound_is_where_the_evidence_reaches_one_over_alpha():
    bound = normal_mixture_bound([10.0, 500.0], 12.0, 0.05)
    assert np.allclose(normal_mixture_log_e(bound, [10.0, 500.0], 12.0), np.log(20))


def test_mixture_precision_is_nearly_the_best():
    best = float(normal_mixture_bound(100.0, mixture_precision(100, 0.05), 0.05))
    others = [float(normal_mixture_bound(100.0, r, 0.05)) for r in np.geomspace(1, 100, 200)]
    assert best < min(others) * 1.001


def test_sequential_ratio_test_is_a_normal_mixture():
    effect = Effect(*(np.array(x) for x in (0.2, np.sqrt(2 / 200), 398.0, 400.0, 200.0)))
    assert float(mixture_sprt(0.2, 200, 1.0, 0.04)) == pytest.approx(float(np.exp(effect_log_e(effect, 0.04))))


def test_evidence_without_standard_error_is_undefined():
    effect = Effect(*(np.array(x) for x in (0.2, 0.0, 1.0, 4.0, 2.0)))
    assert np.isnan(effect_log_e(effect, 0.04))


def test_p_value_never_rises():
    p_values = always_valid_p(np.log([[1.0, 5.0, 0.1, 30.0], [0.1, 0.2, 0.3, 0.4]]))
    assert (np.diff(p_values, axis=-1) <= 0).all()
    assert p_values[1].tolist() == [1.0] * 4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_two_proportion_process_is_symmetric_and_batches(pairs):
    c, t = np.array(pairs, dtype=float).T
    forward, backward = two_proportion_log_e(c, t), two_proportion_log_e(t, c)
    assert np.allclose(forward, backward)
    assert np.allclose(two_proportion_log_e(np.stack([c, t]), np.stack([t, c]))[0], forward)


def test_two_proportion_process_is_fair_under_the_null():
    """Its mean over all outcomes of five blocks is 1 at any common rate."""
    for rate in (0.1, 0.5, 0.9):
        outcomes = ((np.arange(2**10)[:, None] >> np.arange(10)) & 1).astype(float)
        weights = np.prod(np.where(outcomes == 1, rate, 1 - rate), axis=1)
        e = np.exp(two_proportion_log_e(outcomes[:, :5], outcomes[:, 5:])[:, -1])
        assert float(weights @ e) <= 1 + 1e-12


def test_values_that_are_no_outcomes_are_refused():
    with pytest.raises(ValueError, match="0 and 1"):
        two_proportion_log_e([0, 2], [1, 0])


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 50), (7, 20), (50, 50), (999, 1000)])
def test_bernoulli_sequence_holds_the_fixed_interval_and_its_ends_reach_the_threshold(successes, n):
    low, high = bernoulli_sequence(successes, n, 0.05, planned_n=100)
    fixed_low, fixed_high = wilson_interval(successes, n, 1.959964)
    assert 0 <= low <= fixed_low <= fixed_high <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert float(bernoulli_log_e(end, successes, n, 100)) == pytest.approx(np.log(20), abs=1e-6)


def test_no_units_say_nothing():
    assert bernoulli_sequence(0, 0, 0.05, 100) == (0.0, 1.0)
    with pytest.raises(ValueError, match="successes"):
        bernoulli_sequence(3, 2, 0.05, 100)


def test_bernoulli_evidence_is_fair_under_the_null():
    k = np.arange(31)
    for rate in (0.05, 0.5):
        e = np.exp([float(bernoulli_log_e(rate, s, 30, 100)) for s in k])
        assert float(stats.binom.pmf(k, 30, rate) @ e) == pytest.approx(1.0, abs=1e-9)
