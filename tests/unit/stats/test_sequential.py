import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from abkit.stats.estimand import Effect
from abkit.stats.group_sequential import spending_bounds
from abkit.stats.sequential import ConfidenceSequence, mixture_variance, sequence_margin, sequence_p_value

RUNS = 10_000


def effect_of(z, n=1000.0, smallest=500.0):
    return Effect(*(np.asarray(x, dtype=float) for x in (z, 1.0, n - 2, n, smallest)))


def paths(rng, draw, per_look, looks, runs):
    """z-statistics (runs, looks) of A/A experiments, two variants, by Welch on running sums."""
    first = second = None
    z, n = [], 0
    for _ in range(looks):
        values = draw(rng, (runs, 2, per_look))
        add = np.stack([values.sum(-1), (values**2).sum(-1)])
        first = add if first is None else first + add
        n += per_look
        mean = first[0] / n
        variance = (first[1] / n - mean**2) * n / (n - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            z.append(np.nan_to_num((mean[:, 1] - mean[:, 0]) / np.sqrt(variance.sum(-1) / n)))
    return np.stack(z, axis=1), second


DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
    "rate": lambda rng, shape: (rng.random(shape) < 0.1).astype(float),
}


def test_mixture_is_the_narrowest_at_the_planned_size():
    exact = mixture_variance(700, 0.05)
    best = optimize.minimize_scalar(
        lambda v: float(sequence_margin(700.0, v, 0.05)),
        bounds=(exact / 5, exact * 5),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert exact == pytest.approx(best.x, rel=1e-4)
    assert mixture_variance(700, 0.05, exact=False) == pytest.approx(exact, rel=0.05)


@given(st.floats(-5, 5), st.floats(0.001, 0.3), st.floats(20, 1e6))
def test_interval_excludes_zero_exactly_when_p_is_below_alpha(z, alpha, n):
    sequence = ConfidenceSequence(1000, 0.05, burn_in=10)
    effect = effect_of(z, n, n / 2)
    excluded = abs(z) > float(sequence.multiplier(effect, alpha))
    p_value = float(sequence.p_value(effect))
    assert excluded == (p_value < alpha) or p_value == pytest.approx(alpha, rel=1e-9)


def test_burn_in_gives_no_verdict():
    sequence = ConfidenceSequence(1000, 0.05)
    assert np.isinf(sequence.multiplier(effect_of(9.0, 58, 29), 0.05))
    assert float(sequence.p_value(effect_of(9.0, 58, 29))) == 1.0


def test_plans_that_cannot_be_are_errors():
    with pytest.raises(ValueError, match="planned size"):
        mixture_variance(0, 0.05)
    with pytest.raises(ValueError, match="alpha"):
        mixture_variance(10, 1.0)


def test_p_value_is_at_most_one():
    assert float(sequence_p_value(0.0, 5.0)) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", DRAWS)
def test_hundred_looks_keep_the_error_in_both_families(kind):
    rng = np.random.default_rng(2026)
    looks, per_look = 100, 20
    z, _ = paths(rng, DRAWS[kind], per_look, looks, RUNS)
    n = 2.0 * per_look * np.arange(1, looks + 1)
    ceiling = 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)
    rho2 = mixture_variance(n[-1], 0.05)
    late = n / 2 >= (100 if kind != "normal" else 30)
    always = (np.abs(z) > sequence_margin(n, rho2, 0.05) * np.sqrt(n))[:, late].any(axis=1).mean()
    assert always <= ceiling
    bounds = spending_bounds(np.arange(1, looks + 1) / looks).efficacy
    planned = (np.abs(z) > bounds).any(axis=1).mean()
    assert planned <= ceiling
    assert planned > 0.03
