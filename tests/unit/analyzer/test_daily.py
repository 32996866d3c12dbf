"""New units by day, and the split of each."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import abkit as ab


def experiment() -> ab.Experiment:
    return ab.Experiment(
        key="demo",
        variants=[ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        primary_metric=ab.Mean("x"),
    )


def visits(n: int = 2000, days: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    unit = np.arange(n)
    first = pd.DataFrame(
        {
            "unit": unit,
            "variant": np.array(["a", "b"])[unit % 2],
            "at": pd.Timestamp("2026-03-01") + pd.to_timedelta(unit * days // n * 24 + 3, "h"),
            "x": rng.normal(5, 1, n),
        }
    )
    again = first[unit % 3 == 0].assign(at=lambda rows: rows["at"] + pd.Timedelta("1D"))
    return pd.concat([first, again])


def analyze(frame: pd.DataFrame, **keys: object) -> ab.Analysis:
    return ab.analyze(experiment(), ab.Source.frame(frame, **{"unit": "unit", "time": "at", **keys}))


def test_a_unit_counts_on_the_day_of_its_first_row() -> None:
    analysis = analyze(visits())
    assert [one.day for one in analysis.daily] == [f"2026-03-{day:02d}" for day in range(1, 11)]
    assert [one.units for one in analysis.daily] == [{"a": 100, "b": 100}] * 10
    assert sum(sum(one.units.values()) for one in analysis.daily) == analysis.data.units
    assert analysis.check("daily_counts").status == "pass"


def test_a_day_that_loses_units_is_named() -> None:
    frame = visits()
    lost = (frame["at"].dt.day == 4) & (frame["variant"] == "b") & (frame["unit"] % 4 == 1)
    frame = frame[~frame["unit"].isin(frame.loc[lost, "unit"])]
    analysis = analyze(frame)
    check = analysis.check("daily_counts")
    day = analysis.daily[3]
    expected = stats.chisquare(list(day.units.values())).pvalue
    assert day.p_value_adjusted == pytest.approx(10 * expected)
    assert check.p_value == day.p_value_adjusted
    assert check.status == ("fail" if check.p_value < 0.001 else "pass")
    assert "2026-03-04" in check.message


def test_a_long_experiment_is_told_in_weeks() -> None:
    analysis = analyze(visits(days=300))
    assert analysis.daily[0].days == 7
    assert len(analysis.daily) == 43
    assert sum(sum(one.units.values()) for one in analysis.daily) == analysis.data.units


def test_without_a_time_or_paired_there_are_no_days() -> None:
    assert analyze(visits(), time=None).check("daily_counts").status == "not_run"
    both = pd.concat([visits().assign(variant=name) for name in "ab"])
    paired = analyze(both, design="paired")
    assert paired.daily == ()
    assert paired.check("daily_counts").status == "not_run"
