"""The verdict on many simulated experiments is, one by one, the verdict of the real analysis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from abkit.analyzer import analyze_snapshot
from abkit.analyzer.batch import judge_batch
from abkit.analyzer.drawing import draw_units, moments_of
from abkit.analyzer.gates import ORDER
from abkit.analyzer.unit_table import build_table
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import RatioLevel
from tests.unit.analyzer.populations import experiment, past, population_of

RUNS = 40


def one_of(moments: MetricMoments, place: int) -> MetricMoments:
    parts = (np.asarray(part) for part in (moments.level.offset, moments.level.scale))
    level = RatioLevel(*(part[place] if part.ndim == 2 else part for part in parts))
    return replace(moments, blocks=tuple(block[place] for block in moments.blocks), level=level)


def verdict_of(what, moments, units, place, *, paired):
    counts = units[place].tolist() * (len(what.variants) if paired else 1)
    by_variant = {variant.name: int(n) for variant, n in zip(what.variants, counts, strict=True)}
    chosen = {}
    for name, batch in moments.items():
        one = one_of(batch, place)
        chosen[name] = replace(one, missing=dict.fromkeys(by_variant, 0))
    snapshot = Snapshot(
        variants=tuple(by_variant),
        design="paired" if paired else "randomized",
        as_of="2026-11-22T00:00:00Z",
        fingerprint="sha256:0",
        units=by_variant,
        rows=by_variant,
        total_units=int(units[place].sum()),
        rows_left_out=0,
        metrics=chosen,
    )
    decision = analyze_snapshot(what, snapshot).decision
    return decision.verdict, decision.variant


def compare(what, population, lifts, sizes, *, paired=False, one_row_each=True):
    rng = np.random.default_rng(11)
    tables = (
        [build_table(what, population, lifts)] if paired else [build_table(what, population, [one]) for one in lifts]
    )
    units = np.array(sizes, dtype=float) * np.ones((RUNS, 1))
    if not paired:
        units = rng.multinomial(int(sum(sizes)), np.array(sizes) / sum(sizes), RUNS).astype(float)
    drawn = [draw_units(table, part, rng) for table, part in zip(tables, units.T, strict=True)]
    moments = moments_of(what, tables, drawn, one_row_each=one_row_each)
    verdicts = judge_batch(what, moments, units, paired=paired)
    seen = set()
    for place in range(RUNS):
        expected = verdict_of(what, moments, units, place, paired=paired)
        found = "invalid" if verdicts.invalid[place] else ORDER[verdicts.place[place]]
        assert (found, what.treatments[verdicts.treatment[place]].name) == expected
        seen.add(found)
    return seen


@pytest.mark.parametrize(
    ("treatments", "inference"),
    [
        (3, "fixed"),
        (1, "always_valid"),
        (1, "group_sequential"),
        pytest.param(1, "fixed", marks=pytest.mark.full),
        pytest.param(3, "always_valid", marks=pytest.mark.full),
        pytest.param(3, "group_sequential", marks=pytest.mark.full),
    ],
)
def test_one_row_per_unit(treatments, inference):
    what = experiment(inference, treatments)
    lifts = [{}, {"success": 0.25}, {"success": -0.2}, {"success": 0.25, "cost": 0.3}][: treatments + 1]
    population = population_of(what, past())
    whole = compare(what, population, lifts, [2000 / (treatments + 1)] * (treatments + 1))
    compare(what, population, lifts, [600 / (treatments + 1)] * (treatments + 1))
    assert len(whole) > 1


def test_several_rows_per_unit_and_a_threshold():
    what = experiment("fixed", plan={"practical_threshold": "mde"})
    population = population_of(what, past(500, 4), unit="user")
    seen = compare(what, population, [{}, {"success": 0.25}], [1000, 1000], one_row_each=False)
    assert {"ship", "below_threshold"} <= seen


def test_a_broken_split_is_invalid():
    what = experiment("fixed")
    seen = compare(what, population_of(what, past()), [{}, {}], [880, 1120])
    assert "invalid" in seen


def test_few_units_and_rare_successes():
    what = experiment("fixed", guardrail_metrics=[], secondary_metrics=[], min_sample_size=120)
    frame = past()
    frame["success"] = np.arange(len(frame)) % 25 == 0
    compare(what, population_of(what, frame), [{}, {"success": 5.0}], [60, 60])


@pytest.mark.parametrize("inference", ["fixed", "always_valid"])
def test_paired_units(inference):
    what = experiment(inference, units=150)
    frames = [past(200, 3, seed).assign(variant=name) for seed, name in ((1, "a"), (2, "b0"))]
    population = population_of(what, pd.concat(frames), unit="user", design="paired")
    seen = compare(what, population, [{}, {"success": 0.3}], [150], paired=True, one_row_each=False)
    assert len(seen) > 1
