import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.bayes import BetaPrior
from abkit.stats.beta_binomial import best_rate, beta_binomial


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_swapping_the_variants_swaps_the_answer(n_c, n_t, share_c, share_t):
    c, t = round(share_c * n_c), round(share_t * n_t)
    one, other = beta_binomial(c, n_c, t, n_t), beta_binomial(t, n_t, c, n_c)
    assert one.chance_to_win + other.chance_to_win == pytest.approx(1.0, abs=1e-10)
    assert one.loss_if_shipped == pytest.approx(other.loss_if_kept, abs=1e-12)
    assert one.low == pytest.approx(-other.high, abs=1e-8)
    assert one.value == pytest.approx(one.loss_if_kept - one.loss_if_shipped, abs=1e-12)
    two = best_rate([c, t], [n_c, n_t])
    assert two.chance_best[1] == pytest.approx(one.chance_to_win, abs=1e-10)
    assert two.expected_loss.tolist() == pytest.approx([one.loss_if_kept, one.loss_if_shipped], abs=1e-12)


@pytest.mark.parametrize(
    "arms", [(3, 10, 30, 50, 1.0), (0, 5, 90_000, 100_000, 0.5), (99, 100, 100, 100, 1.0), (0, 3, 0, 2, 0.1)]
)
def test_chance_and_interval_agree_with_simulation(arms):
    c, n_c, t, n_t, prior = arms
    belief = beta_binomial(c, n_c, t, n_t, BetaPrior(prior, prior))
    rng = np.random.default_rng(1)
    control, treatment = rng.beta(c + prior, n_c - c + prior, 10**6), rng.beta(t + prior, n_t - t + prior, 10**6)
    assert belief.chance_to_win == pytest.approx(float((treatment > control).mean()), abs=0.002)
    for bound, tail in ((belief.low, 0.025), (belief.high, 0.975)):
        assert float((treatment - control <= bound).mean()) == pytest.approx(tail, abs=0.0007)


def test_interval_of_two_uniform_rates_is_that_of_their_triangle():
    belief = beta_binomial(0, 0, 0, 0)
    assert (belief.low, belief.high) == pytest.approx((np.sqrt(0.05) - 1, 1 - np.sqrt(0.05)), abs=1e-10)


def test_losses_far_out_keep_their_digits():
    belief = beta_binomial(100, 1000, 300, 1000)
    assert 0 < belief.loss_if_shipped < 1e-25
    assert 0 <= 1 - belief.chance_to_win < 1e-15


def test_lower_is_better_swaps_the_sides():
    up, down = beta_binomial(40, 100, 50, 100), beta_binomial(40, 100, 50, 100, goal="minimize")
    assert down.chance_to_win == pytest.approx(1 - up.chance_to_win)
    assert (down.loss_if_shipped, down.loss_if_kept) == (up.loss_if_kept, up.loss_if_shipped)
    assert down.prior == BetaPrior()


def test_best_of_three_agrees_with_simulation():
    answer = best_rate([40, 50, 55], [100, 100, 110])
    rng = np.random.default_rng(5)
    draws = np.stack([rng.beta(1 + s, 1 + n - s, 400_000) for s, n in ((40, 100), (50, 100), (55, 110))])
    assert answer.chance_best.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.allclose(answer.chance_best, np.bincount(draws.argmax(0)) / 400_000, atol=0.004)
    assert np.allclose(answer.expected_loss, (draws.max(0) - draws).mean(1), atol=2e-4)
