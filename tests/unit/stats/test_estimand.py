import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from abkit.stats import Comparison, ConfidenceSequence, Moments, RatioLevel, StudentTest, contrast, delta_method

seeds = st.integers(0, 2**32 - 1)


def means(values: np.ndarray, offset: float = 0.0) -> Moments:
    return Moments.from_rows(np.stack([values - offset, np.ones_like(values)], axis=-1))


def compare(control: np.ndarray, treatment: np.ndarray, offset: float = 0.0) -> Comparison:
    levels = delta_method(RatioLevel(offset), [means(control, offset), means(treatment, offset)], width=2)
    return Comparison(levels, 1, 0, StudentTest())


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n0, n1 = rng.integers(2, 40, 2)
    return rng.normal(rng.uniform(1, 9), rng.uniform(0.1, 4), n0), rng.normal(
        rng.uniform(1, 9), rng.uniform(0.1, 4), n1
    )


@given(seeds)
def test_it_is_welch_s_test(seed: int) -> None:
    control, treatment = draw(seed)
    comparison = compare(control, treatment)
    expected = scipy_stats.ttest_ind(treatment, control, equal_var=False)
    low, high = comparison.interval(0.05)
    interval = expected.confidence_interval(0.95)
    assert comparison.p_value() == pytest.approx(expected.pvalue, rel=1e-9)
    assert comparison.effect().df == pytest.approx(expected.df, rel=1e-9)
    assert (low, high) == pytest.approx((interval.low, interval.high), rel=1e-9)


@given(seeds)
def test_one_block_of_pairs_is_the_paired_t_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(5, 2, rng.integers(3, 50))
    pairs = np.stack([base, base + rng.normal(0.3, 0.5, base.size)])
    ones = np.ones_like(base)
    block = Moments.from_rows(np.stack([pairs[0], ones, pairs[1], ones], axis=-1))
    comparison = Comparison(delta_method(RatioLevel(), [block], width=2), 1, 0, StudentTest())
    expected = scipy_stats.ttest_rel(pairs[1], pairs[0])
    assert comparison.p_value() == pytest.approx(expected.pvalue, rel=1e-6)
    assert comparison.effect().df == pytest.approx(base.size - 1)


@given(seeds)
def test_swapping_the_variants_flips_the_sign(seed: int) -> None:
    control, treatment = draw(seed)
    there, back = compare(control, treatment), compare(treatment, control)
    low, high = there.interval(0.1)
    assert back.interval(0.1) == pytest.approx((-high, -low))
    assert back.p_value() == pytest.approx(there.p_value())


@given(seeds, st.floats(1e-6, 1e6))
def test_rescaling_changes_neither_p_value_nor_lift(seed: int, scale: float) -> None:
    control, treatment = draw(seed)
    one, other = compare(control, treatment), compare(scale * control, scale * treatment)
    assert other.p_value() == pytest.approx(one.p_value(), rel=1e-6)
    np.testing.assert_allclose(other.lift_interval(0.05), one.lift_interval(0.05), rtol=1e-6, atol=1e-9)


@given(seeds, st.floats(0.0002, 0.5))
def test_one_verdict_the_interval_the_p_value_and_the_lift_agree(seed: int, alpha: float) -> None:
    comparison = compare(*draw(seed))
    low, high = comparison.interval(alpha)
    rejected = bool(comparison.p_value() < alpha)
    assert rejected == bool(low > 0 or high < 0)
    lift_low, lift_high = comparison.lift_interval(alpha)
    if np.isfinite(lift_low):
        assert rejected == bool(lift_low > 0 or lift_high < 0)
        assert lift_low <= lift_high


@given(seeds)
def test_both_ends_of_the_lift_are_just_not_rejected(seed: int) -> None:
    comparison = compare(*draw(seed))
    for bound in comparison.lift_interval(0.05):
        if np.isfinite(bound):
            assert comparison.p_value(ratio=1 + bound) == pytest.approx(0.05, rel=1e-6)


def test_an_uncertain_or_nonpositive_control_has_no_lift_interval() -> None:
    noisy = np.array([-3.0, 4.0, -2.0, 3.5, 0.2])
    assert np.isnan(compare(noisy, noisy + 1).lift_interval(0.05)).all()
    assert np.isnan(compare(np.array([-3.0, -3.1, -3.2]), np.array([1.0, 1.1, 1.2])).lift_interval(0.05)).all()


