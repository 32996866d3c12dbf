import math

import numpy as np
import pytest
from scipy import integrate, stats

from abkit.stats.selection import best_of, conditional_estimate, effect_spread, exaggeration, shrink
from abkit.stats.trend import effect_trend

RNG = np.random.default_rng(44)


@pytest.mark.parametrize("ratio", [0.2, 1.0, 2.8, 5.0])
def test_exaggeration_against_quadrature(ratio):
    z = stats.norm.ppf(0.975)

    def part(low, high, weight):
        return integrate.quad(lambda x: weight(x) * stats.norm.pdf(x - ratio), low, high)[0]

    significant = part(-30, -z, lambda x: 1) + part(z, 30, lambda x: 1)
    size = part(-30, -z, abs) + part(z, 30, abs)
    got = exaggeration(-ratio, 1.0)
    assert got.power == pytest.approx(significant, rel=1e-6)
    assert got.sign_error == pytest.approx(part(-30, -z, lambda x: 1) / significant, rel=1e-5)
    assert got.exaggeration == pytest.approx(size / significant / ratio, rel=1e-6)


def test_exaggeration_of_a_small_study():
    """Power 17 %, 30 %, 52 %, 80 %: 2.5, 1.8, 1.39 and 1.13 times too large."""
    for power, factor in ((0.17, 2.5), (0.30, 1.8), (0.52, 1.39), (0.80, 1.13)):
        found = exaggeration(1.959964 + stats.norm.ppf(power), 1.0)
        assert found.exaggeration == pytest.approx(factor, abs=0.06)


def test_shrinkage_is_the_normal_posterior():
    got = shrink(2.0, 0.5, prior_sd=1.5, prior_mean=0.3)
    grid = np.linspace(-10, 10, 200001)
    density = stats.norm.pdf(grid, 0.3, 1.5) * stats.norm.pdf(2.0, grid, 0.5)
    density /= density.sum()
    assert got.value == pytest.approx((grid * density).sum(), rel=1e-6)
    assert got.se == pytest.approx(math.sqrt((grid**2 * density).sum() - got.value**2), rel=1e-5)


def test_shrunken_winners_are_right_on_average():
    """The raw winners of many experiments overstate; the shrunken ones do not."""
    true = RNG.normal(0, 1, 200_000)
    seen = true + RNG.normal(0, 1, true.size)
    won = seen > 1.96
    raw, kept = seen[won].mean(), np.mean([shrink(x, 1.0, prior_sd=1.0).value for x in seen[won][:5000]])
    assert raw > true[won].mean() + 0.5
    assert kept == pytest.approx(true[won].mean(), abs=0.06)


def test_spread_of_effects_is_found_again():
    ses = RNG.uniform(0.2, 1.0, 3000)
    values = RNG.normal(0.4, 0.7, 3000) + RNG.normal(0, ses)
    mean, sd = effect_spread(values, ses)
    assert (mean, sd) == (pytest.approx(0.4, abs=0.05), pytest.approx(0.7, abs=0.05))
    assert effect_spread([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])[1] == 0.0


@pytest.mark.parametrize("z", [1.97, 2.2, 2.5, 3.0, 5.0])
def test_conditional_estimate_is_the_most_likely(z):
    got = conditional_estimate(z, 1.0)
    grid = np.linspace(-2, z + 0.5, 200001)
    surprise = (z - grid) ** 2 / 2 + np.log(stats.norm.sf(1.959964 - grid) + stats.norm.cdf(-1.959964 - grid))
    assert got.value == pytest.approx(grid[surprise.argmin()], abs=1e-3)
    assert 0 <= got.value <= z


def test_conditional_interval_covers_given_significance():
    true, wanted = 1.0, 0.95
    seen = RNG.normal(true, 1, 60_000)
    significant = seen[np.abs(seen) > 1.959964][:1500]
    inside = [answer.low <= true <= answer.high for answer in (conditional_estimate(x, 1.0) for x in significant)]
    assert np.mean(inside) == pytest.approx(wanted, abs=3 * math.sqrt(0.05 * 0.95 / len(inside)))


def test_conditional_median_is_unbiased():
    seen = RNG.normal(1.5, 1, 20_000)
    significant = seen[np.abs(seen) > 1.959964][:1500]
    middle = [conditional_estimate(x, 1.0).details["median_unbiased"] for x in significant]
    assert np.mean(np.array(middle) > 1.5) == pytest.approx(0.5, abs=0.045)


def test_conditional_estimate_mirrors_and_scales():
    up, down = conditional_estimate(2.4, 1.0), conditional_estimate(-24.0, 10.0)
    assert (down.value, down.low, down.high) == pytest.approx((-10 * up.value, -10 * up.high, -10 * up.low))
    far = conditional_estimate(30.0, 1.0)
    assert far.value == pytest.approx(30.0, abs=1e-3)


def test_best_of_several_is_pulled_back():
    errors = []
    for _ in range(400):
        true = RNG.normal(0, 0.5, 8)
        seen = true + RNG.normal(0, 1, 8)
        got = best_of(seen, np.ones(8))
        errors.append((got.value - true[got.details["variant"]], seen.max() - true[seen.argmax()]))
    shrunken, raw = np.mean(errors, axis=0)
    assert raw > 0.9
    assert abs(shrunken) < 0.35


def test_drift_is_found_and_none_is_not():
    days = np.arange(14.0)
    slope, spread = effect_trend(days, 1 - 0.1 * days, np.full(14, 0.1))
    assert slope.value == pytest.approx(-0.1)
    assert slope.p_value < 1e-6
    assert spread.p_value < 1e-6
    p = [effect_trend(days, RNG.normal(1, 0.3, 14), np.full(14, 0.3)) for _ in range(2000)]
    assert np.mean([a.p_value < 0.05 for a, _ in p]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([b.p_value < 0.05 for _, b in p]) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    "call",
    [
        lambda: exaggeration(0.0, 1.0),
        lambda: exaggeration(1.0, 0.0),
        lambda: shrink(1.0, 1.0, prior_sd=0.0),
        lambda: effect_spread([1.0], [1.0]),
        lambda: conditional_estimate(1.0, 1.0),
        lambda: best_of([1.0, 2.0], [1.0, 1.0]),
        lambda: effect_trend([1, 1, 1], [1, 2, 3], [1, 1, 1]),
    ],
)
def test_impossible_requests_are_refused(call):
    with pytest.raises(ValueError):  # noqa: PT011
        call()
