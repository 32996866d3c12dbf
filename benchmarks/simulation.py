"""Simulated designs of ten thousand units with fourteen looks, on two threads.

The bound draws the same users and adds up their values with numpy alone, the least that any such simulation does.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from measure import compare, main

from abkit.analyzer.characteristics import design_of, simulate_scenario
from abkit.analyzer.scenario import Scenario
from abkit.collectors import Source
from abkit.collectors.population import read_population
from abkit.models import Experiment, Mean, Plan, Proportion, Quantile, Variant

UNITS, LOOKS = 10_000, 14


def past(units=10_000):
    rng = np.random.default_rng(1)
    skill = rng.normal(size=units)
    return pd.DataFrame(
        {
            "success": rng.random(units) < 0.3,
            "cost": rng.gamma(0.8, 0.1, units),
            "latency": rng.lognormal(0, 0.6, units),
            "before": skill,
            "score": 5 + 0.7 * skill + rng.normal(size=units),
        }
    )


def experiment():
    return Experiment(
        key="benchmark",
        variants=[Variant("a", 50, is_control=True), Variant("b", 50)],
        primary_metric=Proportion("success"),
        guardrail_metrics=[
            Mean("cost", goal="minimize", margin=0.2, cap=0.99),
            Mean("score", margin=0.05, covariate="before"),
        ],
        min_sample_size=UNITS,
        plan=Plan(inference="always_valid"),
    )


def simulation(what):
    population = read_population(what, Source.frame(past()))
    design = design_of(what, population, LOOKS)
    return lambda runs: simulate_scenario(design, population, Scenario("no_effect"), runs=runs, seed=1, workers=2)


def bare(runs):
    """Draw the same number of users and add up five columns of each look, with numpy."""
    columns = past().to_numpy(dtype=float)
    rng, step = np.random.default_rng(1), UNITS // LOOKS
    for _ in range(runs):
        for _ in range(LOOKS):
            columns[rng.integers(0, len(columns), step)].sum(axis=0)


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    runs, what = options.runs, experiment()
    p95 = Quantile("latency", 0.95, goal="minimize", margin=0.25)
    also_p95 = replace(what, guardrail_metrics=[*what.guardrail_metrics, p95])
    for name, one, number in (
        ("simulated experiments", what, runs),
        ("simulated experiments with a p95", also_p95, runs // 10),
    ):
        run = simulation(one)
        yield compare(
            name,
            lambda run=run, number=number: run(number),
            lambda number=number: bare(number),
            clock="wall",
            rounds=1,
            runs=number,
            users=UNITS,
        )


if __name__ == "__main__":
    main(__file__, cases, __doc__)