def test_a_large_offset_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    control, treatment = rng.normal(0, 1, 500), rng.normal(0.2, 1, 500)
    shifted = compare(1e8 + control, 1e8 + treatment, offset=1e8)
    assert shifted.p_value() == pytest.approx(compare(control, treatment).p_value(), rel=1e-6)


def test_clusters_repeated_rows_of_a_unit_are_not_independent() -> None:
    rng = np.random.default_rng(6)
    rejected_rows, rejected_units, rounds = 0, 0, 400
    for _ in range(rounds):
        blocks, flat = [], []
        for _ in range(2):
            values = rng.normal(0, 1, 50)[:, None] + rng.normal(0, 1.5, (50, 20))
            flat.append(values.ravel())
            blocks.append(Moments.from_rows(np.stack([values.sum(1), np.full(50, 20.0)], axis=-1)))
        comparison = Comparison(delta_method(RatioLevel(), blocks, width=2), 1, 0, StudentTest())
        rejected_units += bool(comparison.p_value() < 0.05)
        rejected_rows += bool(compare(*flat).p_value() < 0.05)
    assert rejected_rows / rounds > 0.3, "treating rows as independent must be seen to fail here"
    assert 0.02 < rejected_units / rounds < 0.09


def test_a_ratio_has_the_variance_of_its_linearised_values() -> None:
    rng = np.random.default_rng(7)
    sessions = rng.poisson(5, 300) + 1.0
    clicks = rng.binomial(sessions.astype(int), 0.3).astype(float)
    level = delta_method(RatioLevel(), [Moments.from_rows(np.stack([clicks, sessions], -1))], width=2)
    ratio = clicks.sum() / sessions.sum()
    by_hand = np.var(clicks - ratio * sessions, ddof=1) / (300 * sessions.mean() ** 2)
    assert level.se[0] ** 2 == pytest.approx(by_hand, rel=1e-12)


def test_batches_equal_loops() -> None:
    rng = np.random.default_rng(8)
    draws = rng.lognormal(0, 0.5, (2, 7, 30))
    batch = delta_method(RatioLevel(), [means(draws[0]), means(draws[1])], width=2)
    together = Comparison(batch, 1, 0, StudentTest())
    for i in range(7):
        alone = compare(draws[0, i], draws[1, i])
        assert together.p_value()[i] == pytest.approx(alone.p_value())
        np.testing.assert_allclose([b[i] for b in together.lift_interval(0.05)], alone.lift_interval(0.05))


def test_other_variants_do_not_enter_a_comparison() -> None:
    rng = np.random.default_rng(9)
    blocks = [means(rng.normal(3, 1, n)) for n in (20, 30, 1)]
    two = contrast(delta_method(RatioLevel(), blocks[:2], width=2), 1, 0)
    three = contrast(delta_method(RatioLevel(), blocks, width=2), 1, 0)
    assert (three.value, three.se, three.df, three.n) == (two.value, two.se, two.df, two.n)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.9999])
def test_any_level_is_exact(level: float) -> None:
    rng = np.random.default_rng(10)
    control, treatment = rng.normal(3, 1, 8), rng.normal(4, 2, 12)
    expected = scipy_stats.ttest_ind(treatment, control, equal_var=False).confidence_interval(level)
    assert compare(control, treatment).interval(1 - level) == pytest.approx((expected.low, expected.high))


def test_always_valid_intervals_survive_looking_after_every_unit() -> None:
    rng = np.random.default_rng(11)
    rounds, size = 300, 600
    draws = rng.normal(0, 1, (2, rounds, size))
    n = np.arange(1, size + 1, dtype=float)
    blocks = []
    for values in draws:
        total, square = values.cumsum(-1), (values**2).cumsum(-1)
        products = np.zeros((rounds, size, 2, 2))
        products[..., 0, 0], products[..., 1, 1] = square, n
        products[..., 0, 1] = products[..., 1, 0] = total
        sums = np.stack([total, np.broadcast_to(n, total.shape)], axis=-1)
        blocks.append(Moments.from_shifted_sums(np.broadcast_to(n, total.shape), [0.0, 0.0], sums, products))
    levels = delta_method(RatioLevel(), blocks, width=2)
    sequence = Comparison(levels, 1, 0, ConfidenceSequence(planned_units=2 * size, alpha=0.05))
    naive = Comparison(levels, 1, 0, StudentTest())
    with np.errstate(invalid="ignore"):
        assert (naive.p_value()[:, 20:] < 0.05).any(-1).mean() > 0.2, "peeking at a fixed test must be seen to fail"
        assert (sequence.p_value() <= 0.05).any(-1).mean() <= 0.07
