"""Segments: the numbers of the filtered data, adjusted, and an interaction test that keeps its level."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.analyzer.schema import json_schema
from abkit.analyzer.segment_wording import left_out_text
from abkit.stats import interaction_test


def experiment(*metrics: object, variants: int = 2, **keys: object) -> ab.Experiment:
    arms = [ab.Variant(name, 100 / variants, is_control=name == "a") for name in "abc"[:variants]]
    return ab.Experiment(
        key="demo", variants=arms, primary_metric=metrics[0], secondary_metrics=list(metrics[1:]), **keys
    )


def visitors(seed: int = 1, n: int = 3000, variants: int = 2, effect: float = 1.0) -> pd.DataFrame:
    """The effect is in `us` alone; five units are in `tiny`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "variant": np.array(list("abc"[:variants]))[np.arange(n) % variants],
            "unit": np.arange(n),
            "country": np.array(["de", "fr", "us", None], dtype=object)[rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])],
            "x": rng.normal(5, 1, n),
            "latency": rng.lognormal(0, 0.5, n),
            "good": (rng.random(n) < 0.4) * 1,
        }
    )
    frame.loc[:4, "country"] = "tiny"
    frame.loc[(frame["variant"] == "b") & (frame["country"] == "us"), "x"] += effect
    return frame


def analyze(one: ab.Experiment, frame: pd.DataFrame, **keys: object) -> ab.Analysis:
    return ab.analyze(one, ab.Source.frame(frame, unit="unit", segments=["country"], **keys), now="2026-11-22")


@pytest.mark.parametrize("inference", ["fixed", "group_sequential", "always_valid"])
def test_a_segment_says_what_the_filtered_data_say_at_an_adjusted_level(inference: str) -> None:
    frame = visitors()
    metrics = (ab.Mean("x"), ab.Quantile("latency", 0.9, goal="minimize"), ab.Proportion("good"))
    plan = ab.Plan(inference=inference, planned_units=6000)
    result = analyze(experiment(*metrics, plan=plan), frame).segments[0]
    assert [one.value for one in result.segments] == ["de", "fr", "us", "(missing)", "tiny"]
    named = frame.assign(country=frame["country"].fillna("(missing)"))
    for place, segment in enumerate(result.segments[:-1]):
        alone = named[named["country"] == segment.value]
        assert segment.units == alone["variant"].value_counts().to_dict()
        if inference == "group_sequential":
            continue  # the look of a segment is that of the whole experiment
        strict = experiment(*metrics, plan=plan, confidence_level=1 - 0.05 / 4)
        expected = ab.analyze(strict, ab.Source.frame(alone, unit="unit"), now="2026-11-22")
        for metric in expected.metrics:
            got, wanted = result.comparison(metric.name, "b").effects[place], metric.comparisons[0]
            assert got.difference.value == pytest.approx(wanted.difference.value, rel=1e-9)
            assert got.lift.value == pytest.approx(wanted.lift.value, rel=1e-9)
            if inference == "fixed":
                assert got.difference.low == pytest.approx(wanted.difference.low, rel=1e-9)
                assert got.lift.high == pytest.approx(wanted.lift.high, rel=1e-9)
                assert got.p_value_adjusted == pytest.approx(min(1, 4 * wanted.p_value), rel=1e-6)
    whole = result.comparison("x", "b")
    assert whole.confidence_level == pytest.approx(1 - 0.05 / 4)
    assert [one.is_significant for one in whole.effects] == [False, False, True, False, False]
    assert ("one look" in whole.interaction.text) == (inference != "fixed")


def test_a_small_segment_has_no_numbers_and_no_part_in_the_test() -> None:
    analysis = analyze(experiment(ab.Mean("x")), visitors())
    result = analysis.segments[0]
    assert result.segments[-1].status == "not_enough_data"
    effect = result.comparison("x", "b").effects[-1]
    assert (effect.difference.value, effect.p_value, effect.is_significant) == (None, None, False)
    assert "fewer than 10 units" in str(effect.difference.reason)
    assert result.comparison("x", "b").interaction.segments == 4
    assert "1 of 5 segments have too few units" in left_out_text(result)


def test_the_interaction_is_that_of_the_segments_own_numbers() -> None:
    frame = visitors()
    result = analyze(experiment(ab.Mean("x"), plan=ab.Plan(inference="fixed")), frame).segments[0]
    named = frame.assign(country=frame["country"].fillna("(missing)"))
    effects, ses, dfs = [], [], []
    for segment in result.segments[:-1]:
        groups = named[named["country"] == segment.value].groupby("variant")["x"]
        mean, variance, n = groups.mean(), groups.var() / groups.size(), groups.size()
        effects.append(mean["b"] - mean["a"])
        ses.append(np.sqrt(variance.sum()))
        dfs.append(variance.sum() ** 2 / (variance**2 / (n - 1)).sum())
    expected = interaction_test(effects, ses, dfs)
    got = result.comparison("x", "b").interaction
    assert got.statistic == pytest.approx(expected.statistic)
    assert got.p_value == pytest.approx(expected.p_value)
    assert got.is_significant
    assert "differs by 'country'" in got.text


