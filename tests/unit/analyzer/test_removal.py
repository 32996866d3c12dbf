"""The smallest removal against every removal there is, and the estimate of winners against the truth."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import special

import abkit as ab
from abkit.analyzer import analyze_snapshot
from abkit.analyzer.belief import believe, shrink_winner
from abkit.analyzer.influence import Push, influence, keep_most_influential
from abkit.analyzer.removal import smallest_removal
from abkit.analyzer.robustness import units_of_rates
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import Moments, RatioLevel, delta_method

VARIANTS = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]


def experiment(**changes):
    metric = changes.pop("primary_metric", ab.Mean("x"))
    own = {"plan": ab.Plan(inference="fixed", practical_threshold=None), "min_sample_size": 4, "id": "x"}
    return ab.Experiment("demo", VARIANTS, metric, **{**own, **changes})


def snapshot_of(*arms, is_rate=False):
    rows = [np.column_stack([arm, np.ones(len(arm))]) for arm in arms]
    moments = MetricMoments(
        tuple(Moments.from_rows(one) for one in rows), RatioLevel(), 2, {"a": 0, "b": 0}, is_rate_of_units=is_rate
    )
    sizes = {"a": len(arms[0]), "b": len(arms[1])}
    return Snapshot(
        variants=("a", "b"), design="randomized", as_of="2026-11-22T00:00:00Z", fingerprint="x", units=sizes,
        rows=sizes, total_units=sum(sizes.values()), rows_left_out=0, metrics={"x": moments},
    ), [(np.full(len(one), place), one) for place, one in enumerate(rows)]  # fmt: skip


def removal_of(one, snapshot, units, **options):
    return smallest_removal(one, snapshot, analyze_snapshot(one, snapshot), units, **options)


def fewest_by_trying_all(control, treatment, most):
    """The size of the smallest set whose removal turns the Welch test around, of at most `most` units."""
    values, arm = np.concatenate([control, treatment]), np.repeat([0, 1], [len(control), len(treatment)])

    def p_values(gone):
        parts = []
        for place in (0, 1):
            mine, here = values[arm == place], arm[gone] == place
            taken = np.where(here, values[gone], 0.0)
            n = len(mine) - here.sum(axis=1)
            mean = (mine.sum() - taken.sum(axis=1)) / n
            variance = ((mine**2).sum() - (taken**2).sum(axis=1) - n * mean**2) / (n - 1)
            parts.append((n, mean, variance / n))
        (n0, mean0, v0), (n1, mean1, v1) = parts
        df = (v0 + v1) ** 2 / (v0**2 / (n0 - 1) + v1**2 / (n1 - 1))
        return 2 * special.stdtr(df, -np.abs(mean1 - mean0) / np.sqrt(v0 + v1))

    start = p_values(np.empty((1, 0), dtype=int))[0] <= 0.05
    for size in range(1, most + 1):
        sets = np.array(list(combinations(range(len(values)), size)))
        if ((p_values(sets) <= 0.05) != start).any():
            return size
    return None


@pytest.mark.parametrize(("n", "equal"), [(7, 0.5), (10, 0.9), pytest.param(16, 0.9, marks=pytest.mark.full)])
def test_the_removal_is_never_smaller_than_the_smallest_and_mostly_as_small(n: int, equal: float) -> None:
    rng = np.random.default_rng(7)
    one, found = experiment(), []
    for shift in (0.0, 0.8, 1.2, 1.6, 2.0, 2.4) * 4:
        control, treatment = rng.normal(0, 1, n), rng.normal(shift * np.sqrt(7 / n), 1, n)
        snapshot, units = snapshot_of(control, treatment)
        ours = removal_of(one, snapshot, units, largest_share=0.25).units
        exact = fewest_by_trying_all(control, treatment, 3)
        assert ours is None or ours > 3 or (exact is not None and ours >= exact)
        found.append((ours, exact))
    settled = [pair for pair in found if pair[1] is not None]
    assert len(settled) >= 6
    assert np.mean([ours == exact for ours, exact in settled]) >= equal, settled


def test_what_is_said_of_the_removal_is_the_metric_without_the_units() -> None:
    rng = np.random.default_rng(3)
    control, treatment = rng.normal(5, 1, 300), rng.normal(5.35, 1, 300)
    treatment[:2] += 8
    snapshot, units = snapshot_of(control, treatment)
    removal = removal_of(experiment(), snapshot, units)
    assert (removal.finding, removal.becomes, removal.verdict) == ("better", "not_significant", "inconclusive")
    assert removal.units is not None
    assert removal.share == removal.units / 600
    assert removal.p_value_after > 0.05 >= removal.p_value
    assert removal.lift_after < removal.lift


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_harm_and_lower_is_better_are_read_in_their_direction(goal: str) -> None:
    rng = np.random.default_rng(4)
    control, treatment = rng.normal(5, 1, 200), rng.normal(5.3, 1, 200)
    one = replace(experiment(), primary_metric=ab.Mean("x", goal=goal))
    snapshot, units = snapshot_of(control, treatment)
    removal = removal_of(one, snapshot, units)
    assert removal.finding == ("better" if goal == "maximize" else "worse")
    assert removal.becomes == "not_significant"
    assert removal.lift_after < removal.lift


def test_a_gain_may_fall_below_the_threshold_before_it_loses_significance() -> None:
    rng = np.random.default_rng(5)
    snapshot, units = snapshot_of(rng.normal(5, 0.1, 200), rng.normal(5.26, 0.1, 200))
    one = experiment(plan=ab.Plan(inference="fixed", practical_threshold=0.05))
    removal = removal_of(one, snapshot, units)
    assert (removal.finding, removal.becomes, removal.verdict) == ("better", "below_threshold", "below_threshold")


def test_a_result_that_many_carry_has_no_small_removal() -> None:
    rng = np.random.default_rng(6)
    snapshot, units = snapshot_of(rng.normal(5, 1, 200), rng.normal(9, 1, 200))
    removal = removal_of(experiment(), snapshot, units)
    assert removal.units is None
    assert "up to 40 units" in removal.reason


def test_units_that_are_not_those_of_the_moments_are_noticed() -> None:
    snapshot, units = snapshot_of(np.arange(20.0), np.arange(20.0) + 30)
    assert "changed while it was read" in removal_of(experiment(), snapshot, units[:1]).reason
    assert "totals" in removal_of(experiment(), snapshot, None).reason


def test_rates_given_as_totals_are_units_all_the_same() -> None:
    arms = np.repeat([1.0, 0.0], [60, 140]), np.repeat([1.0, 0.0], [85, 115])
    snapshot, units = snapshot_of(*arms, is_rate=True)
    one = experiment(primary_metric=ab.Proportion("x"))
    by_rows = removal_of(one, snapshot, units)
    assert by_rows.units is not None
    assert removal_of(one, snapshot, units_of_rates(snapshot.metrics["x"])) == by_rows


def test_influence_is_what_a_removal_does_to_first_order() -> None:
    rng = np.random.default_rng(8)
    snapshot, units = snapshot_of(rng.normal(5, 1, 400), rng.normal(5.2, 2, 500))
    moments = snapshot.metrics["x"]
    levels = delta_method(moments.level, moments.blocks, 2)
    block, rows = (np.concatenate(part) for part in zip(*units, strict=True))
    score = influence(moments, levels, (1, 0), Push(1.0, 1.0, 2.0), block, rows)

    def low(blocks):
        found = delta_method(moments.level, blocks, 2)
        se = np.sqrt(np.einsum("bvv->", found.covariance))
        return float(found.value[1] - found.value[0] - 2.0 * se)

    for unit in (0, 17, 400, 777):
        rest = [one.without(rows[[unit]]) if place == block[unit] else one for place, one in enumerate(moments.blocks)]
        assert low(moments.blocks) - low(rest) == pytest.approx(score[unit], rel=0.02, abs=2e-6)


def test_the_most_influential_do_not_depend_on_how_the_rows_arrive() -> None:
    rng = np.random.default_rng(9)
    snapshot, units = snapshot_of(rng.poisson(2, 300).astype(float), rng.poisson(3, 300).astype(float))
    moments = snapshot.metrics["x"]
    levels = delta_method(moments.level, moments.blocks, 2)
    block, rows = (np.concatenate(part) for part in zip(*units, strict=True))
    mixed = rng.permutation(600)
    parts = [(block[part], rows[part]) for part in np.array_split(mixed, 7)]
    push = [Push(1.0, 1.0, 2.0)]
    (whole,), seen = keep_most_influential(units, moments, levels, (1, 0), push, 25)
    (split,), _ = keep_most_influential(parts, moments, levels, (1, 0), push, 25)
    assert seen == 600
    np.testing.assert_array_equal(whole.score, split.score)
    np.testing.assert_array_equal(whole.rows, split.rows)


@pytest.mark.parametrize(
    "inference", ["fixed", "always_valid", pytest.param("group_sequential", marks=pytest.mark.full)]
)
def test_the_corrected_effect_of_winners_is_less_biased_than_the_observed_one(inference: str) -> None:
    rng = np.random.default_rng(10)
    truth, n = 0.15, 200  # 1.5 standard errors
    plan = ab.Plan(inference=inference, practical_threshold=None, looks=3)
    planned = {"fixed": 400, "always_valid": 400, "group_sequential": 1000}[inference]
    one, found = experiment(plan=plan, min_sample_size=planned), []
    while len(found) < 60:
        snapshot, _ = snapshot_of(rng.normal(1, 1, n), rng.normal(1 + truth, 1, n))
        blocks = snapshot.metrics["x"].blocks
        if blocks[1].mean[0] - blocks[0].mean[0] < 0.19:  # could not be a winner
            continue
        analysis = analyze_snapshot(one, snapshot)
        if not analysis.decision.is_significant:
            continue
        corrected = shrink_winner(one, snapshot, analysis)
        found.append((analysis.primary.comparisons[0].difference.value - truth, corrected.difference - truth))
    observed, corrected = np.mean(found, axis=0)
    assert observed > 0.05
    assert abs(corrected) < 0.75 * observed


def test_nothing_is_corrected_where_nothing_was_selected() -> None:
    snapshot, _ = snapshot_of(np.arange(20.0), np.arange(20.0) + 0.1)
    analysis = analyze_snapshot(experiment(), snapshot)
    assert "not significant" in shrink_winner(experiment(), snapshot, analysis).reason


def test_a_prior_that_expects_little_says_less_than_a_noisy_winner() -> None:
    rng = np.random.default_rng(11)
    snapshot, _ = snapshot_of(rng.normal(1, 3, 100), rng.normal(2.4, 3, 100))
    analysis = analyze_snapshot(experiment(), snapshot)
    belief = believe(experiment(), snapshot, analysis)
    assert analysis.decision.is_significant
    assert belief.lift < analysis.decision.relative_improvement / 2
    assert (belief.is_better, belief.changes) == (False, True)
    assert 0.5 < belief.chance_to_win < 1
