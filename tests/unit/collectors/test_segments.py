"""A segment is what the rows that are in it would be alone, on every engine."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Text

from abkit.collectors import Source, collect
from abkit.models import Mean, Proportion, Quantile, Ratio
from abkit.snapshot import MetricMoments, Segmentation, Snapshot
from tests.unit.collectors.test_database import database as database
from tests.unit.collectors.test_database import events, experiment, stored

NOW = datetime(2026, 11, 22, tzinfo=UTC)
METRICS = (
    Mean("cost"),
    Mean("cost", name="clipped", cap=0.9),
    Mean("cost", name="adjusted", covariate="before"),
    Proportion("success"),
    Ratio("cost", "calls"),
    Quantile("cost", 0.5),
    Mean("part", missing="drop"),
)


def visits(units: int = 240, seed: int = 1) -> pd.DataFrame:
    """Several rows per unit; every 40th unit moves between countries."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), rng.integers(1, 6, units))
    home = np.array(["de", "fr", None, "us"], dtype=object)[rng.choice(4, units, p=[0.4, 0.3, 0.2, 0.1])]
    country = home[unit]
    country[(unit % 40 == 0) & (np.arange(unit.size) % 2 == 0)] = "moved"
    return pd.DataFrame(
        {
            "variant": np.array(["a", "b"])[unit % 2],
            "unit": [f"{u:03d}" for u in unit],
            "country": country,
            "cost": rng.lognormal(0, 1, unit.size) + unit / units,
            "success": rng.integers(0, 2, unit.size),
            "calls": rng.integers(1, 9, unit.size),
            "before": unit / units + rng.normal(0, 0.1, unit.size),
            "part": np.where(rng.random(unit.size) < 0.2, np.nan, rng.normal(3, 1, unit.size)),
        }
    )


