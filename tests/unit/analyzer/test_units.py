from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from abkit.analyzer.units import row_values, unit_columns
from abkit.collectors import Source
from abkit.collectors.population import read_population
from abkit.errors import DataError, NotFoundError
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio, Variant

FRAME = pd.DataFrame(
    {
        "user": ["a", "a", "b", "c", "c", "c"],
        "cost": [1.0, 3.0, 5.0, 2.0, 2.0, 20.0],
        "calls": [1, 1, 2, 1, 1, 4],
        "before": [10.0, 10.0, 20.0, 30.0, 30.0, np.nan],
        "success": [1, 0, 1, 1, 1, None],
    }
)


def _experiment(metric):
    variants = [Variant("plain", 50, is_control=True), Variant("warming", 50)]
    return Experiment(key="planned", variants=variants, primary_metric=metric)


def _read(metric, frame=FRAME, **keys):
    return read_population(_experiment(metric), Source.frame(frame, **({"unit": "user"} | keys)))


def test_a_unit_adds_up_its_rows():
    population = _read(Mean("cost"))
    assert unit_columns(Mean("cost"), population).tolist() == [[4.0, 2.0], [5.0, 1.0], [24.0, 3.0]]


def test_a_ratio_has_the_total_of_its_denominator():
    metric = Ratio("cost", "calls")
    assert unit_columns(metric, _read(metric)).tolist() == [[4.0, 2.0], [5.0, 2.0], [24.0, 6.0]]


def test_the_cap_stays_where_the_past_put_it_when_values_rise():
    metric = Mean("cost", cap=0.8)
    population = _read(metric)
    cap = float(np.quantile(FRAME["cost"], 0.8))
    assert row_values(metric, population, lift=1.0).numerator.tolist() == [2.0, cap, cap, 4.0, 4.0, cap]


def test_missing_values_follow_the_rule():
    with pytest.raises(DataError, match="1 rows have no readable value"):
        _read(Proportion("success"))
    dropped = Proportion("success", missing="drop")
    assert unit_columns(dropped, _read(dropped)).tolist() == [[1.0, 2.0], [1.0, 1.0], [2.0, 2.0]]
    filled = Proportion("success", missing="zero")
    assert unit_columns(filled, _read(filled)).tolist() == [[1.0, 2.0], [1.0, 1.0], [2.0, 3.0]]


def test_a_missing_covariate_counts_as_its_mean():
    metric = Mean("cost", covariate="before")
    columns = unit_columns(metric, _read(metric))
    assert columns[:, 2].tolist() == pytest.approx([-20.0, 0.0, 20.0])
    assert columns[:, 3].tolist() == [2.0, 1.0, 3.0]


def test_a_quantile_counts_rows_at_or_below_it():
    metric = Quantile("cost", 0.5)
    assert unit_columns(metric, _read(metric)).tolist() == [[1.0, 2.0], [0.0, 1.0], [2.0, 3.0]]


def test_paired_units_keep_their_variants_apart_and_must_have_all():
    frame = pd.DataFrame(
        {"user": ["a", "a", "b", "c", "c"], "variant": ["plain", "warming", "plain", "warming", "plain"]}
    ).assign(cost=[1.0, 2.0, 3.0, 4.0, 5.0])
    population = _read(Mean("cost"), frame, design="paired")
    assert unit_columns(Mean("cost"), population).tolist() == [[[1.0, 1.0], [2.0, 1.0]], [[5.0, 1.0], [4.0, 1.0]]]
    with pytest.raises(NotFoundError, match="lacks the column 'variant'"):
        _read(Mean("cost"), design="paired")


def test_every_kth_unit_is_read_where_there_are_too_many():
    frame = pd.DataFrame({"user": np.repeat(np.arange(1000), 2), "cost": 1.0})
    population = read_population(_experiment(Mean("cost")), Source.frame(frame, unit="user"), most_units=100)
    assert (population.units, population.all_units, len(population.unit)) == (100, 1000, 200)


def test_the_same_population_comes_from_a_database():
    from sqlalchemy import create_engine

    engine = create_engine("sqlite://")
    FRAME.to_sql("runs", engine)
    metric = Mean("cost")
    population = read_population(_experiment(metric), Source.sql(engine, "runs", unit="user"))
    assert unit_columns(metric, population).tolist() == unit_columns(metric, _read(metric)).tolist()
