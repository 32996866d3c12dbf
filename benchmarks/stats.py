"""Statistics against the least arithmetic that gives the same numbers: scalar functions, arrays, random bits.

The bounds know nothing of what may go wrong (empty variants, no variance, an unbounded lift) and return bare tuples.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import exp, sqrt
from typing import Any

import numpy as np
import pandas as pd
from measure import compare, main
from scipy.special import ndtr, ndtri, stdtr, stdtrit

import abkit as ab
from abkit.stats import (
    Comparison,
    StudentTest,
    Summary,
    difference_interval,
    mde,
    mean_difference,
    mean_levels,
    mean_lift,
    resplit,
    sample_size,
    spending_bounds,
    welch_tests,
)

ROOT_TWO_PI = 2.5066282746310002
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def welch(ma: float, va: float, na: float, mb: float, vb: float, nb: float) -> tuple[float, ...]:
    """Difference, standard error, interval, p-value, statistic and degrees of freedom of one pair of means."""
    qa, qb = va / na, vb / nb
    square = qa + qb
    se = sqrt(square)
    df = square * square / (qa * qa / (na - 1) + qb * qb / (nb - 1))
    half = -float(stdtrit(df, 0.025)) * se
    value = mb - ma
    return value, se, value - half, value + half, 2 * float(stdtr(df, -abs(value / se))), value / se, df


def log_lift(ma: float, va: float, na: float, mb: float, vb: float, nb: float) -> tuple[float, ...]:
    """The lift of one pair beside it, with an interval on the log scale: the cheapest there is."""
    value, *_, p_value, _, df = welch(ma, va, na, mb, vb, nb)
    ratio = mb / ma
    spread = exp(-float(stdtrit(df, 0.025)) * sqrt(va / na / ma**2 + vb / nb / mb**2))
    return ratio - 1, ratio / spread - 1, ratio * spread - 1, value, p_value


def one_comparison(rounds: int) -> Iterator[dict[str, Any]]:
    control, treatment = Summary(20_000, 10.0, 40.0), Summary(21_000, 10.1, 41.0)
    numbers = (10.0, 40.0, 20_000.0, 10.1, 41.0, 21_000.0)
    yield compare(
        "one comparison of means: difference",
        lambda: mean_difference(treatment, control),
        lambda: welch(*numbers),
        goal=3,
        calls=500,
        rounds=rounds,
    )
    yield compare(
        "one comparison of means: lift, all that the test does not reject",
        lambda: mean_lift(treatment, control),
        lambda: log_lift(*numbers),
        calls=100,
        rounds=rounds,
    )


def batch(rounds: int, pairs: int = 10_000) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    n = rng.integers(5_000, 50_000, (pairs, 2)).astype(float)
    mean, variance = rng.uniform(5, 15, (pairs, 2)), rng.uniform(20, 60, (pairs, 2))

    def own() -> object:
        comparison = Comparison(mean_levels(n, mean, variance), 1, 0, StudentTest())
        return comparison.p_value(), comparison.interval(0.05), comparison.lift_interval(0.05)

    def bound() -> object:
        (ma, mb), (qa, qb), (da, db) = mean.T, (variance / n).T, (n - 1).T
        square = qa + qb
        se, df, value = np.sqrt(square), square * square / (qa * qa / da + qb * qb / db), mb - ma
        t = stdtrit(df, 0.975)
        spread, ratio = np.exp(t * np.sqrt(qa / ma**2 + qb / mb**2)), mb / ma
        p_value = 2 * stdtr(df, -np.abs(value / se))
        return value - t * se, value + t * se, ratio / spread - 1, ratio * spread - 1, p_value

    return compare(
        "a batch: p-values, intervals, lifts", own, bound, goal_seconds=0.015, calls=1, rounds=rounds, pairs=pairs
    )


def batched_tests(rounds: int, pairs: int = 10_000) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    n = rng.integers(5_000, 50_000, (2, pairs)).astype(float)
    mean, variance = rng.uniform(5, 15, (2, pairs)), rng.uniform(20, 60, (2, pairs))

    def bound() -> object:
        qa, qb = variance / n
        square = qa + qb
        df = square * square / (qa * qa / (n[0] - 1) + qb * qb / (n[1] - 1))
        return 2 * stdtr(df, -np.abs(mean[1] - mean[0]) / np.sqrt(square))

    def own() -> object:
        return welch_tests(n[1], mean[1], variance[1], n[0], mean[0], variance[0])

    return compare("a batch: tests alone", own, bound, goal=1.5, calls=5, rounds=rounds, pairs=pairs)


def bits(values: np.ndarray, runs: int, block: int = 512) -> np.ndarray:
    """Sums of the second half of random splits, of each column, by random bits times a matrix of 32-bit floats."""
    rng, units = np.random.default_rng(1), len(values)
    weights = np.ascontiguousarray(values, dtype=np.float32)
    sums = np.empty((runs, weights.shape[1]))
    for start in range(0, runs, block):
        size = min(block, runs - start)
        packed = np.frombuffer(rng.bytes(size * -(-units // 8)), np.uint8).reshape(size, -1)
        sums[start : start + size] = np.unpackbits(packed, axis=1, count=units).astype(np.float32) @ weights
    return sums


def tested(sums: np.ndarray, values: np.ndarray) -> np.ndarray:
    """p-values of the means of the columns, whose squares follow them and a column of ones those."""
    columns, units = (values.shape[1] - 1) // 2, len(values)
    totals = values.sum(axis=0)
    n = np.stack([units - sums[:, -1:], sums[:, -1:]])
    both = np.stack([totals - sums, sums])
    mean = both[..., :columns] / n
    square = (both[..., columns : 2 * columns] / n - mean**2) / (n - 1)
    return 2 * ndtr(-np.abs(mean[1] - mean[0]) / np.sqrt(square.sum(axis=0)))


def aa_splits(rounds: int, runs: int, units: int = 10_000) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(2)
    names = [f"m{place}" for place in range(6)]
    past = pd.DataFrame(rng.gamma(2.0, 5.0, (units, 6)), columns=names)
    primary, *others = (ab.Mean(name) for name in names)
    variants = [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)]
    experiment = ab.Experiment("splits", variants, primary, secondary_metrics=others)
    centered = (past - past.mean()).to_numpy()
    values = np.column_stack([centered, centered**2, np.ones(units)])
    yield compare(
        "A/A splits of six metrics",
        lambda: ab.aa_validation(experiment, past, runs=runs),
        lambda: tested(bits(values, runs), values),
        goal=2,
        rounds=rounds,
        runs=runs,
        users=units,
    )
    table = centered[:, :2]
    products = np.column_stack([table, table**2, table[:, 0] * table[:, 1], np.ones(units)])
    yield compare(
        "A/A splits as moments of two columns",
        lambda: resplit(table, runs, np.random.default_rng(1)),
        lambda: bits(products, runs),
        goal=2,
        rounds=rounds,
        runs=runs,
        users=units,
    )


def gauss_legendre(times: np.ndarray, spent: np.ndarray) -> list[float]:
    """One-sided portions -> symmetric bounds by the recursion of Armitage, McPherson & Rowe, Newton for each bound."""
    bounds: list[float] = []
    portions = np.diff(spent, prepend=0.0)
    mass = position = np.zeros(0)
    for look, (time, portion) in enumerate(zip(times, portions, strict=True)):
        root, sd = sqrt(time), sqrt(time - (times[look - 1] if look else 0.0))
        bound = bounds[-1] if look else min(8.5, -float(ndtri(portion)))
        for _ in range(30 if look and portion > 1e-15 else 0):
            z = (position - bound * root) / sd
            slope = float(mass @ np.exp(-0.5 * z * z)) * root / sd / ROOT_TWO_PI
            step = (float(mass @ ndtr(z)) - portion) / slope
            bound += max(-0.5, min(0.5, step))
            if abs(step) < 1e-10:
                break
        bounds.append(bound)
        ends, weight = NODES * bound * root, WEIGHTS * bound * root
        if look == 0:
            mass = np.exp(-0.5 * ends * ends / time) / (ROOT_TWO_PI * root) * weight
        elif look < len(times) - 1:
            kernel = np.exp(-0.5 * ((ends[:, None] - position) / sd) ** 2)
            mass = (kernel @ mass) * weight / (sd * ROOT_TWO_PI)
        position = ends
    return bounds


def boundaries(rounds: int, looks: int, calls: int) -> dict[str, Any]:
    times = np.arange(1, looks + 1) / looks
    half = 2 * ndtr(ndtri(0.025 / 2) / np.sqrt(times))
    spends = (
        np.diff(half, prepend=0.0) > 1e-12
    )  # earlier looks stop next to nothing, and either side bounds them its way
    gap = np.abs(spending_bounds(times).efficacy - gauss_legendre(times, half), where=spends, out=np.zeros(looks))
    assert gap.max() < 1e-4, "the bound finds other boundaries"
    return compare(
        f"group-sequential boundaries, {looks} looks",
        lambda: spending_bounds(times),
        lambda: gauss_legendre(times, half),
        goal=2,
        calls=calls,
        rounds=rounds,
    )


def power_grid(rounds: int, scenarios: int = 1_000) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(3)
    lift, cv = rng.uniform(0.01, 0.2, scenarios), rng.uniform(0.5, 8.0, scenarios)
    grid = {"rounds": rounds, "scenarios": scenarios}
    yield compare("sample sizes of a grid, exact t", lambda: sample_size(lift=lift, mean=1.0, sd=cv), **grid)
    yield compare("detectable effects of a grid, exact t", lambda: mde(10_000, sd=cv), **grid)


def score_intervals(rounds: int, side: int = 101) -> dict[str, Any]:
    """Miettinen-Nurminen intervals of all tables of two samples of 100."""
    x = np.arange(side)
    return compare(
        "score intervals of all tables of 100 and 100",
        lambda: difference_interval(x[:, None], side - 1, x, side - 1, 1.96),
        rounds=rounds,
        intervals=side**2,
    )


def cases(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    rounds = max(options.rounds, 9)  # short and in turn: a busy machine then disturbs both alike
    yield from one_comparison(rounds)
    yield batch(rounds)
    yield batched_tests(rounds)
    yield boundaries(rounds, 10, calls=10)
    yield boundaries(rounds, 100, calls=1)
    yield from aa_splits(options.rounds, options.runs)
    yield from power_grid(options.rounds)
    yield score_intervals(options.rounds)


if __name__ == "__main__":
    main(__file__, cases, __doc__)