def staying(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of units with one country, a missing one being one."""
    named = frame.assign(country=frame["country"].fillna("(missing)"))
    return named[named.groupby("unit")["country"].transform("nunique") == 1]


def assert_close(got: MetricMoments, expected: MetricMoments, levels: float = 1e-9) -> None:
    assert got.width == expected.width
    for one, other in zip(got.blocks, expected.blocks, strict=True):
        np.testing.assert_allclose(one.n, other.n)
    found, wanted = (
        part.level(np.concatenate([b.mean for b in part.blocks]).reshape(-1, part.width)) for part in (got, expected)
    )
    np.testing.assert_allclose(found, wanted, rtol=levels)


@pytest.mark.parametrize("design", ["randomized", "paired"])
def test_each_segment_has_the_moments_of_its_rows_alone(design: str) -> None:
    frame = visits()
    if design == "paired":
        frame = pd.concat(
            [frame.assign(variant=name, cost=frame["cost"] * factor) for name, factor in (("a", 1), ("b", 1.3))]
        )
    metrics = [metric for metric in METRICS if metric.cap is None and metric.covariate is None]
    one = experiment(*metrics)
    split = collect(one, Source.frame(frame, unit="unit", design=design, segments=["country"]), now=NOW).segments[0]
    rest = staying(frame)
    assert [segment.value for segment in split.segments] == list(
        rest.groupby("country")["unit"].nunique().sort_values(ascending=False).index
    )
    assert split.changed_units == frame["unit"].nunique() - rest["unit"].nunique() > 0
    assert (split.other_values, split.other_units) == (0, 0)
    for segment in split.segments:
        alone = collect(one, Source.frame(rest[rest["country"] == segment.value], unit="unit", design=design), now=NOW)
        assert segment.units == alone.units
        for name, expected in alone.metrics.items():
            got = segment.metrics[name]
            assert type(got) is type(expected), name
            if isinstance(expected, MetricMoments):
                assert_close(got, expected)


def test_caps_are_those_of_everybody() -> None:
    frame = visits()
    cap = frame["cost"].quantile(0.9)
    one = experiment(Mean("cost", cap=0.9))
    split = collect(one, Source.frame(frame, unit="unit", segments=["country"]), now=NOW).segments[0]
    clipped = staying(frame).assign(cost=lambda rows: rows["cost"].clip(upper=cap))
    for segment in split.segments:
        moments = segment.metrics["cost"]
        levels = moments.level(np.stack([block.mean for block in moments.blocks]))
        expected = clipped[clipped["country"] == segment.value].groupby("variant")["cost"].mean()
        np.testing.assert_allclose(levels, expected, rtol=1e-12)


@pytest.mark.parametrize("design", ["randomized", "paired"])
def test_databases_give_the_same_as_a_frame(database: Engine, design: str) -> None:

    frame = visits(units=120)
    if design == "paired":
        frame = pd.concat([frame.assign(variant=name) for name in ("a", "b")])
    table = stored(database, frame, country=Text)
    keys = {"unit": "unit", "design": design, "segments": ["country"]}
    got = collect(experiment(*METRICS), Source.sql(database, table, **keys), now=NOW).segments
    expected = collect(experiment(*METRICS), Source.frame(frame, **keys), now=NOW).segments
    assert_same(got, expected)


def assert_same(got: tuple[Segmentation, ...], expected: tuple[Segmentation, ...]) -> None:
    for one, other in zip(got, expected, strict=True):
        assert (one.column, one.changed_units, one.other_values, one.other_units) == (
            other.column,
            other.changed_units,
            other.other_values,
            other.other_units,
        )
        assert [(s.value, s.units) for s in one.segments] == [(s.value, s.units) for s in other.segments]
        for left, right in zip(one.segments, other.segments, strict=True):
            for name, moments in right.metrics.items():
                assert type(left.metrics[name]) is type(moments)
                if isinstance(moments, MetricMoments):
                    assert_close(left.metrics[name], moments)
                    for block, wanted in zip(left.metrics[name].blocks, moments.blocks, strict=True):
                        np.testing.assert_allclose(block.covariance, wanted.covariance, rtol=1e-7, atol=1e-12)


def test_rare_values_are_counted_and_not_shown() -> None:
    size = [40] * 20 + [3, 2, 1]
    frame = pd.DataFrame({"part": np.repeat([f"v{i:02d}" for i in range(23)], size)})
    frame = frame.assign(variant=np.array(["a", "b"])[np.arange(len(frame)) % 2], cost=np.arange(len(frame)) * 1.0)
    split = collect(experiment(Mean("cost")), Source.frame(frame, segments=["part"]), now=NOW).segments[0]
    assert [segment.value for segment in split.segments] == [f"v{i:02d}" for i in range(20)]
    assert (split.other_values, split.other_units) == (3, 6)


def test_a_variant_may_be_absent_from_a_segment() -> None:
    frame = pd.DataFrame({"variant": ["a", "b"] * 20, "cost": np.arange(40.0), "part": ["x"] * 30 + ["y", "x"] * 5})
    one = experiment(Mean("cost"), Quantile("cost", 0.5))
    split = collect(one, Source.frame(frame, segments=["part"]), now=NOW).segments[0]
    assert split.segments[1].units == {"a": 5, "b": 0}
    assert [float(block.n) for block in split.segments[1].metrics["cost"].blocks] == [5.0, 0.0]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", None, ""])), min_size=2
    )
)
def test_every_unit_is_in_one_place(rows: list[tuple[int, str, str | None]]) -> None:
    unit, variant, part = zip(*[(90, "a", "x"), (91, "b", "x"), *rows], strict=True)
    frame = pd.DataFrame({"unit": unit, "variant": variant, "part": pd.Series(part, dtype=object), "cost": 1.0})
    snapshot: Snapshot = collect(experiment(Mean("cost")), Source.frame(frame, unit="unit", segments=["part"]), now=NOW)
    split = snapshot.segments[0]
    told = sum(sum(segment.units.values()) for segment in split.segments)
    assert told + split.changed_units + split.other_units == sum(snapshot.units.values())
    assert told + split.changed_units + snapshot.contaminated_units == frame["unit"].nunique()


@pytest.mark.parametrize("unit", ["unit", None])
def test_arrivals_are_the_same_in_databases(database: Engine, unit: str | None) -> None:
    frame = events()
    got = collect(
        experiment(Mean("cost")), Source.sql(database, stored(database, frame), unit=unit, time="at"), now=NOW
    )
    expected = collect(experiment(Mean("cost")), Source.frame(frame, unit=unit, time="at"), now=NOW)
    first = frame.groupby("unit")["at"].min() if unit else frame["at"]
    assert got.arrivals == expected.arrivals
    assert [
        sum(day) for day in zip(*expected.arrivals.units.values(), strict=True)
    ] == first.dt.date.value_counts().sort_index().tolist()


@pytest.mark.parametrize("design", ["randomized", "paired"])
def test_distributions_are_the_same_in_databases(database: Engine, design: str) -> None:
    frame = events()
    if design == "paired":
        frame = pd.concat(
            [frame.assign(variant=name, cost=frame["cost"] * factor) for name, factor in (("a", 1), ("b", 2))]
        )
    keys = {"unit": "unit", "design": design}
    one = experiment(Mean("cost"), Quantile("before", 0.5), Mean("part", missing="zero"))
    got = collect(one, Source.sql(database, stored(database, frame), **keys), now=NOW).distributions
    expected = collect(one, Source.frame(frame, **keys), now=NOW).distributions
    for left, right in zip(got, expected, strict=True):
        assert (left.column, left.rows, left.zeros) == (right.column, right.rows, right.zeros)
        for name, curve in right.quantiles.items():
            np.testing.assert_allclose(left.quantiles[name], curve, rtol=1e-9)
        for q, moments in right.moments.items():
            assert type(left.moments[q]) is type(moments)
            if isinstance(moments, MetricMoments):
                assert_close(left.moments[q], moments)


def test_tenure_is_the_same_in_databases(database: Engine) -> None:
    frame = events(units=200)
    one = experiment(Mean("cost"))
    got = collect(one, Source.sql(database, stored(database, frame), unit="unit", time="at"), now=NOW).tenure
    expected = collect(one, Source.frame(frame, unit="unit", time="at"), now=NOW).tenure
    assert (got.days, got.units) == (expected.days, expected.units)
    for left, right in zip(got.blocks, expected.blocks, strict=True):
        np.testing.assert_allclose(left.mean, right.mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(left.covariance, right.covariance, rtol=1e-7, atol=1e-12)


def test_whole_numbers_read_as_such_though_their_column_has_fractions(database: Engine) -> None:
    frame = visits(60).assign(tier=lambda f: 10 + f["unit"].astype(int) % 4 / 2)
    frame.loc[frame["unit"].astype(int) % 4 == 0, "tier"] = np.nan
    keys = {"unit": "unit", "segments": ["tier"]}
    for source in (Source.frame(frame, **keys), Source.sql(database, stored(database, frame, country=Text), **keys)):
        (found,) = collect(experiment(Mean("cost")), source, now=NOW).segments
        assert sorted(part.value for part in found.segments) == ["(missing)", "10.5", "11", "11.5"]
        assert all("cost" in part.metrics for part in found.segments)
