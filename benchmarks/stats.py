"""Speed of the statistics engine: `python benchmarks/stats.py` prints one JSON object.

Ratios are of one run on one machine, the best of a few repetitions each, so that they mean the same anywhere.
"""

import json
import resource
import time

import numpy as np

from abkit.stats import (
    Comparison,
    RatioLevel,
    StudentTest,
    delta_method,
    difference_interval,
    mde,
    mean_levels,
    resplit,
    sample_size,
    welch_tests,
)

REPEAT = 5


def best(run, repeat=REPEAT):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def batched_comparisons(rows=10_000):
    """Differences and p-values of many metrics at once, against the same from scipy in a loop."""
    from scipy.stats import ttest_ind_from_stats

    rng = np.random.default_rng(1)
    n = rng.integers(5_000, 50_000, (rows, 2)).astype(float)
    mean, variance = rng.uniform(5, 15, (rows, 2)), rng.uniform(20, 60, (rows, 2))

    def tests():
        return welch_tests(n[:, 1], mean[:, 1], variance[:, 1], n[:, 0], mean[:, 0], variance[:, 0])

    def everything():
        comparison = Comparison(mean_levels(n, mean, variance), 1, 0, StudentTest())
        return comparison.p_value(), comparison.interval(0.05), comparison.lift_interval(0.05)

    def loop():
        sd = np.sqrt(variance)
        for (n0, n1), (m0, m1), (s0, s1) in zip(n, mean, sd, strict=True):
            ttest_ind_from_stats(m1, s1, n1, m0, s0, n0, equal_var=False)

    ours, theirs = best(tests, repeat=20), best(loop, repeat=2)
    return {
        "comparisons": rows,
        "p_values_s": ours,
        "scipy_loop_s": theirs,
        "times_faster": theirs / ours,
        "with_intervals_s": best(lambda: tests().interval(), repeat=20),
        "with_intervals_and_lifts_s": best(everything),
    }


def simulated_aa(runs=10_000, users=10_000):
    """A/A ratio tests: users split again and again, cost per execution compared each time."""
    rng = np.random.default_rng(2)
    executions = rng.geometric(1 / 11, users).astype(float)
    cost = executions * rng.lognormal(0, 0.5, users)
    start = time.perf_counter()
    control, treatment = resplit(np.column_stack([cost, executions]), runs, rng)
    levels = delta_method(RatioLevel(), [control, treatment], width=2)
    p_value = Comparison(levels, 1, 0, StudentTest()).p_value()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rejected = float((p_value < 0.05).mean())
    return {"runs": runs, "users": users, "seconds": seconds, "peak_mib": peak, "false_positives": rejected}


def power_grid(scenarios=1_000):
    """A thousand sizes in one call, against statsmodels' solver in a loop."""
    from statsmodels.stats.power import TTestIndPower

    rng = np.random.default_rng(3)
    lift, cv = rng.uniform(0.01, 0.2, scenarios), rng.uniform(0.5, 8.0, scenarios)
    size = best(lambda: sample_size(lift=lift, mean=1.0, sd=cv))
    effect = best(lambda: mde(10_000, sd=cv))
    solver, some = TTestIndPower(), 50
    loop = best(lambda: [solver.solve_power(d, None, 0.05, 0.8) for d in (lift / cv)[:some]], repeat=1)
    return {
        "scenarios": scenarios,
        "sample_size_s": size,
        "mde_s": effect,
        "statsmodels_loop_s": loop * scenarios / some,
        "times_faster": loop * scenarios / some / size,
    }


def score_intervals(side=101):
    """Miettinen-Nurminen intervals of all tables of two samples of 100."""
    x = np.arange(side)
    return {
        "intervals": side**2,
        "seconds": best(lambda: difference_interval(x[:, None], side - 1, x, side - 1, 1.96), 2),
    }


if __name__ == "__main__":
    parts = (batched_comparisons, simulated_aa, power_grid, score_intervals)
    print(json.dumps({part.__name__: part() for part in parts}, indent=2))
