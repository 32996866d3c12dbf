"""Speed of simulated designs: `python benchmarks/simulation.py` prints one JSON object.

Ten thousand experiments of ten thousand units with fourteen looks, on two threads: seconds, and the ratio to drawing
the same users and adding up their values with numpy alone, which is the least that any such simulation does.
"""

import json
import resource
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from abkit.analyzer.characteristics import design_of, simulate_scenario
from abkit.analyzer.scenario import Scenario
from abkit.collectors import Source
from abkit.collectors.population import read_population
from abkit.models import Experiment, Mean, Plan, Proportion, Quantile, Variant

RUNS, UNITS, LOOKS = 10_000, 10_000, 14


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


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def simulate(what, runs):
    population = read_population(what, Source.frame(past()))
    design = design_of(what, population, LOOKS)
    return seconds(lambda: simulate_scenario(design, population, Scenario("no_effect"), runs=runs, seed=1, workers=2))


def bare(runs):
    """Draw the same number of users and add up five columns of each look, with numpy."""
    columns = past().to_numpy(dtype=float)
    rng, step = np.random.default_rng(1), UNITS // LOOKS

    def run():
        for _ in range(runs):
            for _ in range(LOOKS):
                columns[rng.integers(0, len(columns), step)].sum(axis=0)

    return seconds(run)


def main():
    what = experiment()
    p95 = replace(
        what, guardrail_metrics=[*what.guardrail_metrics, Quantile("latency", 0.95, goal="minimize", margin=0.25)]
    )
    found = {
        "experiments": RUNS,
        "seconds": simulate(what, RUNS),
        "seconds_with_p95": simulate(p95, RUNS // 10) * 10,
        "seconds_bare": bare(RUNS // 10) * 10,
    }
    found["ratio"] = found["seconds"] / found["seconds_bare"]
    found["peak_mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
