"""Random splits of past units: every unit is in one variant, and what a variant adds up to is the rows it was given."""

import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.analyzer import aa
from abkit.analyzer.unit_table import build_table
from abkit.collectors import Source
from abkit.collectors.population import read_population
from abkit.snapshot import MetricMoments

UNITS, RUNS = 300, 70


def split(shares: list[float], seed: int = 1, runs: int = RUNS) -> dict[str, MetricMoments]:
    rng = np.random.default_rng(0)
    past = pd.DataFrame({"score": rng.gamma(2.0, size=UNITS), "rate": rng.random(UNITS) < 0.3})
    variants = [ab.Variant(f"v{place}", share, is_control=place == 0) for place, share in enumerate(shares)]
    experiment = ab.Experiment("splits", variants, ab.Mean("score"), secondary_metrics=[ab.Proportion("rate")])
    population = read_population(experiment, Source.frame(past))
    table = build_table(experiment, population, [{}])
    return aa._split(experiment, table, population, runs, np.random.default_rng(seed))


@pytest.mark.parametrize("shares", [[50, 50], [80, 20], [20, 30, 50], [50, 0, 50]])
def test_every_unit_is_in_one_variant_with_the_chance_that_it_has(shares: list[float]) -> None:
    for moments in split(shares).values():
        units = np.stack([block.n for block in moments.blocks])
        assert (units.sum(axis=0) == UNITS).all()
        spread = np.sqrt(UNITS * RUNS * 0.25)
        assert units.sum(axis=1) == pytest.approx(np.array(shares) / 100 * UNITS * RUNS, abs=4 * spread)
        total = sum(block.n * block.mean[..., 0] for block in moments.blocks)
        assert total == pytest.approx(np.full(RUNS, total[0]), rel=1e-12, abs=1e-9)


def test_splits_do_not_depend_on_how_many_are_made_at_once() -> None:
    few, many = split([50, 50], runs=65), split([50, 50], runs=130)
    for name, moments in few.items():
        for block, other in zip(moments.blocks, many[name].blocks, strict=True):
            assert (block.n == other.n[:65]).all()
            assert block.mean == pytest.approx(other.mean[:65], rel=1e-12)
