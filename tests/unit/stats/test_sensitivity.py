import pytest
from statsmodels.stats.power import NormalIndPower

from abkit.stats import detectable_effect, power_at, units_needed

Z = 1.959963984540054


def test_power_agrees_with_statsmodels() -> None:
    se = (2 / 300) ** 0.5
    expected = NormalIndPower().power(0.25, 300, 0.05)
    assert power_at(0.25, se, Z) == pytest.approx(expected, rel=1e-9)


def test_the_three_answers_fit_each_other() -> None:
    effect = detectable_effect(0.3, Z, 0.9)
    assert power_at(effect, 0.3, Z) == pytest.approx(0.9, abs=1e-6)
    assert units_needed(effect, 0.3, 500, Z, 0.9) == 500


def test_hardly_any_noise_needs_a_unit_all_the_same() -> None:
    assert units_needed(1.0, 1e-9, 500, Z, 0.8) == 1
