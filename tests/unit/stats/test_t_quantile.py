"""Quantiles of t: the expansion meets the inverse where one takes over from the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from abkit.stats import Comparison, StudentTest, Summary, mean_difference, mean_levels, mean_lift
from abkit.stats.t_quantile import t_quantile


@pytest.mark.parametrize("tail", [0.4, 0.1, 0.025, 1e-3, 1e-6, 1e-10, 1e-15])
def test_the_quantile_is_that_of_the_inverse_to_the_last_digits(tail: float) -> None:
    z = -special.ndtri(tail)
    near = (1 + z * z) / 0.004
    df = np.concatenate([np.geomspace(1, 1e9, 300), near * (1 + np.array([-1e-9, 1e-9]))])
    assert t_quantile(df, tail) == pytest.approx(-special.stdtrit(df, tail), rel=4e-15)


def test_many_and_few_agree_and_what_is_not_defined_stays_so() -> None:
    df = np.array([1.0, 5.0, 1e4, np.inf, np.nan] * 10)
    many = t_quantile(df, 0.025)
    few = np.array([float(t_quantile(one, 0.025)) for one in df])
    assert many == pytest.approx(few, rel=4e-15, nan_ok=True)
    assert many[3] == -special.ndtri(0.025)
    assert t_quantile(np.full(40, 9.0), [[0.05], [0.01]]).shape == (2, 40)


samples = st.builds(
    Summary, st.integers(2, 10**6).map(float), st.floats(0.01, 100), st.one_of(st.just(0.0), st.floats(1e-3, 1e3))
)


@given(samples, samples, st.sampled_from(["two-sided", "greater", "less"]), st.sampled_from([0.8, 0.95, 0.999]))
def test_one_pair_gets_what_a_batch_gets(treatment: Summary, control: Summary, alternative: str, level: float) -> None:
    """The scalar arithmetic of one pair against the arrays of many: same difference, same lift, same reasons."""
    lift = mean_lift(treatment, control, level=level, alternative=alternative)  # type: ignore[arg-type]
    difference = mean_difference(treatment, control, level=level, alternative=alternative)  # type: ignore[arg-type]
    if difference.reason is not None:
        assert lift.reason is difference.reason
        return
    pairs = np.array([[(one.n, one.mean, one.variance) for one in (control, treatment)]] * 40)
    batch = Comparison(mean_levels(*np.moveaxis(pairs, -1, 0)), 1, 0, StudentTest())
    alpha = 1 - level if alternative == "two-sided" else 2 * (1 - level)
    for one, bounds in ((difference, batch.interval(alpha)), (lift, batch.lift_interval(alpha))):
        for mine, theirs in zip((one.low, one.high), (float(bound[0]) for bound in bounds), strict=True):
            if mine is not None:
                assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-11 * (1 + abs(difference.se or 0)))
        if None not in (one.low, one.high):
            assert np.isfinite(bounds[0][0])
    if alternative == "two-sided":
        assert difference.p_value == pytest.approx(float(batch.p_value()[0]), rel=1e-9, abs=1e-300)
