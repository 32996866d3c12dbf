"""Quantiles from a sketch: near the exact ones, with an error that holds, and refused where there is no sketch."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import column, select, table

from abkit.analyzer.analyzer import analyze_snapshot
from abkit.collectors import Source, collect
from abkit.collectors.engine_query import spark_query
from abkit.collectors.quantile_query import Wanted, quantiles
from abkit.collectors.query import Rows
from abkit.errors import DefinitionError
from abkit.models import Data, Experiment, Quantile
from tests.engines.conftest import DATABASES, SKETCHING, Place
from tests.engines.test_same_numbers import experiment

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SKETCHED = experiment(Quantile("x", 0.95, name="p95", method="sketch"), Quantile("x", 0.5, name="p50", method="sketch"))
EXACT = experiment(Quantile("x", 0.95, name="p95"), Quantile("x", 0.5, name="p50"))


def rows(size: int = 6000) -> pa.Table:
    rng = np.random.default_rng(2)
    return pa.table({"variant": ["a", "b"] * (size // 2), "unit": np.arange(size) // 4 * 2 + np.arange(size) % 2,
                     "x": rng.lognormal(0, 1, size)})  # fmt: skip


@pytest.mark.parametrize("place", SKETCHING, indirect=True)
def test_a_sketch_is_within_its_error_of_the_exact_quantile(place: Place) -> None:
    sketched = analyze_snapshot(SKETCHED, collect(SKETCHED, place(rows(), unit="unit"), now=NOW, details=False))
    exact = analyze_snapshot(EXACT, collect(EXACT, Source.frame(rows(), unit="unit"), now=NOW, details=False))
    for metric in sketched.metrics:
        right = exact.metric(metric.name)
        assert metric.sketch_error is not None
        assert right.sketch_error is None
        for variant, level in metric.levels.items():
            true = right.levels[variant]
            assert abs(level.value - true.value) <= metric.sketch_error[variant] + 0.02 * true.se
            assert level.se == pytest.approx(np.hypot(true.se, metric.sketch_error[variant]), rel=0.15)
        assert metric.notes[0].startswith("approximate: read from a sketch")


@pytest.mark.parametrize("place", DATABASES, indirect=True)
def test_a_database_without_a_sketch_says_so(place: Place) -> None:
    with pytest.raises(DefinitionError, match="'p95', 'p50': this database has no mergeable sketch"):
        collect(SKETCHED, place(rows(40), unit="unit"), now=NOW)


def test_so_many_equal_values_have_no_standard_error() -> None:
    tied = rows().set_column(2, "x", pa.array(np.round(rows()["x"].to_numpy())))
    found = collect(SKETCHED, Source.frame(tied), now=NOW, details=False).metrics
    assert "share the value 1 at the quantile" in found["p50"].reason


def test_the_method_survives_yaml_and_json() -> None:
    again = Experiment.from_yaml(SKETCHED.to_yaml())
    assert [metric.method for metric, _ in again.metrics] == ["sketch", "sketch"]
    assert again == SKETCHED == Experiment.from_dict(SKETCHED.to_dict())
    assert Quantile("x", 0.5).method == "exact"


@pytest.mark.spark
def test_spark_is_asked_for_exact_percentiles_unless_a_sketch_is_wanted() -> None:
    lying = Rows(table("t", column("variant"), column("x")), {"variant": "VARCHAR", "x": "DOUBLE"}, Data())
    texts = {
        sketched: spark_query(quantiles(lying, [Wanted("x", lying.number("x"), "a", 0.5, sketched)], ["a"]))[0]
        for sketched in (False, True)
    }
    assert "PERCENTILE(" in texts[False]
    assert "APPROX" not in texts[False].upper()
    assert "PERCENTILE_APPROX(" in texts[True]


@pytest.mark.spark
def test_values_of_a_statement_for_spark_are_bound_whatever_columns_are_called() -> None:
    name = "so, it's: called?"
    lying = table("t", column(name))
    text, values = spark_query(select(lying.c[name]).where(lying.c[name].in_(["'; DROP TABLE t; --", "b"])))
    assert text == f"SELECT t.`{name}` FROM t WHERE t.`{name}` IN (?, ?)"
    assert values == ["'; DROP TABLE t; --", "b"]
