import numpy as np
import pytest

from abkit.stats.estimate import Reason
from abkit.stats.median import median_difference, median_ratio, median_se


def test_median_standard_error_scales_and_refuses():
    values = np.random.default_rng(5).normal(size=25)
    assert median_se(3 * values) == pytest.approx(3 * median_se(values))
    assert median_difference([1.0, 2.0], [1.0, 2.0]).reason is Reason.TOO_FEW_UNITS
    assert median_ratio([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]).reason is Reason.NOT_POSITIVE
    with pytest.raises(ValueError, match="two values"):
        median_se([1.0])


@pytest.mark.slow
def test_small_medians_cover():
    rng = np.random.default_rng(19)
    runs = 6000
    answers = [median_difference(rng.lognormal(size=20), rng.lognormal(size=20)) for _ in range(runs)]
    assert 0.935 <= np.mean([a.low <= 0 <= a.high for a in answers]) <= 0.985
