import numpy as np
import pytest
from scipy import integrate, stats

from abkit.stats.bayes import FLAT_PRIOR, BetaPrior, NormalPrior, normal_normal
from abkit.stats.beta_binomial import beta_binomial


def test_flat_prior_is_the_likelihood_and_a_narrow_one_wins():
    flat = normal_normal(1.0, 0.5, FLAT_PRIOR)
    assert (flat.value, flat.sd) == (1.0, 0.5)
    assert normal_normal(1.0, 0.5, NormalPrior(0.0, 1e-6)).value == pytest.approx(0.0, abs=1e-9)


def test_normal_loss_is_the_integral_of_the_shortfall():
    belief = normal_normal(0.3, 0.5, NormalPrior(0.1, 2.0))
    density = stats.norm(belief.value, belief.sd)
    loss = integrate.quad(lambda x: -x * density.pdf(x), -10, 0)[0]
    assert belief.loss_if_shipped == pytest.approx(loss, rel=1e-8)
    assert belief.chance_to_win == pytest.approx(density.sf(0))


def test_beliefs_that_cannot_be_are_errors():
    with pytest.raises(ValueError, match="positive"):
        BetaPrior(0.0, 1.0)
    with pytest.raises(ValueError, match="positive"):
        NormalPrior(0.0, 0.0)
    with pytest.raises(ValueError, match="successes"):
        beta_binomial(5, 4, 1, 2)
    with pytest.raises(ValueError, match="standard error"):
        normal_normal(1.0, 0.0, FLAT_PRIOR)


@pytest.mark.slow
def test_stopping_on_a_high_chance_to_win_is_no_rule():
    """14 looks at an A/A test, stopped at 95 % either way: more than a third of all runs call a winner."""
    rng = np.random.default_rng(8)
    z = np.cumsum(rng.normal(size=(20_000, 14)), axis=1) / np.sqrt(np.arange(1, 15))
    called = (np.abs(z) > stats.norm.ppf(0.95)).any(axis=1).mean()
    assert 0.33 < called < 0.42
