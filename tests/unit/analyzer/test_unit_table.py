from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from abkit.analyzer.drawing import NormalSums, draw_units, moments_of
from abkit.analyzer.unit_table import build_table
from abkit.errors import DefinitionError
from abkit.models import Mean, Proportion, Quantile
from abkit.stats import delta_method
from tests.unit.analyzer.populations import experiment, past, population_of


def levels_of(table, name):
    """True levels: every unit in every option, by its chance."""
    chances = np.diff(table.cumulative, prepend=0.0, append=1.0, axis=1).T.reshape(-1) / table.units
    columns = table.columns[name]
    mean = (chances @ table.features)[columns.start + 1 : columns.start + 1 + columns.size]
    return table.levels[name](mean.reshape(table.variants, -1))


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("lift", [0.3, -0.3])
def test_every_level_changes_by_its_lift_and_no_other_does(rows, lift):
    what = experiment()
    population = population_of(what, past(600, rows), unit="user")
    before = build_table(what, population, [{}], linear=True)
    changes = {"success": lift, "cost": lift / 3, "latency_p90": lift, "cost_per_calls": lift}
    after = build_table(what, population, [changes], linear=True)
    for metric, _ in what.metrics:
        ratio = levels_of(after, metric.name) / levels_of(before, metric.name)
        assert ratio[0] == pytest.approx(1 + changes.get(metric.name, 0.0), rel=1e-9), metric.name


def test_a_turned_rate_of_single_rows_stays_0_or_1():
    what = experiment(guardrail_metrics=[], secondary_metrics=[])
    table = build_table(what, population_of(what, past()), [{"success": 0.5}])
    assert set(np.unique(table.features[:, 1])) == {0.0, 1.0}
    assert table.options == 2


def test_variants_of_a_paired_past_are_passed_around():
    frames = [past(100, 2, seed).assign(variant=name) for seed, name in ((1, "a"), (2, "b0"))]
    frames[1]["score"] += 3
    what = experiment(units=100)
    population = population_of(what, pd.concat(frames), unit="user", design="paired")
    levels = levels_of(build_table(what, population, [{}, {}], linear=True), "score")
    assert levels[0] == pytest.approx(levels[1], rel=1e-12)


def test_sums_of_drawn_units_are_those_of_their_rows():
    what = experiment()
    population = population_of(what, past(300))
    table = build_table(what, population, [{}])
    rng = np.random.default_rng(3)
    drawn = draw_units(table, np.array([500.0, 700.0]), rng)
    frame = past(300)
    moments = moments_of(what, [table], [drawn], one_row_each=True)
    for i, n in enumerate((500, 700)):
        rows = np.repeat(np.arange(300), drawn.counts[i].astype(int))
        assert len(rows) == n
        score = frame["score"].to_numpy()[rows]
        block = moments["score"].blocks[0]
        assert block.mean[i, 0] + moments["score"].level.offset == pytest.approx(score.mean())
        assert block.covariance[i, 0, 0] == pytest.approx(score.var(ddof=1))
        before = frame["before"].to_numpy()[rows]
        assert block.covariance[i, 0, 2] == pytest.approx(np.cov(score, before)[0, 1])


def test_a_quantile_of_several_rows_per_unit_equals_the_general_way():
    metric = Quantile("latency", 0.5)
    what = experiment(primary_metric=metric, guardrail_metrics=[], secondary_metrics=[])
    adjusted = experiment(
        primary_metric=Quantile("latency", 0.5, covariate="before"), guardrail_metrics=[], secondary_metrics=[]
    )
    population = population_of(adjusted, past(200, 5), unit="user")
    tables = [build_table(one, population, [{"latency_p50": 0.2}]) for one in (what, adjusted)]
    drawn = [draw_units(table, np.array([300.0, 250.0]), np.random.default_rng(4)) for table in tables]
    fast, general = (
        moments_of(one, [table], [made], one_row_each=False)["latency_p50"]
        for one, table, made in zip((what, adjusted), tables, drawn, strict=True)
    )
    assert fast.blocks[0].mean == pytest.approx(general.blocks[0].mean[:, :2])
    assert fast.blocks[0].covariance == pytest.approx(general.blocks[0].covariance[:, :2, :2])
    level = delta_method(fast.level, fast.blocks, 2).value[:, 0]
    assert level == pytest.approx(np.median(past(200, 5)["latency"]) * 1.2, rel=0.1)


def test_normal_sums_have_the_mean_and_spread_of_drawn_ones():
    what = experiment(guardrail_metrics=[Mean("score", margin=0.1)], secondary_metrics=[])
    table = build_table(what, population_of(what, past(400)), [{"success": 0.2}])
    units = np.full(4000, 2500.0)
    normal = NormalSums.of(table)
    made = normal.draw(units, np.random.default_rng(1)).sums
    drawn = draw_units(table, units, np.random.default_rng(2)).sums
    spread = drawn.std(axis=0)
    assert np.abs(made.mean(axis=0) - drawn.mean(axis=0)) / np.maximum(spread, 1.0) == pytest.approx(0, abs=0.08)
    assert made.std(axis=0) == pytest.approx(spread, rel=0.06, abs=1e-6)
    assert normal.suffices(2500)
    assert not normal.suffices(10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"success": 3.0}, "above 1"), ({"cost": 50.0}, "clipped at the cap")],
)
def test_what_the_past_cannot_show_is_refused(changes, message):
    what = experiment()
    with pytest.raises(DefinitionError, match=message):
        build_table(what, population_of(what, past()), [changes])


def test_a_change_of_a_level_that_is_not_positive_is_refused():
    what = experiment(guardrail_metrics=[], secondary_metrics=[], primary_metric=Mean("score"))
    frame = past().assign(score=lambda rows: rows["score"] - rows["score"].max())
    with pytest.raises(DefinitionError, match="not positive"):
        build_table(what, population_of(what, frame), [{"score": 0.1}])


def test_too_many_changed_rates_at_once_are_refused():
    names = [f"rate{i}" for i in range(7)]
    frame = past().assign(**dict.fromkeys(names, 0)).assign(**{name: past()["success"] for name in names})
    what = experiment(guardrail_metrics=[], secondary_metrics=[Proportion(name) for name in names])
    with pytest.raises(DefinitionError, match="too many rates"):
        build_table(what, population_of(what, frame), [dict.fromkeys(names, 0.1)])
