import numpy as np
import pytest
from scipy import stats

from abkit.stats.boundary import distinct_looks, exit_probabilities
from abkit.stats.group_sequential import (
    spending_bounds,
)
from abkit.stats.spending import Spending


def test_two_looks_agree_with_the_bivariate_normal():
    bounds = spending_bounds([0.4, 1.0], spending=Spending("pocock"))
    joint = stats.multivariate_normal([0, 0], [[1, np.sqrt(0.4)], [np.sqrt(0.4), 1]])
    a, b = bounds.efficacy
    inside = joint.cdf([a, b], lower_limit=[-a, -b])
    assert 1 - inside == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("information", [[0.5, 0.5002, 1.0], [0.0001, 0.5, 1.0], [0.999, 1.0]])
def test_bounds_do_not_depend_on_the_grid(information, monkeypatch):
    coarse = spending_bounds(information, spending=Spending("power", 1.0)).efficacy
    monkeypatch.setattr("abkit.stats.boundary._PANELS_PER_SD", 0.6)
    fine = spending_bounds(information, spending=Spending("power", 1.0)).efficacy
    assert np.allclose(coarse, fine, atol=1e-7)


def test_very_early_look_cannot_reject():
    bounds = spending_bounds([0.01, 1.0])
    assert np.isinf(bounds.efficacy[0])
    assert bounds.efficacy[1] == pytest.approx(stats.norm.ppf(0.975), abs=1e-9)


def test_same_information_twice_is_one_look():
    assert distinct_looks([0.2, 0.2, 0.200001, 0.5]) == (0.2, 0.5)


def test_drift_moves_mass_up():
    below, above = exit_probabilities([0.5, 1.0], -2.0, 2.0, drift=3.0)
    mirrored_below, mirrored_above = exit_probabilities([0.5, 1.0], -2.0, 2.0, drift=-3.0)
    assert above.sum() > 0.8
    assert np.allclose(below, mirrored_above)
    assert np.allclose(above, mirrored_below)
