import numpy as np
import pytest

from abkit.stats.estimate import Reason
from abkit.stats.quantile_bootstrap import (
    binomial_bootstrap,
    binomial_bootstrap_difference,
    cluster_quantile_bootstrap,
)
from abkit.stats.quantile_interval import (
    quantile_difference,
)


def test_exact_bootstrap_is_the_limit_of_resampling():
    rng = np.random.default_rng(3)
    c, t = rng.exponential(1, 150), rng.exponential(1.3, 120)
    answer = binomial_bootstrap_difference(c, t, 0.5)
    ranks = [np.clip(rng.binomial(len(v) + 1, 0.5, 400_000), 1, len(v)) - 1 for v in (c, t)]
    gaps = np.sort(t)[ranks[1]] - np.sort(c)[ranks[0]]
    assert (answer.low, answer.high) == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), abs=0.01)
    one = binomial_bootstrap(c, 0.5)
    assert (one.low, one.high) == pytest.approx(tuple(np.quantile(np.sort(c)[ranks[0]], [0.025, 0.975])), abs=0.02)
    assert not binomial_bootstrap(c[:50], 0.95).details["is_reliable"]


def test_bootstrap_of_units_agrees_with_the_clustered_variance():
    rng = np.random.default_rng(4)
    units = np.repeat(np.arange(250), 8)
    c, t = (np.exp(rng.normal(0, 0.6, 250)[units] + rng.normal(0, 0.8, 2000)) for _ in range(2))
    boot = cluster_quantile_bootstrap(c, units, t, units, 0.9, rng, draws=2000)
    direct = quantile_difference(c, t, 0.9, 0.95, units, units)
    assert boot.se == pytest.approx(direct.se, rel=0.15)
    assert boot.value == direct.value
    assert cluster_quantile_bootstrap([1.0], [0], [1.0], [0], 0.5, rng).reason is Reason.TOO_FEW_UNITS


@pytest.mark.slow
@pytest.mark.parametrize(("q", "n"), [(0.5, 20), (0.5, 100), (0.95, 200), (0.95, 1000)])
def test_exact_bootstrap_covers(q, n):
    rng = np.random.default_rng(18)
    runs = 4000
    covered = sum(
        answer.low <= 0 <= answer.high
        for answer in (
            binomial_bootstrap_difference(rng.lognormal(size=n), rng.lognormal(size=n), q) for _ in range(runs)
        )
    )
    assert 0.935 <= covered / runs <= 0.99
