"""The numbers that the authors of real data published, from their data through abkit's whole pipeline."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats as scipy_stats

import abkit as ab

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def two(primary: object, control: str, treatment: str, **changes: object) -> ab.Experiment:
    keys = {"key": "demo", "min_sample_size": 2, "plan": ab.Plan(inference="fixed")}
    variants = [ab.Variant(control, 50, is_control=True), ab.Variant(treatment, 50)]
    return ab.Experiment(variants=variants, primary_metric=primary, **{**keys, **changes})


def test_cookie_cats_retention_after_seven_days(shared: Path) -> None:
    one = two(ab.Proportion("retention_7"), "gate_30", "gate_40", secondary_metrics=[ab.Proportion("retention_1")])
    source = ab.Source.csv(shared / "data/cookie_cats/cookie_cats.csv.gz", variant="version", unit="userid")
    analysis = ab.analyze(one, source, now=NOW)
    found = analysis.primary.comparisons[0]
    assert 100 * found.difference.value == pytest.approx(-0.82, abs=0.005)
    assert 100 * found.difference.low == pytest.approx(-1.33, abs=0.005)
    assert 100 * found.difference.high == pytest.approx(-0.31, abs=0.005)
    assert found.p_value == pytest.approx(0.0016, abs=0.00005)
    assert analysis.metric("retention_1").comparisons[0].p_value == pytest.approx(0.0744, abs=0.0002)
    split = analysis.check("srm")
    assert split.status == "pass"
    assert split.p_value == pytest.approx(0.0086, abs=0.00005)
    assert analysis.decision.verdict == "do_not_ship"


def test_one_player_with_fifty_thousand_rounds_can_be_capped(shared: Path) -> None:
    source = ab.Source.csv(shared / "data/cookie_cats/cookie_cats.csv.gz", variant="version", unit="userid")
    raw, capped = (
        ab.analyze(two(ab.Mean("sum_gamerounds", cap=cap), "gate_30", "gate_40"), source, now=NOW).primary
        for cap in (None, 0.9999)
    )
    assert [raw.levels[name].value for name in ("gate_30", "gate_40")] == pytest.approx([52.46, 51.30], abs=0.005)
    assert capped.levels["gate_30"].value == pytest.approx(51.3, abs=0.1)


AGENTS = {
    "gpt-4-turbo-2024-04-09": 0.8963,
    "retry:gpt-4-turbo-2024-04-09": 0.9195,
    "warming:gpt-4-turbo-2024-04-09": 0.9317,
    "ldb:seed=gpt-4-turbo-2024-04-09,debug=gpt-4-turbo-2024-04-09": 0.9329,
    "escalation:llama3-8b>gpt-3.5>llama3-70b>gpt-4-turbo": 0.8500,
}


def test_agents_that_matter_accuracies_and_costs(root: Path) -> None:
    names = dict(zip("abcde", AGENTS, strict=True))
    one = ab.Experiment(
        key="agents",
        variants=[ab.Variant(name, 20, is_control=name == "a") for name in names],
        primary_metric=ab.Proportion("success"),
        secondary_metrics=[ab.Mean("cost_usd", goal="minimize")],
        plan=ab.Plan(inference="fixed"),
    )
    source = ab.Source.csv(
        root / "examples/agents/humaneval_runs.csv.gz", variant="agent", variants=names, unit="task_id", design="paired"
    )
    analysis = ab.analyze(one, source, now=NOW)
    for name, accuracy in zip(names, AGENTS.values(), strict=True):
        assert analysis.primary.levels[name].value == pytest.approx(accuracy, abs=0.00005)
    assert analysis.data.units == 164
    assert analysis.variants[0].rows == 820
    costs = analysis.metric("cost_usd").levels
    assert (costs["c"].value, costs["d"].value) == pytest.approx((0.0149, 0.0388), abs=0.00005)


def test_every_run_s_published_cost(root: Path, shared: Path) -> None:
    published = pd.read_csv(shared / "data/agents_that_matter/published_run_aggregates.csv.gz")
    rows = pd.read_csv(root / "examples/agents/humaneval_runs.csv.gz")
    agent_column = next(name for name in published.columns if name == "agent")
    known = set(published[agent_column])
    frame = rows[rows["agent"].isin(known)].assign(variant=lambda f: f["agent"] + "/" + f["trial"].astype(str))
    names = sorted(frame["variant"].unique())
    one = ab.Experiment(
        key="runs",
        variants=[ab.Variant(name, 100 / len(names), is_control=place == 0) for place, name in enumerate(names)],
        primary_metric=ab.Proportion("success"),
        secondary_metrics=[ab.Mean("cost_usd")],
        plan=ab.Plan(inference="fixed"),
    )
    analysis = ab.analyze(one, frame, now=NOW)
    run = next(name for name in published.columns if name in {"run", "trial"})
    accuracy = next(name for name in published.columns if "accuracy" in name)
    cost = next(name for name in published.columns if "cost" in name)
    for _, row in published.iterrows():
        name = f"{row[agent_column]}/{row[run]}"
        assert analysis.primary.levels[name].value == pytest.approx(row[accuracy], abs=1e-4)
        assert 164 * analysis.metric("cost_usd").levels[name].value == pytest.approx(row[cost], abs=1e-4)


def test_warming_matches_the_debugger_paired_by_task(root: Path) -> None:
    keys = list(AGENTS)
    source = ab.Source.csv(
        root / "examples/agents/humaneval_runs.csv.gz",
        variant="agent",
        variants={"warming": keys[2], "debugger": keys[3]},
        unit="task_id",
        design="paired",
    )
    found = ab.analyze(two(ab.Proportion("success"), "debugger", "warming"), source, now=NOW).primary.comparisons[0]
    assert 100 * found.difference.value == pytest.approx(-0.12, abs=0.005)
    assert 100 * found.difference.low == pytest.approx(-2.3, abs=0.05)
    assert 100 * found.difference.high == pytest.approx(2.0, abs=0.05)


def test_metr_s_clustered_standard_error(root: Path) -> None:
    new, old = "Claude 3.5 Sonnet (New)", "Claude 3.5 Sonnet (Old)"
    source = ab.Source.csv(
        root / "examples/time-horizon/metr_runs.csv.gz",
        variant="agent",
        variants={"old": old, "new": new},
        unit="task_id",
        design="paired",
    )
    found = ab.analyze(two(ab.Proportion("success"), "old", "new"), source, now=NOW).primary
    assert 100 * found.comparisons[0].difference.value == pytest.approx(11.7, abs=0.05)
    naive = ab.Source.csv(
        root / "examples/time-horizon/metr_runs.csv.gz", variant="agent", variants={"old": old, "new": new}
    )
    apart = ab.analyze(two(ab.Proportion("success"), "old", "new"), naive, now=NOW).primary
    assert apart.comparisons[0].difference.se == pytest.approx(0.024, abs=0.0005)


def test_upworthy_s_broken_window_is_found(root: Path) -> None:
    arms = pd.read_csv(root / "examples/headline/upworthy_exploratory_arms.csv.gz")
    flagged = {0: 0, 1: 0}
    for (_, risk), part in arms.groupby(["test_id", "randomization_risk"]):
        split = ab.stats.srm(part["impressions"], [1] * len(part))
        flagged[risk] += split.p_value < 0.001
    assert (flagged[1], flagged[0]) == (734, 19)


def test_open_bandit_rare_clicks(root: Path) -> None:
    analysis = ab.analyze(ab.Experiment.from_yaml(root / "examples/bandit/bandit-policy.yml"), now=NOW)
    levels = analysis.primary.levels
    assert (levels["random"].value, levels["learned"].value) == pytest.approx((0.0046, 0.0069))
    assert analysis.primary.comparisons[0].p_value == pytest.approx(0.031, abs=0.002)


def test_stores_measured_four_weeks_are_not_four_stores(shared: Path) -> None:
    path = shared / "data/fast_food/fast_food_marketing.csv.gz"
    keys = {"variant": "promotion", "variants": {"one": "1", "two": "2"}}
    one = two(ab.Mean("sales_thousands"), "one", "two")
    by_store = ab.analyze(one, ab.Source.csv(path, unit="location_id", **keys), now=NOW).primary.comparisons[0]
    by_row = ab.analyze(one, ab.Source.csv(path, **keys), now=NOW).primary.comparisons[0]
    assert by_store.difference.value == pytest.approx(-10.77, abs=0.005)
    assert by_row.difference.se == pytest.approx(1.67, abs=0.02)
    assert by_store.difference.se == pytest.approx(3.22, abs=0.05)


def test_openhands_claude_twice_on_swe_bench(shared: Path) -> None:
    source = ab.Source.csv(
        shared / "data/openhands_index/instance_results.csv.gz",
        variant="scaffold",
        variants={"openhands": "openhands", "acp-claude": "acp-claude"},
        unit="instance_id",
        design="paired",
        where={"benchmark": "swe-bench", "model": "claude-sonnet-4-5"},
    )
    one = two(
        ab.Proportion("resolved"),
        "openhands",
        "acp-claude",
        secondary_metrics=[ab.Mean("cost_usd", goal="minimize", missing="drop")],
    )
    analysis = ab.analyze(one, source, now=NOW)
    levels = analysis.primary.levels
    assert (levels["openhands"].value, levels["acp-claude"].value) == pytest.approx((0.742, 0.744))
    rows = pd.read_csv(shared / "data/openhands_index/instance_results.csv.gz")
    rows = rows[(rows["benchmark"] == "swe-bench") & (rows["model"] == "claude-sonnet-4-5")]
    wide = rows.pivot(index="instance_id", columns="scaffold", values="resolved")
    expected = scipy_stats.ttest_rel(wide["acp-claude"], wide["openhands"])
    assert analysis.primary.comparisons[0].p_value == pytest.approx(expected.pvalue)
    costs = analysis.metric("cost_usd").levels
    assert (costs["openhands"].value, costs["acp-claude"].value) == pytest.approx((1.15, 0.70), abs=0.006)
