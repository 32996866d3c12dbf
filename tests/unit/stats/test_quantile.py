import numpy as np
import pytest

from abkit.stats import (
    Comparison,
    Moments,
    RatioLevel,
    StudentTest,
    delta_method,
    outer_probabilities,
    quantile_density,
    quantile_level,
)


def block(values: np.ndarray, q: float) -> tuple[Moments, tuple[float, float, float]]:
    """Moments of (rows at or below the quantile, rows) of units in `values` (units, rows)."""
    outer = outer_probabilities(q, values.size)
    assert outer is not None
    quantile, low, high = np.quantile(values, [q, *outer])
    density = quantile_density(low, high, q, values.size)
    assert density is not None
    below = (values <= quantile).sum(1).astype(float)
    rows = np.full(len(values), float(values.shape[1]))
    return Moments.from_rows(np.stack([below, rows], -1)), (quantile, density, below.sum() / rows.sum())


def compare(control: np.ndarray, treatment: np.ndarray, q: float) -> Comparison:
    parts = [block(values, q) for values in (control, treatment)]
    level = quantile_level(*(np.array(part) for part in zip(*(facts for _, facts in parts), strict=True)))
    return Comparison(delta_method(level, [moments for moments, _ in parts], width=2), 1, 0, StudentTest())


def test_the_level_is_the_sample_quantile() -> None:
    values = np.random.default_rng(1).lognormal(size=(2, 300, 1))
    levels = compare(values[0], values[1], 0.95).levels
    np.testing.assert_allclose(levels.value, np.quantile(values, 0.95, axis=(1, 2)))


def test_rescaling_does_not_change_the_p_value() -> None:
    values = np.random.default_rng(2).lognormal(size=(2, 200, 3))
    assert compare(*(1000 * values), 0.9).p_value() == pytest.approx(compare(*values, 0.9).p_value())


def test_equal_p95_but_other_means_is_no_difference_of_p95() -> None:
    rng = np.random.default_rng(3)
    sigma0, sigma1, z = 0.5, 0.7, 1.6448536
    rejected, by_means, rounds = 0, 0, 200
    for _ in range(rounds):
        control = rng.lognormal(0, sigma0, (400, 1))
        treatment = rng.lognormal(z * (sigma0 - sigma1), sigma1, (400, 1))
        rejected += bool(compare(control, treatment, 0.95).p_value() < 0.05)
        blocks = [Moments.from_rows(np.concatenate([v, np.ones_like(v)], 1)) for v in (control, treatment)]
        by_means += bool(Comparison(delta_method(RatioLevel(), blocks, 2), 1, 0, StudentTest()).p_value() < 0.05)
    assert by_means / rounds > 0.9, "a t test of means must be seen to answer another question"
    assert rejected / rounds < 0.09


def test_rows_of_one_unit_are_not_independent() -> None:
    rng = np.random.default_rng(4)
    clustered, rounds = 0, 300
    for _ in range(rounds):
        values = np.exp(rng.normal(0, 0.6, (2, 100, 1)) + rng.normal(0, 0.9, (2, 100, 8)))
        clustered += bool(compare(values[0], values[1], 0.95).p_value() < 0.05)
    assert clustered / rounds < 0.09


def test_too_few_rows_and_too_many_ties_have_no_density() -> None:
    assert outer_probabilities(0.95, 60) is None
    assert outer_probabilities(0.5, 0) is None
    assert quantile_density(2.0, 2.0, 0.5, 100) is None
