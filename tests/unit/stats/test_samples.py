import numpy as np
import pytest

from abkit.stats.cluster import clustered_difference
from abkit.stats.covariates import cuped_difference
from abkit.stats.paired import paired_difference
from abkit.stats.quantile_interval import quantile_interval
from abkit.stats.rank import brunner_munzel, mann_whitney
from abkit.stats.ratio import ratio_difference
from abkit.stats.resample import bootstrap_difference
from abkit.stats.samples import finite_sample

BAD = [[1.0, np.nan, 3.0], [1.0, np.inf, 3.0]]


@pytest.mark.parametrize("bad", BAD)
def test_missing_and_infinite_values_are_refused_everywhere(bad):
    good, labels = [1.0, 2.0, 3.0], [0, 1, 2]
    for call in (
        lambda: paired_difference(bad, good),
        lambda: clustered_difference(good, labels, bad, labels),
        lambda: ratio_difference(bad, good, good, good),
        lambda: quantile_interval(bad, 0.5),
        lambda: cuped_difference(bad, good, good, good),
        lambda: brunner_munzel(good, bad),
        lambda: mann_whitney(good, bad),
        lambda: bootstrap_difference(good, bad, np.random.default_rng(1)),
    ):
        with pytest.raises(ValueError, match=r"missing or infinite|finite"):
            call()


def test_a_sample_has_one_axis():
    with pytest.raises(ValueError, match="one axis"):
        finite_sample([[1.0]])