def test_significant_here_and_not_there_is_not_told_as_a_difference() -> None:
    rng = np.random.default_rng(4)
    n = 4000
    frame = pd.DataFrame({"unit": np.arange(n), "variant": np.array(["a", "b"])[np.arange(n) % 2]})
    frame["country"] = np.where(np.arange(n) < 3600, "large", "small")
    frame["x"] = rng.normal(5, 1, n) + 0.12 * (frame["variant"] == "b")
    found = analyze(experiment(ab.Mean("x"), plan=ab.Plan(inference="fixed")), frame).segments[0].comparison("x", "b")
    assert [one.is_significant for one in found.effects] == [True, False]
    assert not found.interaction.is_significant
    assert "does not make them different" in found.interaction.text
    assert "no effect" not in found.interaction.text


def test_several_columns_and_treatments_share_the_budget() -> None:
    frame = visitors(variants=3, n=1200, effect=0.0)
    frame["device"] = np.where(np.arange(len(frame)) % 5 < 2, "phone", "desk")
    one = experiment(ab.Mean("x"), ab.Mean("latency"), variants=3, plan=ab.Plan(inference="fixed"))
    results = ab.analyze(one, ab.Source.frame(frame, unit="unit", segments=["country", "device"])).segments
    tests = [part.comparison("x", name).interaction for part in results for name in "bc"]
    assert min(test.p_value_adjusted for test in tests) == pytest.approx(min(1, 4 * min(t.p_value for t in tests)))
    assert results[1].comparison("x", "b").confidence_level == pytest.approx(1 - 0.05 / 2 / 2)
    assert results[1].comparison("latency", "b").confidence_level == pytest.approx(1 - 0.05 / 2)
    assert "adjusted for 4 tests" in tests[0].text


def test_a_split_that_breaks_in_one_segment_is_found() -> None:
    frame = visitors(effect=0.0)
    sound = analyze(experiment(ab.Mean("x")), frame)
    assert sound.check("srm_segments").status == "pass"
    lost = (frame["country"] == "us") & (frame["variant"] == "b") & (np.arange(len(frame)) % 7 < 3)
    broken = analyze(experiment(ab.Mean("x")), frame[~lost])
    assert broken.check("srm_segments").status == "fail"
    assert "country = 'us'" in broken.check("srm_segments").message
    assert broken.check("srm_segments").p_value < 0.001
    paired = pd.concat([frame.assign(variant=name) for name in "ab"])
    assert analyze(experiment(ab.Mean("x")), paired, design="paired").check("srm_segments").status == "not_run"


def test_paired_segments_are_compared_within_pairs() -> None:
    frame = visitors(n=400, effect=0.0)
    shifted = frame.assign(variant="b", x=frame["x"] + 0.1 + 0.01 * frame["latency"])
    both = pd.concat([frame.assign(variant="a"), shifted])
    result = analyze(experiment(ab.Mean("x"), plan=ab.Plan(inference="fixed")), both, design="paired").segments[0]
    differences = 0.1 + 0.01 * frame.loc[frame["country"] == "de", "latency"]
    effect = result.comparison("x", "b").effects[0]
    assert effect.difference.value == pytest.approx(differences.mean())
    assert effect.difference.se == pytest.approx(differences.sem())
    assert effect.method == "paired t"


def test_the_json_fits_its_schema() -> None:
    plain = analyze(experiment(ab.Mean("x"), ab.Proportion("good")), visitors()).to_dict()
    jsonschema.validate(plain, json_schema())
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["segments"][0]["comparisons"][0]["interaction"]["df"] == 3.0


def test_without_segments_nothing_is_said() -> None:
    analysis = ab.analyze(experiment(ab.Mean("x")), ab.Source.frame(visitors(), unit="unit"))
    assert analysis.segments == ()
    assert all(check.name != "srm_segments" for check in analysis.checks)


def test_one_segment_alone_is_no_interaction() -> None:
    frame = visitors().assign(country="de")
    found = analyze(experiment(ab.Mean("x")), frame).segments[0].comparison("x", "b").interaction
    assert (found.p_value, found.is_significant) == (None, False)
    assert "cannot be tested" in found.text


def test_balance_before_exposure() -> None:
    frame = visitors()
    rng = np.random.default_rng(9)
    frame["before"] = frame["x"] + rng.normal(0, 1, len(frame))
    frame["later"] = frame["before"] + 0.3 * (frame["variant"] == "b")
    one = experiment(ab.Mean("x", covariate="before"), ab.Mean("latency", covariate="later"))
    sound = analyze(
        experiment(ab.Mean("latency", covariate="before")), visitors(effect=0.0).assign(before=frame["latency"])
    )
    assert sound.check("balance").status == "pass"
    check = analyze(one, frame).check("balance")
    assert check.status == "fail"
    assert "'later'" in check.message
    groups = [frame.loc[frame["variant"] == name, "later"] for name in "ab"]
    from scipy import stats

    assert check.p_value == pytest.approx(2 * stats.ttest_ind(*groups, equal_var=False).pvalue)
    assert analyze(experiment(ab.Mean("x")), frame).check("balance").status == "not_run"
