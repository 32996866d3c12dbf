import numpy as np
import pytest

from abkit.stats.estimate import Reason
from abkit.stats.ratio import ratio_difference, ratio_linearised


def test_linearised_ratio_has_the_ratio_and_its_variance():
    rng = np.random.default_rng(6)
    x = rng.integers(0, 9, 40).astype(float)
    y = 2 * x + rng.normal(size=40)
    values = ratio_linearised(y, x)
    answer = ratio_difference(y, x, y + x, x)
    assert values.mean() == pytest.approx(y.sum() / x.sum())
    assert answer.details["control_se"] == pytest.approx(values.std(ddof=1) / np.sqrt(40))
    assert answer.value == pytest.approx(1.0)
    with pytest.raises(ValueError, match="adds up to 0"):
        ratio_linearised([1.0], [0.0])


def test_ratio_verdicts_never_contradict():
    rng = np.random.default_rng(7)
    for _ in range(200):
        x = rng.integers(1, 9, (2, 15)).astype(float)
        y = x * rng.lognormal(0.3, 1, (2, 15))
        answer = ratio_difference(y[0], x[0], y[1], x[1])
        low, high = answer.details["lift_low"], answer.details["lift_high"]
        if low is not None and high is not None:
            assert (answer.low > 0, answer.high < 0) == (low > 0, high < 0)


def test_ratio_without_denominator_is_undefined():
    answer = ratio_difference([1, 2], [0, 0], [1, 2], [1, 2])
    assert (answer.value, answer.reason) == (None, Reason.ZERO_TOTAL)
    assert ratio_difference([1], [1], [1, 2], [1, 2]).reason is Reason.TOO_FEW_UNITS
