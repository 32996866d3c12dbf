import numpy as np
import pytest

from abkit.stats.least_squares import clustered_regression, regression


def two_arms(rng, clusters=6):
    sizes = rng.integers(1, 7, 2 * clusters)
    labels = np.repeat(np.arange(2 * clusters), sizes)
    y = rng.normal(0, 1, 2 * clusters)[labels] + rng.normal(0, 1, len(labels))
    treated = labels >= clusters
    return y, labels, treated


def test_regressions_agree_with_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    y, labels, treated = two_arms(rng, 10)
    design = np.column_stack([np.ones(len(y)), treated, rng.normal(size=len(y))])
    for correction, name in (
        ("classical", "nonrobust"),
        ("HC0", "HC0"),
        ("HC1", "HC1"),
        ("HC2", "HC2"),
        ("HC3", "HC3"),
    ):
        fit = api.OLS(y, design).fit(cov_type=name)
        assert np.allclose(regression(y, design, correction).se, fit.bse)
    fit = api.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": labels, "use_correction": False})
    assert np.allclose(clustered_regression(y, design, labels, "CR0").se, fit.bse)
