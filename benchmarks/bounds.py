"""The least work that gives the numbers of an analysis: sums in one pass, by numpy and by hand-written SQL.

Nothing is checked here: no missing values, no duplicates, no units in two variants, no split. Values are shifted by a
pilot mean, as anything must that is to keep its digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

RATES, MEANS = ("converted", "clicked"), ("revenue", "duration")
PAIRS = (("orders", "sessions"), ("spend", "pre_spend"))
COLUMNS = (*RATES, *MEANS, *(name for pair in PAIRS for name in pair))
SHIFTS = dict(zip(COLUMNS, (0.05, 0.2, 3.6, 75.0, 0.6, 3.0, 22.0, 20.0), strict=True))
_CHUNK = 8_192
_AT = {name: place for place, name in enumerate(COLUMNS)}


def one_pass(columns: Sequence[np.ndarray], codes: np.ndarray, variants: int) -> list[tuple[Any, Any, Any]]:
    """Count, mean and covariance of each variant: small matrix products over chunks that stay in the cache."""
    size = len(columns)
    held = np.empty((_CHUNK, size + 1))
    shift = np.array([column[:_CHUNK].mean() for column in columns])
    products = np.zeros((variants, size + 1, size + 1))
    for start in range(0, len(codes), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = held[: len(codes[part])]
        rows[:, size] = 1.0
        for place, column in enumerate(columns):
            np.subtract(column[part], shift[place], out=rows[:, place])
        for variant in range(variants):
            mine = rows[codes[part] == variant]
            products[variant] += mine.T @ mine
    found = []
    for total in products:
        n = total[size, size]
        mean = total[:size, size] / n
        found.append((n, shift + mean, (total[:size, :size] / n - np.outer(mean, mean)) * n / (n - 1)))
    return found


def sums_sql(table: str, variant: str = "variant") -> str:
    """The same sums as one SELECT, about constants near the means."""
    shifted = {name: f"({name} - {SHIFTS[name]!r})" for name in COLUMNS if name not in RATES} | {
        name: name for name in RATES
    }
    terms = [f"sum({shifted[name]})" for name in COLUMNS]
    terms += [f"sum({shifted[name]} * {shifted[name]})" for name in COLUMNS if name not in RATES]
    terms += [f"sum({shifted[left]} * {shifted[right]})" for left, right in PAIRS]
    return f"SELECT {variant}, count(*), {', '.join(terms)} FROM {table} GROUP BY {variant} ORDER BY {variant}"


def from_sums(rows: Sequence[Sequence[Any]]) -> list[tuple[Any, Any, Any]]:
    """Count, mean and covariance of each variant, from the rows of `sums_sql`."""
    found, size = [], len(COLUMNS)
    for _, n, *values in rows:
        numbers = [float(value) for value in values]
        means = np.array(numbers[:size]) / n
        squares = [*numbers[: len(RATES)], *numbers[size : 2 * size - len(RATES)]]
        raw = np.diag(np.array(squares) / n)
        for (left, right), total in zip(PAIRS, numbers[2 * size - len(RATES) :], strict=True):
            raw[_AT[left], _AT[right]] = raw[_AT[right], _AT[left]] = total / n
        shift = np.array([0.0 if name in RATES else SHIFTS[name] for name in COLUMNS])
        found.append((n, shift + means, (raw - np.outer(means, means)) * n / (n - 1)))
    return found


def compared(moments: Sequence[tuple[Any, Any, Any]]) -> list[tuple[float, ...]]:
    """Every variant against the first on six metrics: difference, interval, p-value."""
    found, adjusted = [], _adjusted(moments)
    for place, other in enumerate(moments[1:], 1):
        pair = (moments[0], other)
        for name in (*RATES, *MEANS):
            at = _AT[name]
            found.append(_welch(*((one[1][at], one[2][at, at], one[0]) for one in pair)))
        found.append(_welch(*map(_ratio, pair)))
        found.append(_welch(adjusted[0], adjusted[place]))
    return found


def _ratio(one: tuple[Any, Any, Any]) -> tuple[float, float, float]:
    n, mean, covariance = one
    a, b = (_AT[name] for name in PAIRS[0])
    level = mean[a] / mean[b]
    return level, (covariance[a, a] - 2 * level * covariance[a, b] + level**2 * covariance[b, b]) / mean[b] ** 2, n


def _adjusted(moments: Sequence[tuple[Any, Any, Any]]) -> list[tuple[float, float, float]]:
    """Slope and centre are those of all variants together."""
    y, x = (_AT[name] for name in PAIRS[1])
    weights = [one[0] - 1 for one in moments]
    slope = sum(w * one[2][y, x] for w, one in zip(weights, moments, strict=True))
    slope /= sum(w * one[2][x, x] for w, one in zip(weights, moments, strict=True))
    center = sum(one[0] * one[1][x] for one in moments) / sum(one[0] for one in moments)
    return [
        (
            one[1][y] - slope * (one[1][x] - center),
            one[2][y, y] + slope**2 * one[2][x, x] - 2 * slope * one[2][y, x],
            one[0],
        )
        for one in moments
    ]


def _welch(control: tuple[float, ...], treatment: tuple[float, ...]) -> tuple[float, ...]:
    (ma, va, na), (mb, vb, nb) = control, treatment
    qa, qb = va / na, vb / nb
    se = sqrt(qa + qb)
    df = (qa + qb) ** 2 / (qa * qa / (na - 1) + qb * qb / (nb - 1))
    half = -float(stdtrit(df, 0.025)) * se
    return mb - ma, mb - ma - half, mb - ma + half, 2 * float(stdtr(df, -abs(mb - ma) / se))


def clustered_quantiles(
    values: np.ndarray, units: np.ndarray, codes: np.ndarray, number: int, shares: Sequence[float] = (0.5, 0.95)
) -> list[tuple[float, float, float]]:
    """Order-statistic intervals with units as clusters: partition each variant's rows, count those below per unit."""
    found = []
    for variant in (0, 1):
        mine = np.flatnonzero(codes == variant)
        x, u = values[mine], units[mine]
        n = np.bincount(u, minlength=number)
        places = [min(len(x) - 1, int(share * len(x))) for share in shares]
        ordered = np.partition(x, places)
        ranks = []
        for share, place in zip(shares, places, strict=True):
            below = np.bincount(u, weights=x <= ordered[place], minlength=number)
            residual, clusters = below - below.sum() / len(x) * n, np.count_nonzero(n)
            half = 1.96 * sqrt(float(residual @ residual) * clusters / (clusters - 1)) / len(x)
            ranks += [max(0, int((share - half) * len(x))), min(len(x) - 1, int((share + half) * len(x)))]
        points = [float(ordered[place]) for place in places]
        ordered.partition(sorted(set(ranks)))
        bounds = [float(ordered[rank]) for rank in ranks]
        found += list(zip(points, bounds[::2], bounds[1::2], strict=True))
    return found


def quantile_scans(table: str) -> tuple[str, str, str]:
    """The same in three scans of SQL: points, per-unit counts below them, bounds; `{...}` are filled in between."""
    points = f"SELECT variant, count(*), quantile_disc(value, [0.5, 0.95]) FROM {table} GROUP BY 1 ORDER BY 1"
    counts = (
        "SELECT variant, count(*), sum(n), sum(n * n), sum(a), sum(a * a), sum(a * n), sum(b), sum(b * b), sum(b * n) "
        "FROM (SELECT variant, unit, count(*) AS n, sum(({a})::INT) AS a, sum(({b})::INT) AS b "
        f"FROM {table} GROUP BY 1, 2) GROUP BY 1 ORDER BY 1"
    )
    return points, counts, f"SELECT quantile_disc(value, {{levels}}) FROM {table} WHERE variant = {{variant!r}}"
