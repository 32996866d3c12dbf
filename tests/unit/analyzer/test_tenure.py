"""Effects by days since a unit's first row, and whether they drift."""

import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.stats import Moments, tenure_trend


def visits(drift: float, units: int = 400, seed: int = 5, base: float = 10.0) -> pd.DataFrame:
    """Every unit comes on days 0 to 4 after its first, some twice a day; slow units stay slow."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), 8)
    day = np.tile([0, 0, 1, 2, 2, 3, 4, 4], units)
    start = pd.Timestamp("2026-03-01 13:00") + pd.to_timedelta(unit % 7, "D")
    variant = np.array(["a", "b"])[unit % 2]
    effect = np.where(variant == "b", 1.0 + drift * day, 0.0)
    x = base + rng.normal(0, 2, units)[unit] + effect + rng.normal(0, 1, unit.size)
    at = start + pd.to_timedelta(day * 24 + np.tile([0, 2] * 4, units) * (day > 0), "h")
    return pd.DataFrame({"unit": unit, "variant": variant, "day": day, "x": x, "at": at})


def experiment(metric: object = None, **keys: object) -> ab.Experiment:
    return ab.Experiment(
        key="demo",
        variants=[ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        primary_metric=metric or ab.Mean("x"),
        plan=ab.Plan(inference="fixed"),
        **keys,
    )


def tenure(frame: pd.DataFrame, metric: object = None, **keys: object) -> object:
    source = ab.Source.frame(frame, **{"unit": "unit", "time": "at", **keys})
    return ab.analyze(experiment(metric), source, details=True).tenure


def test_the_effect_of_each_day_is_that_of_its_rows() -> None:
    frame = visits(-0.2)
    trend = tenure(frame).trends[0]
    assert [one.day for one in trend.effects] == [0, 1, 2, 3, 4]
    for one in trend.effects:
        means = frame[frame["day"] == one.day].groupby("variant")["x"].mean()
        assert one.difference.value == pytest.approx(means["b"] - means["a"], rel=1e-9)
        assert one.units == {"a": 200, "b": 200}
    assert trend.is_significant
    assert trend.slope.high < 0
    assert "novelty" in trend.text


def test_a_constant_effect_is_not_told_as_a_drift() -> None:
    trend = tenure(visits(0.0)).trends[0]
    assert not trend.is_significant
    assert "nor that it is constant" in trend.text


def test_levels_far_apart_keep_their_offsets() -> None:
    frame = visits(0.0)
    frame.loc[frame["variant"] == "b", "x"] *= 1e6
    for one in tenure(frame).trends[0].effects:
        means = frame[frame["day"] == one.day].groupby("variant")["x"].mean()
        assert one.difference.value == pytest.approx(means["b"] - means["a"], rel=1e-9)


@pytest.mark.parametrize(
    ("keys", "metric", "reason"),
    [
        ({"time": None}, None, "no time"),
        ({"unit": None}, None, "none comes back"),
        ({}, ab.Quantile("x", 0.5), "quantile"),
    ],
)
def test_where_there_is_none_it_says_why(keys: dict[str, None], metric: object, reason: str) -> None:
    found = tenure(visits(0.0), metric, **keys)
    assert found.trends == ()
    assert reason in str(found.reason)


def test_units_that_seldom_return_have_no_trend() -> None:
    frame = visits(0.0)
    assert "fewer than 3 days" in str(tenure(frame[(frame["day"] < 2) | (frame["unit"] < 8)]).reason)


def test_the_slope_of_returning_units_keeps_its_level() -> None:
    rng = np.random.default_rng(11)
    days, runs, units = np.arange(5), 1500, 60
    alarms = 0
    for _ in range(runs):
        blocks = []
        for _ in range(2):
            totals = rng.normal(0, 1, (units, 1)) + rng.normal(0, 0.3, (units, 1)) * days + rng.normal(0, 1, (units, 5))
            blocks.append(Moments.from_rows(np.stack([totals, np.ones((units, 5))], axis=-1).reshape(units, 10)))
        alarms += tenure_trend(days, blocks, 1, 0).p_value <= 0.05
    assert 0.035 <= alarms / runs <= 0.067
