"""What is made up has the numbers that it was asked for, seen through the columns that collectors would compute."""

from __future__ import annotations

import numpy as np
import pytest

from abkit.analyzer.synthetic import synthetic_population
from abkit.analyzer.units import row_values, unit_columns
from abkit.errors import DefinitionError, ParameterError
from abkit.models import Baseline, Data, Experiment, Mean, Proportion, Quantile, Ratio, Variant
from abkit.stats import intraclass_correlation


def _make(baselines, *metrics, paired=False, seed=1):
    experiment = Experiment(
        key="made-up",
        variants=[Variant("plain", 50, is_control=True), Variant("warming", 50)],
        primary_metric=metrics[0],
        secondary_metrics=list(metrics[1:]),
        data=Data(path="none.csv", unit="task", design="paired") if paired else None,
    )
    return synthetic_population(experiment, baselines, np.random.default_rng(seed))


@pytest.mark.parametrize("rate", [0.5, 0.1234567, 0.0003, 0.9991])
def test_a_rate_has_its_level(rate):
    population = _make({"success": rate}, Proportion("success"))
    assert set(population.columns["success"]) == {0.0, 1.0}
    assert population.columns["success"].mean() == pytest.approx(rate, rel=2e-4)


@pytest.mark.parametrize(("level", "sd"), [(10.0, 2.0), (10.0, 10.0), (0.02, 0.3), (5.0, 0.001), (1.0, 20.0)])
def test_a_positive_mean_has_its_level_and_sd_and_no_negative_value(level, sd):
    values = _make({"cost": Baseline(level, sd)}, Mean("cost")).columns["cost"]
    assert values.mean() == pytest.approx(level, rel=1e-9)
    assert values.std() == pytest.approx(sd, rel=1e-6)
    assert values.min() >= 0


def test_a_mean_that_is_not_positive_is_normal():
    values = _make({"gain": Baseline(-1.0, 3.0)}, Mean("gain")).columns["gain"]
    assert (values.mean(), values.std()) == pytest.approx((-1.0, 3.0))


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_a_quantile_has_its_level_and_sd(q):
    metric = Quantile("latency", q)
    values = _make({metric.name: Baseline(2.0, 1.5)}, metric).columns["latency"]
    assert np.quantile(values, q) == pytest.approx(2.0, rel=1e-12)
    assert values.std() == pytest.approx(1.5, rel=1e-6)


@pytest.mark.parametrize(
    ("metric", "baseline"),
    [
        (Proportion("success"), Baseline(0.3, icc=0.4, rows_per_unit=5)),
        (Proportion("success"), Baseline(0.02, icc=0.1, rows_per_unit=3)),
        (Mean("cost"), Baseline(3.0, 4.0, icc=0.25, rows_per_unit=4)),
    ],
)
@pytest.mark.parametrize("paired", [False, True])
def test_rows_of_a_unit_are_as_alike_as_asked_and_every_variant_has_the_level(metric, baseline, paired):
    population = _make({metric.name: baseline}, metric, paired=paired)
    values = population.columns[metric.name]
    assert intraclass_correlation(values, population.unit).icc == pytest.approx(baseline.icc, abs=0.02)
    assert len(values) == population.units * baseline.rows_per_unit * (2 if paired else 1)
    variant = population.variant if paired else np.zeros(len(values))
    for place in np.unique(variant):
        assert values[variant == place].mean() == pytest.approx(baseline.level, rel=2e-3)
    if isinstance(metric, Mean):
        assert values.std() == pytest.approx(baseline.sd, rel=0.01)


def test_a_ratio_has_its_level_whatever_its_denominator():
    ratio, sessions = Ratio("clicks", "sessions"), Mean("sessions")
    population = _make({ratio.name: Baseline(0.3, 0.2), "sessions": Baseline(4.0, 2.0)}, ratio, sessions)
    clicks, below = unit_columns(ratio, population).T
    assert clicks.sum() / below.sum() == pytest.approx(0.3)
    assert (clicks - 0.3 * below).std() / below.mean() == pytest.approx(0.2)


def test_a_covariate_has_each_of_its_correlations():
    metrics = Proportion("success", covariate="before"), Mean("cost", covariate="before")
    asked = {
        "success": Baseline(0.4, correlation=0.5, icc=0.2, rows_per_unit=2),
        "cost": Baseline(3.0, 4.0, correlation=-0.7, rows_per_unit=2),
    }
    population = _make(asked, *metrics)
    for metric in metrics:
        totals = unit_columns(metric, population)
        seen = np.corrcoef(totals[:, 0], totals[:, 2])[0, 1]
        assert seen == pytest.approx(asked[metric.name].correlation, abs=1e-9)


def test_metrics_may_have_different_numbers_of_rows_and_share_a_column():
    cost, slow = Mean("cost"), Quantile("cost", 0.9)
    population = _make(
        {"success": Baseline(0.4, rows_per_unit=3), "cost": Baseline(3.0, 4.0)}, Proportion("success"), cost, slow
    )
    assert row_values(cost, population).counted.sum() == population.units
    assert unit_columns(slow, population)[:, 0].sum() == pytest.approx(0.9 * population.units, abs=1)


def test_the_same_seed_makes_the_same_units():
    asked = {"cost": Baseline(3.0, 4.0, icc=0.3, rows_per_unit=2)}
    first, same, other = (_make(asked, Mean("cost"), seed=seed).columns["cost"] for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("metric", "baseline", "said"),
    [
        (Proportion("x"), Baseline(30), "lies between 0 and 1"),
        (Proportion("x"), Baseline(0.3, sd=0.1), "leave sd out"),
        (Mean("x"), 3.0, "give its spread"),
        (Mean("x"), Baseline(0.01, sd=1.0), "rests on single units"),
        (Quantile("x", 0.5, name="x"), Baseline(-1, sd=1.0), "must be positive"),
        (Mean("x"), Baseline(3.0, 1.0, correlation=0.5), "no covariate"),
        (Mean("x", missing="zero"), Baseline(3.0, 1.0), "3 rows_per_unit"),
    ],
)
def test_an_impossible_baseline_is_said_to_be_one(metric, baseline, said):
    with pytest.raises(ParameterError, match=said):
        _make({"x": baseline, "z": Baseline(1.0, 1.0, rows_per_unit=3)}, metric, Mean("z"))


def test_all_problems_come_at_once():
    with pytest.raises(
        ParameterError, match=r"no metric 'sucess'; did you mean 'success'(?s:.*)'cost' has no baseline"
    ):
        _make({"sucess": 0.3}, Proportion("success"), Mean("cost"))
    with pytest.raises(ParameterError, match="reads the column of"):
        _make({"x": Baseline(1.0, 1.0), "y": Baseline(1.0, 1.0)}, Mean("x"), Mean("x", name="y"))


def test_a_baseline_checks_itself():
    with pytest.raises(DefinitionError, match="sd"):
        Baseline(1.0, sd=-1.0)
    with pytest.raises(DefinitionError, match="icc"):
        Baseline(1.0, icc=1.5)
