"""What the blocks show: deviations, looks, sizes, impact, and numbers that must not be used."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit import plots
from abkit.analyzer.glossary import rule, what_would_change
from abkit.named import Named
from abkit.report import blocks, effect_blocks, method_blocks, plan_reached_blocks
from abkit.stats import power_at
from tests.report_page import page_of, words_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def analysis_of(metrics: int = 1, treatments: int = 1, units: int = 400, **changes: object) -> ab.Analysis:
    """Analyze made-up units with so many metrics and treatments; the first metric is primary, the rest guardrails."""
    rng = np.random.default_rng(3)
    names = ["plain", *(f"variant {place}" for place in range(treatments))]
    arm = np.arange(units) % len(names)
    columns = {f"metric_{place}_usd": rng.normal(5 + 0.2 * (arm > 0), 1) for place in range(metrics)}
    frame = pd.DataFrame({"variant": np.array(names)[arm], **columns})
    share = 100 / len(names)
    keys = {
        "min_sample_size": units,
        "plan": ab.Plan(inference="fixed"),
        "id": "one",
        "primary_metric": ab.Mean("metric_0_usd"),
        "variants": [ab.Variant(name, share, is_control=not place) for place, name in enumerate(names)],
        "guardrail_metrics": [ab.Mean(name, margin=0.05) for name in list(columns)[1:]],
    }
    days = changes.pop("days", 0)
    if days:
        frame["t"] = pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(np.arange(units) % days, unit="D")
    experiment = ab.Experiment("made-up", **{**keys, **changes})
    return ab.analyze(experiment, ab.Source.frame(frame, time="t") if days else frame, now=NOW, details=True)


def html_of(block: object) -> str:
    return block._repr_html_()


def test_nothing_is_listed_where_everything_is_as_planned() -> None:
    analysis = analysis_of(units=4000, days=7)
    assert analysis.plan.deviations == ()
    assert "Nothing came out otherwise than planned" in html_of(plan_reached_blocks.plan_table(analysis))


def test_every_deviation_is_listed() -> None:
    rng = np.random.default_rng(1)
    arm = np.repeat(["a", "b"], [300, 180])
    data = {"variant": arm, "x": rng.normal(5, 1, 480), "flat": 1.0, "before": rng.normal(size=480)}
    frame = pd.DataFrame(data)
    frame.loc[(arm == "b") & (frame.index % 2 == 0), "before"] = np.nan
    frame["y"] = (2.0 + frame["x"]).where(frame.index >= 7)
    frame["t"] = pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(np.arange(480) % 48, unit="h")
    experiment = ab.Experiment(
        "off-plan",
        [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        ab.Mean("x", covariate="before"),
        guardrail_metrics=[ab.Mean("flat", margin=0.1)],
        secondary_metrics=[ab.Mean("y", missing="drop")],
        min_sample_size=1000,
        min_detectable_effect=0.005,
        plan=ab.Plan(inference="group_sequential", looks=3),
    )
    analysis = ab.analyze(experiment, ab.Source.frame(frame, time="t"), now=NOW, details=True)
    kinds = {one.what for one in analysis.plan.deviations}
    assert kinds == {"traffic", "units", "power", "runtime", "looks", "metric", "covariate", "rows"}
    listed = html_of(plan_reached_blocks.plan_table(analysis))
    assert listed.count("<li>") == len(analysis.plan.deviations)
    assert "62.50%" in listed
    assert "480 of 1,000 planned units" in listed
    assert analysis.to_dict()["plan"]["deviations"][0]["what"] == "traffic"


def test_the_strip_says_which_look_this_is() -> None:
    sequential = ab.Plan(inference="group_sequential", looks=5)
    strip = html_of(blocks.status_strip(analysis_of(min_sample_size=1000, plan=sequential)))
    assert "<dd>look 2 of 5</dd>" in strip
    assert "<dd>look 5 of 5, final</dd>" in html_of(blocks.status_strip(analysis_of(plan=sequential)))
    assert "<dd>interim</dd>" in html_of(blocks.status_strip(analysis_of(min_sample_size=1000)))
    timed = analysis_of(days=7)
    assert timed.data.first_seen in html_of(blocks.status_strip(timed))
    assert timed.plan.design_hash[7:19] in html_of(blocks.status_strip(timed))


def test_planned_looks_are_marked_on_the_days_they_fell() -> None:
    analysis = analysis_of(days=10, plan=ab.Plan(inference="group_sequential", looks=2), min_sample_size=400)
    assert plots.look_days(analysis) == ["2026-11-05", "2026-11-10"]
    assert "reached on 2026-11-05, 2026-11-10" in html_of(effect_blocks.primary_metric(analysis))
    assert plots.look_days(analysis_of(days=10)) == []


def test_only_the_gates_of_the_variant_that_was_judged_are_in_sight() -> None:
    card = html_of(blocks.verdict_card(analysis_of(metrics=2, treatments=2)))
    seen, _, folded = card.partition("<details>")
    assert seen.count('<td data-label="variant">') == folded.count('<td data-label="variant">') == 4
    assert len(set(re.findall('data-label="variant">(.*?)<', seen))) == 1


@pytest.mark.parametrize("inference", ["group_sequential", "always_valid"])
def test_power_of_the_planned_size_is_that_of_its_own_look(inference: str) -> None:
    plan = ab.Plan(inference=inference)
    half, full = (analysis_of(units=units, plan=plan, min_sample_size=2000).plan for units in (1000, 2000))
    assert half.power_at_planned_size == pytest.approx(full.power_at_planned_size, abs=0.03)
    assert half.mde_at_planned_size == pytest.approx(full.mde_at_planned_size, rel=0.05)
    table = {size.units: size.powers[1] for size in half.size_table.sizes}
    assert table[2000] == half.power_at_planned_size
    assert table[half.size_table.effects[1].units] == pytest.approx(0.8, abs=0.01)


def test_sizes_agree_with_the_plan_and_with_what_is_needed() -> None:
    analysis = analysis_of(min_detectable_effect=0.02)
    found, plan, one = analysis.plan.size_table, analysis.plan, analysis.primary.comparisons[0]
    assert found is not None
    at = {size.units: size.powers for size in found.sizes}
    assert at[plan.planned_units][1] == pytest.approx(plan.power_at_planned_size)
    assert found.effects[1].units == one.units_needed
    assert at[one.units_needed][1] == pytest.approx(0.8, abs=1e-3)
    base = analysis.primary.levels["plain"].value
    assert at[400][2] == pytest.approx(power_at(0.04 * base, one.difference.se, 1.9659), abs=2e-3)
    for before, after in zip(found.sizes, found.sizes[1:], strict=False):
        assert before.units < after.units
        assert all(less <= more for less, more in zip(before.powers, after.powers, strict=True))


def test_impact_is_the_difference_times_the_rows_of_thirty_days() -> None:
    analysis = analysis_of(days=10)
    one = analysis.primary.comparisons[0]
    assert (one.impact.amount, one.impact.of, one.impact.days, one.impact.unit) == (1200, "units", 30, "USD")
    assert one.impact.low == pytest.approx(1200 * one.difference.low)
    shown = html_of(effect_blocks.impact_table(analysis))
    assert "1,200 units (30 days at the present rate)" in shown
    assert "winner&#39;s curse" in shown
    assert analysis_of().primary.comparisons[0].impact.days is None


def test_impact_is_said_in_the_unit_that_the_metric_names() -> None:
    named = analysis_of(days=10, primary_metric=ab.Mean("metric_0_usd", unit="CHF <b>"))
    assert (named.primary.unit, named.primary.comparisons[0].impact.unit) == ("CHF <b>", "CHF <b>")
    assert "CHF &lt;b&gt;" in html_of(effect_blocks.impact_table(named))
    none = analysis_of(days=10, primary_metric=ab.Mean("metric_0_usd", unit=""))
    assert none.primary.comparisons[0].impact.unit == ""
    assert "as metric_0_usd" in html_of(effect_blocks.impact_table(none))


def test_the_rule_speaks_of_the_gates_that_the_plan_has() -> None:
    analysis = analysis_of()
    assert not any(metric.role == "guardrail" for metric in analysis.metrics)
    guardrail = replace(analysis.primary, name="latency", role="guardrail")
    guarded = replace(analysis, metrics=Named((*analysis.metrics, guardrail)))
    for verdict in ("ship", "do_not_ship"):
        for one, has in ((analysis, False), (guarded, True)):
            judged = replace(one, decision=replace(one.decision, verdict=verdict))
            assert ("guardrail" in rule(judged)) == has
            assert rule(judged) in html_of(blocks.verdict_card(judged))
    harmed = replace(analysis, decision=replace(analysis.decision, verdict="do_not_ship"))
    assert "margin" not in what_would_change(harmed)
    assert "margin" in what_would_change(replace(guarded, decision=harmed.decision))


def test_rows_of_totals_are_not_their_units(root: Path) -> None:
    analysis = ab.analyze(ab.Experiment.from_yaml(root / "examples/headline/headline-sound.yml"), now=NOW, details=True)
    assert analysis.primary.comparisons[0].impact.of == "units"


def test_only_methods_that_were_used_are_explained() -> None:
    text = html_of(method_blocks.methods(analysis_of(treatments=3)))
    assert "Welch" in text
    assert "98.33%" in text
    assert "Newcombe" not in text
    assert "always-valid" not in text


EFFECTS = [
    "Primary metric",
    "All metrics",
    "Guardrails",
    "Does the effect last?",
    "Segments",
    "Distributions",
    "Levels",
    "What it adds up to",
]


def test_effects_of_an_invalid_experiment_are_folded_and_marked_in_words() -> None:
    analysis = analysis_of(variants=[ab.Variant("plain", 80, is_control=True), ab.Variant("variant 0", 20)])
    assert analysis.decision.verdict == "invalid"
    page = page_of(analysis)
    folded = re.findall(r'<details class="unusable">.*?</div></details></section>', page, re.S)
    headings = [re.findall(r"<h2[^>]*>([^<:]*)", part)[-1] for part in page.split('<details class="unusable">')[:-1]]
    assert headings == EFFECTS
    assert all("Do not use these numbers for decisions" in part.partition("</summary>")[0] for part in folded)
    assert not re.search(r"<details[^>]*open", page)
    card = page.partition('<section class="verdict')[2].partition("</section>")[0]
    assert "not usable" in card


@pytest.mark.parametrize(
    ("metrics", "treatments", "limit"), [(10, 1, 1_000_000), pytest.param(50, 3, 3_000_000, marks=pytest.mark.full)]
)
def test_the_page_stays_small(metrics: int, treatments: int, limit: int) -> None:
    page = page_of(analysis_of(metrics, treatments, units=800))
    assert len(page.encode()) < limit
    assert f"metric_{metrics - 1}_usd" in words_of(page)
