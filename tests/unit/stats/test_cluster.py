import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.stats.cluster import clustered_difference, clustered_mean, design_effect, intraclass_correlation
from abkit.stats.estimate import Reason
from abkit.stats.least_squares import clustered_regression
from abkit.stats.paired import mean_estimate

RUNS = 10_000


def two_arms(rng, clusters=6):
    sizes = rng.integers(1, 7, 2 * clusters)
    labels = np.repeat(np.arange(2 * clusters), sizes)
    y = rng.normal(0, 1, 2 * clusters)[labels] + rng.normal(0, 1, len(labels))
    treated = labels >= clusters
    return y, labels, treated


@pytest.mark.parametrize("correction", ["CR0", "CR1", "CR2"])
def test_closed_form_agrees_with_the_general_regression(correction):
    y, labels, treated = two_arms(np.random.default_rng(1))
    answer = clustered_difference(y[~treated], labels[~treated], y[treated], labels[treated], correction=correction)
    fit = clustered_regression(y, np.column_stack([np.ones(len(y)), treated]), labels, correction)
    assert answer.value == pytest.approx(fit.coefficients[1])
    if correction == "CR2":
        assert answer.df == pytest.approx(fit.df[1])
    if correction != "CR1":
        assert answer.se == pytest.approx(fit.se[1])


def test_clusters_of_one_row_are_welch():
    rng = np.random.default_rng(2)
    c, t = rng.normal(0, 1, 12), rng.normal(1, 3, 9)
    answer = clustered_difference(c, np.arange(12), t, np.arange(9))
    assert answer.se == pytest.approx(np.sqrt(c.var(ddof=1) / 12 + t.var(ddof=1) / 9))
    assert clustered_mean(c, np.arange(12)).se == pytest.approx(mean_estimate(c, 0.95, "mean").se)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1e6), st.floats(-1e6, 1e6))
def test_scale_and_shift(seed, scale, shift):
    y, labels, treated = two_arms(np.random.default_rng(seed))
    moved = scale * y + shift
    before, after = (
        clustered_difference(v[~treated], labels[~treated], v[treated], labels[treated]) for v in (y, moved)
    )
    assert after.value == pytest.approx(scale * before.value, rel=1e-6, abs=1e-9 * abs(shift))
    assert after.df == pytest.approx(before.df)
    assert after.se == pytest.approx(scale * before.se, rel=1e-5)


def test_too_little_is_a_reason_not_a_number():
    one = clustered_difference([1.0, 2.0], [0, 0], [1.0, 2.0, 3.0], [1, 1, 2])
    assert (one.p_value, one.low, one.reason) == (None, None, Reason.TOO_FEW_UNITS)
    constant = clustered_mean([5.0] * 6, [0, 0, 1, 1, 2, 2])
    assert (constant.p_value, constant.reason) == (None, Reason.ZERO_VARIANCE)
    assert intraclass_correlation([1.0, 2.0], [0, 1]).icc is None
    assert intraclass_correlation([1.0, 1.0, 1.0, 1.0], [0, 0, 1, 1]).reason is Reason.NO_VARIATION
    with pytest.raises(ValueError, match="one cluster label"):
        clustered_mean([1.0, 2.0], [0])


def test_design_effect_is_what_the_variance_shows():
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(4000), 10)
    y = rng.normal(0, np.sqrt(0.3), 4000)[labels] + rng.normal(0, np.sqrt(0.7), 40_000)
    answer = clustered_mean(y, labels)
    assert answer.details["icc"] == pytest.approx(0.3, abs=0.02)
    assert answer.details["design_effect"] == pytest.approx(float(design_effect(10, 0.3)), rel=0.06)
    assert answer.details["effective_n"] == pytest.approx(40_000 / answer.details["design_effect"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clusters", "icc"),
    [
        (8, 0.0),
        (8, 0.5),
        *(pytest.param(*one, marks=pytest.mark.full) for one in [(8, 0.2), (40, 0.0), (40, 0.2), (40, 0.5)]),
    ],
)
def test_clustered_false_positives(clusters, icc):
    """10,000 A/A experiments; CR2 with its degrees of freedom holds 5 % from 8 clusters per variant on."""
    rng = np.random.default_rng(31)
    sizes = rng.integers(1, 16, 2 * clusters)
    labels = np.repeat(np.arange(2 * clusters), sizes)
    treated = labels >= clusters
    rejected = 0
    for _ in range(RUNS):
        y = rng.normal(0, np.sqrt(icc), 2 * clusters)[labels] + rng.normal(0, np.sqrt(1 - icc), len(labels))
        answer = clustered_difference(y[~treated], labels[~treated], y[treated], labels[treated])
        rejected += answer.p_value < 0.05
    assert 0.035 <= rejected / RUNS <= 0.065
