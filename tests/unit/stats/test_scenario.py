import numpy as np
import pytest

from abkit.stats.dunnett import dunnett_critical_value
from abkit.stats.plan_inputs import scenario_shape
from abkit.stats.power_analysis import PowerAnalysis
from abkit.stats.power_curve import mean_power, rate_power
from abkit.stats.scenario import Scenario


def test_alpha_is_split_over_the_treatments():
    assert Scenario(sd=1.0, treatments=4).alpha_each() == pytest.approx(0.0125)
    assert Scenario(sd=1.0, treatments=4, correction="none").alpha_each() == pytest.approx(0.05)
    each = float(Scenario(sd=1.0, treatments=4, correction="dunnett").alpha_each())
    critical = dunnett_critical_value([0.5**0.5] * 4)
    from scipy import special

    assert special.ndtri(1 - each / 2) == pytest.approx(critical, abs=1e-8)


def test_power_is_that_of_the_curve_behind_it():
    means = Scenario(sd=2.0, sd_treatment=3.0, allocation=0.5)
    assert means.power(np.array(0.7), np.array(80.0)) == pytest.approx(mean_power(0.7, 2.0, 3.0, 80, 40))
    rates = Scenario(rate=0.3, rows_per_unit=4, icc=0.1)
    wanted = rate_power(0.3, 0.35, 100 * 4 / 1.3, 100 * 4 / 1.3)
    assert rates.power(np.array(0.05), np.array(100.0)) == pytest.approx(wanted)


def test_power_reached_by_simulation_of_a_clustered_plan():
    """60 units of 5 rows each, icc 0.3: unit means compared by Welch reject as often as planned."""
    from scipy import stats

    rng, runs, m, icc, n, effect = np.random.default_rng(4), 8000, 5, 0.3, 60, 0.35
    unit = rng.normal(0, np.sqrt(icc), (2, runs, n))
    means = unit + rng.normal(0, np.sqrt((1 - icc) / m), (2, runs, n))
    rejected = stats.ttest_ind(means[0] + effect, means[1], axis=1, equal_var=False).pvalue <= 0.05
    planned = Scenario(sd=1.0, rows_per_unit=m, icc=icc).power(np.array(effect), np.array(float(n)))
    assert planned == pytest.approx(rejected.mean(), abs=0.015)


def test_shapes_broadcast():
    assert scenario_shape(Scenario(sd=[1.0, 2.0, 3.0], alpha=[[0.05], [0.01]])) == (2, 3)
    assert scenario_shape(Scenario(rate=0.5)) == ()


def test_rows_leave_out_what_is_not_there():
    found = PowerAnalysis("n", 10, 10, 20, 0.5, None, 0.8, 0.05, 9.5)
    assert "lift" not in found.rows()[0]
    assert "<b>" not in PowerAnalysis("<b>", 1, 1, 2, 0.5, None, 0.8, 0.05, 9.5)._repr_html_()
