import numpy as np
import pytest

from abkit.stats.estimand import RatioLevel, delta_method
from abkit.stats.inference import Comparison, StudentTest
from abkit.stats.moments import Moments
from abkit.stats.resplit import resplit

RNG = np.random.default_rng(2)
ROWS = np.column_stack([RNG.lognormal(0, 1, 400) + 1e6, RNG.poisson(3, 400) + 1.0])


def test_the_two_halves_merge_to_the_whole():
    whole, (control, treatment) = Moments.from_rows(ROWS), resplit(ROWS, 20, RNG)
    merged = control + treatment
    assert merged.n == pytest.approx(400)
    assert merged.mean == pytest.approx(np.broadcast_to(whole.mean, (20, 2)), rel=1e-12)
    assert merged.covariance == pytest.approx(np.broadcast_to(whole.covariance, (20, 2, 2)), rel=1e-9, abs=1e-9)


def test_moments_are_those_of_a_split():
    units = np.arange(64.0)
    control, treatment = resplit(np.column_stack([units, units**2]), 5, RNG)
    for part in (control, treatment):
        squares = part.covariance[:, 0, 0] * (part.n - 1) / part.n + part.mean[:, 0] ** 2
        assert part.mean[:, 1] == pytest.approx(squares)


def test_share_and_seed():
    first, again = (resplit(ROWS, 50, np.random.default_rng(1), share=0.2)[1] for _ in range(2))
    assert np.array_equal(first.n, again.n)
    assert first.n.mean() == pytest.approx(80, abs=5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: resplit(ROWS[:3], 5, RNG),
        lambda: resplit(ROWS[:, 0], 5, RNG),
        lambda: resplit(ROWS, 0, RNG),
        lambda: resplit(ROWS, 5, RNG, share=1.0),
        lambda: resplit(ROWS * np.nan, 5, RNG),
    ],
)
def test_impossible_requests_are_refused(call):
    with pytest.raises(ValueError, match=r"rows|share"):
        call()


def test_ratio_test_on_splits_rejects_at_its_level():
    executions = RNG.geometric(1 / 11, 2000).astype(float)
    cost = executions * RNG.lognormal(0, 0.5, 2000)
    control, treatment = resplit(np.column_stack([cost, executions]), 4000, RNG)
    levels = delta_method(RatioLevel(), [control, treatment], width=2)
    p = Comparison(levels, 1, 0, StudentTest()).p_value()
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 4000))
