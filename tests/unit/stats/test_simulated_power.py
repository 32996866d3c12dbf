import pytest

from abkit.stats.planning import power, sample_size
from abkit.stats.simulated_power import simulate_power, simulate_sample_size


def draw(rng, n):
    return rng.normal(0.6, 1, n), rng.normal(0, 1, n)


def rejects(data):
    new, old = data
    gap, variance = new.mean() - old.mean(), new.var(ddof=1) / new.size + old.var(ddof=1) / old.size
    return abs(gap) > 2.0 * variance**0.5


def test_agrees_with_the_formula():
    found = simulate_power(draw, rejects, 45, runs=2000, seed=1)
    assert found.power == pytest.approx(power(45, 0.6, sd=1.0).power, abs=4 * found.se)


def test_same_seed_same_answer_and_another_seed_another():
    first, again = (simulate_power(draw, rejects, 20, runs=200, seed=3) for _ in range(2))
    assert first == again
    assert first.power != simulate_power(draw, rejects, 20, runs=200, seed=4).power


def test_size_found_reaches_the_target_and_one_less_does_not():
    found = simulate_sample_size(draw, rejects, power=0.8, high=400, runs=400, seed=2)
    assert found.power >= 0.8 > simulate_power(draw, rejects, found.n - 1, runs=400, seed=2).power
    assert found.n == pytest.approx(sample_size(0.6, sd=1.0).n_control, rel=0.2)


def test_target_out_of_reach_is_an_error():
    with pytest.raises(ValueError, match="only"):
        simulate_sample_size(draw, rejects, power=0.9, high=8, runs=50)
    with pytest.raises(ValueError, match="power"):
        simulate_sample_size(draw, rejects, power=1.0)
    with pytest.raises(ValueError, match="at least one"):
        simulate_power(draw, rejects, 0)
