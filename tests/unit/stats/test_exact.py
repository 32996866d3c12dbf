from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy import stats

from abkit.stats.exact import exact_p_value

TABLES = [(8, 11, 7, 19), (9, 10, 3, 10), (3, 40, 9, 35), (10, 10, 0, 10), (1, 5, 4, 9), (3, 5, 3, 5)]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_fisher_and_boschloo_agree_with_scipy(table, alternative):
    x_t, n_t, x_c, n_c = table
    rows = [[x_t, x_c], [n_t - x_t, n_c - x_c]]
    fisher = stats.fisher_exact(rows, alternative).pvalue
    assert exact_p_value(*table, method="fisher", alternative=alternative) == pytest.approx(fisher, rel=1e-9)
    boschloo = stats.boschloo_exact(rows, alternative).pvalue
    assert exact_p_value(*table, alternative=alternative) == pytest.approx(boschloo, rel=1e-6)


@pytest.mark.parametrize("table", [(8, 11, 7, 19), (9, 10, 3, 10), (6, 7, 2, 7), (2, 9, 7, 9)])
def test_barnard_against_rational_enumeration(table):
    """The ties that floating point loses are kept by fractions: scipy issue 18798."""
    x_t, n_t, x_c, n_c = table

    def squared(a, b):
        pooled = Fraction(a + b, n_t + n_c)
        variance = pooled * (1 - pooled) * (Fraction(1, n_t) + Fraction(1, n_c))
        return Fraction(0) if variance == 0 else (Fraction(a, n_t) - Fraction(b, n_c)) ** 2 / variance

    kept = [(a, b) for a, b in product(range(n_t + 1), range(n_c + 1)) if squared(a, b) >= squared(x_t, x_c)]
    p = np.linspace(0, 1, 20001)
    total = sum(comb(n_t, a) * comb(n_c, b) * p ** (a + b) * (1 - p) ** (n_t + n_c - a - b) for a, b in kept)
    assert exact_p_value(*table, method="barnard") == pytest.approx(total.max(), abs=1e-7)


def test_scipy_trap_is_not_ours():
    assert exact_p_value(8, 11, 7, 19, method="barnard") == pytest.approx(0.06751410663127902, rel=1e-9)


@pytest.mark.parametrize("method", ["fisher", "boschloo", "barnard"])
def test_nothing_varies(method):
    assert exact_p_value(0, 10, 0, 20, method=method) == 1.0
    assert exact_p_value(10, 10, 20, 20, method=method) == 1.0


@pytest.mark.parametrize("method", ["boschloo", "barnard"])
def test_never_rejects_more_often_than_alpha(method):
    n = 12
    p = np.array([[exact_p_value(i, n, j, n, method=method) for j in range(n + 1)] for i in range(n + 1)])
    for rate in np.linspace(0.02, 0.98, 25):
        weight = stats.binom.pmf(np.arange(n + 1), n, rate)
        assert weight @ (p <= 0.05) @ weight <= 0.05 + 1e-9


@pytest.mark.parametrize("method", ["fisher", "boschloo", "barnard"])
def test_swapping_the_variants_swaps_the_sides(method):
    there = exact_p_value(8, 11, 7, 19, method=method, alternative="greater")
    back = exact_p_value(7, 19, 8, 11, method=method, alternative="less")
    assert there == pytest.approx(back, rel=1e-9)


def test_large_counts_are_quick_and_fractions_refused():
    assert 0 < exact_p_value(520, 1000, 480, 1000, method="barnard") < 0.1
    with pytest.raises(ValueError, match="score test"):
        exact_p_value(520, 1001, 480, 1000)
    with pytest.raises(ValueError, match="count units"):
        exact_p_value(1.5, 10, 2, 10)
    with pytest.raises(ValueError, match="successes"):
        exact_p_value(11, 10, 2, 10)
