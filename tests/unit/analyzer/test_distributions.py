"""Distributions: the quantiles of the rows, and tails compared as quantile metrics are."""

import numpy as np
import pandas as pd
import pytest

import abkit as ab


def runs(units: int = 400, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), rng.integers(1, 6, units))
    slow = 1 + 0.5 * (unit % 2)
    latency = rng.lognormal(0, 0.8, unit.size) * slow
    return pd.DataFrame(
        {
            "variant": np.array(["a", "b"])[unit % 2],
            "unit": unit,
            "latency": latency,
            "cost": np.where(rng.random(unit.size) < 0.3, 0.0, latency / 100),
            "calls": rng.integers(1, 3, unit.size),
        }
    )


def experiment(**keys: object) -> ab.Experiment:
    return ab.Experiment(
        key="demo",
        variants=[ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        primary_metric=ab.Mean("latency", goal="minimize", cap=0.9),
        secondary_metrics=[ab.Quantile("latency", 0.9, goal="minimize"), ab.Mean("cost"), ab.Mean("calls")],
        plan=ab.Plan(inference="fixed"),
        **keys,
    )


@pytest.mark.parametrize("design", ["randomized", "paired"])
def test_curves_are_the_quantiles_of_the_rows(design: str) -> None:
    frame = runs()
    if design == "paired":
        frame = pd.concat([frame.assign(variant="a"), frame.assign(variant="b", latency=frame["latency"] * 1.1)])
    analysis = ab.analyze(experiment(), ab.Source.frame(frame, unit="unit", design=design), details=True)
    assert [one.column for one in analysis.distributions] == ["latency", "cost", "calls"]
    for one in analysis.distributions:
        assert len(one.probabilities) == 60
        for curve in one.curves:
            values = frame.loc[frame["variant"] == curve.variant, one.column]
            np.testing.assert_allclose(curve.quantiles, np.quantile(values, one.probabilities), rtol=1e-9)
            assert curve.zero_share == pytest.approx((values == 0).mean())
            assert curve.rows == len(values)


def test_tails_are_compared_as_quantile_metrics_are_at_a_shared_level() -> None:
    frame = runs()
    found = ab.analyze(experiment(), ab.Source.frame(frame, unit="unit"), details=True).distributions[0]
    assert [one.q for one in found.effects] == [0.5, 0.9, 0.99]
    strict = experiment(confidence_level=1 - 0.05 / 3)
    expected = (
        ab.analyze(strict, ab.Source.frame(frame, unit="unit"), details=True).metric("latency_p90").comparisons[0]
    )
    effect = found.effects[1]
    assert effect.confidence_level == pytest.approx(1 - 0.05 / 3)
    assert effect.difference.low == pytest.approx(expected.difference.low, rel=1e-9)
    assert effect.lift.high == pytest.approx(expected.lift.high, rel=1e-9)
    assert effect.direction == "worse"


def test_what_has_too_few_distinct_values_says_so() -> None:
    found = ab.analyze(experiment(), ab.Source.frame(runs(), unit="unit"), details=True).distributions[2]
    assert all(effect.difference.low is None for effect in found.effects)
    assert "share the value" in str(found.effects[0].difference.reason)


def test_too_few_rows_have_no_curve() -> None:
    found = ab.analyze(experiment(), ab.Source.frame(runs(units=6), unit="unit"), details=True).distributions[0]
    frame = runs(units=6)
    few = (frame["variant"].value_counts() < 10).any()
    assert few == (found.curves[0].quantiles == ())
    assert found.effects[2].difference.low is None


def test_units_of_both_variants_are_in_no_curve() -> None:
    frame = runs()
    extra = frame[frame["unit"] == 0].assign(variant="b", latency=1e6)
    one = ab.Experiment(
        key="demo",
        variants=[ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        primary_metric=ab.Mean("latency"),
    )
    found = ab.analyze(one, ab.Source.frame(pd.concat([frame, extra]), unit="unit"), details=True).distributions[0]
    alone = ab.analyze(one, ab.Source.frame(frame[frame["unit"] != 0], unit="unit"), details=True).distributions[0]
    assert found.curves == alone.curves
