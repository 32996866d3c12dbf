"""Would the verdict change? Asked of rows, of totals, and of a store."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine

import abkit as ab
from abkit.analyzer.wording import VERDICTS
from abkit.controller.experiments import ExperimentController

VARIANTS = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
PLAN = ab.Plan(inference="fixed", min_runtime_days=0)


def frame(n: int = 400, *, tail: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    before = rng.normal(10, 2, 2 * n)
    variant = np.tile(["a", "b"], n)
    score = before + rng.normal(0, 1, 2 * n) + np.where(variant == "b", 0.8, 0.0)
    score[1] += tail
    return pd.DataFrame({"variant": variant, "user": [f"u{i}" for i in range(2 * n)], "score": score, "before": before})


def experiment(metric: object = None, **changes: object) -> ab.Experiment:
    own = {"min_sample_size": 800, "plan": PLAN, "min_detectable_effect": 0.02, "id": "x"}
    return ab.Experiment("demo", VARIANTS, metric or ab.Mean("score"), **{**own, **changes})


def choices(found) -> dict[str, bool | None]:
    return {one.choice: one.changed for one in found.alternatives}


def test_every_reasonable_choice_is_tried_and_what_changes_is_said() -> None:
    guardrail = ab.Mean("before", name="cost", goal="minimize", margin=0.1, covariate="user_age")
    data = frame().assign(user_age=1.0 * np.arange(800) % 50)
    found = ab.robustness(experiment(guardrail_metrics=[guardrail]), data)
    assert list(choices(found)) == [
        "values capped at p99: score, cost",
        "no covariate: cost",
        "covariate 'user_age': score",
        "median in place of the mean: score",
        "a gain of any size is enough",
    ]
    assert found.verdict == "ship"
    assert set(choices(found).values()) == {False}
    assert "None of 5 other choices changes the verdict" in repr(found)


def test_a_covariate_that_decides_is_found_out() -> None:
    found = ab.robustness(experiment(ab.Mean("score", covariate="before"), min_sample_size=50), frame(25))
    assert found.verdict == "ship"
    assert choices(found)["no covariate: score"] is True
    assert "no covariate: score (Inconclusive)" in found.sentences["Other choices"]


def test_a_tail_that_decides_is_found_out_by_the_cap_and_by_one_unit() -> None:
    found = ab.robustness(experiment(), frame(tail=4000.0))
    assert found.verdict == "inconclusive"
    assert choices(found)["values capped at p99: score"] is True
    assert (found.removal.units, found.removal.becomes, found.removal.verdict) == (1, "better", "ship")


@pytest.mark.parametrize(("rule", "choice"), [("zero", "missing values left out"), ("drop", "missing values as 0")])
def test_missing_values_are_read_the_other_way(rule: str, choice: str) -> None:
    rng = np.random.default_rng(2)
    success = np.where(rng.random(800) < 0.1, np.nan, rng.random(800) < np.tile([0.5, 0.7], 400))
    data = pd.DataFrame({"variant": np.tile(["a", "b"], 400), "success": success})
    found = ab.robustness(experiment(ab.Proportion("success", missing=rule)), data)
    assert f"{choice}: success" in choices(found)


def test_units_that_return_are_taken_out_whole() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(200), 5)
    data = pd.DataFrame({"variant": np.where(users % 2, "b", "a"), "user": users})
    data["score"] = rng.normal(5, 1, 1000) + rng.normal(0, 1, 200)[users] + np.where(users % 2, 0.45, 0)
    source = ab.Source.frame(data, unit="user")
    found = ab.robustness(experiment(min_sample_size=200), source)
    assert found.removal.units is not None
    rest = found.removal
    assert rest.p_value <= 0.05 < rest.p_value_after or rest.p_value > 0.05 >= rest.p_value_after


@pytest.mark.parametrize("missing", ["error", "drop"])
@pytest.mark.parametrize("design", ["randomized", "paired"])
def test_removed_units_are_those_that_an_analysis_without_them_lacks(design: str, missing: str) -> None:
    """Take the unit out of the rows themselves: the analysis of the rest says what the removal said."""
    rng = np.random.default_rng(4)
    n = 60
    data = pd.DataFrame({"user": np.repeat(np.arange(n), 2), "variant": np.tile(["a", "b"], n)})
    if design == "randomized":
        data["user"] = np.arange(2 * n)
    data["score"] = rng.normal(5, 1, 2 * n) + np.where(data.variant == "b", 0.5, 0)
    data.loc[1, "score"] += 60
    if missing == "drop":
        data.loc[[6, 13], "score"] = np.nan
    one = experiment(ab.Mean("score", missing=missing), min_sample_size=20)
    found = ab.robustness(one, ab.Source.frame(data, unit="user", design=design))
    assert (found.removal.units, found.removal.becomes) == (1, "better")
    rest = ab.analyze(one, ab.Source.frame(data[data.user != data.user[1]], unit="user", design=design))
    assert found.removal.lift_after == pytest.approx(rest.primary.comparisons[0].lift.value, rel=1e-9)
    assert found.removal.p_value_after == pytest.approx(rest.primary.comparisons[0].p_value, rel=1e-7)


def test_totals_are_doubted_as_far_as_they_go() -> None:
    data = pd.DataFrame({"variant": ["a", "b"], "n": [2000, 2000], "clicks": [200, 260]})
    source = ab.Source.frame(data, summary={"n": "n", "sums": {"clicked": "clicks"}})
    found = ab.robustness(experiment(ab.Proportion("clicked"), min_sample_size=4000), source)
    assert found.removal.units is not None
    assert list(choices(found)) == ["a gain of any size is enough"]


def test_it_prints_and_becomes_data_and_escapes() -> None:
    names = [ab.Variant("<b>a</b>", 50, is_control=True), ab.Variant("<script>", 50)]
    data = frame().replace({"variant": {"a": "<b>a</b>", "b": "<script>"}})
    one = ab.Experiment("demo", names, ab.Mean("score"), min_sample_size=800, plan=PLAN, min_detectable_effect=0.02)
    found = ab.robustness(one, data)
    assert "<script>" not in found._repr_html_()
    assert "would the verdict change?" in repr(found)
    assert "no effect" not in repr(found)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["removal"]["units"] == found.removal.units
    table = found.to_frame()
    assert next(iter(table.choice)) == "as planned"
    assert set(table.verdict.dropna()) <= set(VERDICTS)


def test_a_stored_experiment_is_doubted_like_any_other(store: Engine) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    one = experiment(min_sample_size=200)
    with ExperimentController(store, clock=lambda: now) as lab:
        lab.create(one)
        lab.start("demo")
        names = [f"user-{i}" for i in range(200)]
        given = lab.assign_batch("default", names).variant
        rng = np.random.default_rng(5)
        rows = [
            {"user_id": name, "metric_type": "score", "value": float(rng.normal(10 + 0.4 * (variant == "b"), 1)),
             "observed_at": now - timedelta(days=i % 5)}
            for i, (name, variant) in enumerate(zip(names, given, strict=True))
        ]  # fmt: skip
        lab.record_many(rows, experiment_id="demo", as_new=True)
        found, analysis = lab.robustness("demo"), lab.analyze("demo")
    assert found.verdict == analysis.decision.verdict == "ship"
    assert found.removal.units is not None
    assert analysis.data.days == 5.0
