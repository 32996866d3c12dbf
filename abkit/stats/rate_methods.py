"""How each named method makes an interval and a p-value from the counts of one or two rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from scipy import special

from abkit.stats.estimate import Alternative
from abkit.stats.exact import exact_p_value
from abkit.stats.means import tail_p_value
from abkit.stats.proportion import RateComparison, wilson_interval
from abkit.stats.score import difference_interval, difference_score, ratio_interval, ratio_score

Bounds = tuple[float, float]
Counts = tuple[float, float, float, float]
Answer = tuple[Bounds | None, float | None, float | None]
RatioAnswer = tuple[float, float, float | None, float | None]


def _z(alpha: float) -> float:
    return float(-special.ndtri(alpha / 2))


def _wilson(successes: float, n: float, alpha: float) -> Bounds:
    return wilson_interval(successes, n, _z(alpha))


def _clopper_pearson(successes: float, n: float, alpha: float) -> Bounds:
    low = special.betaincinv(successes, n - successes + 1, alpha / 2) if successes > 0 else 0.0
    high = special.betaincinv(successes + 1, n - successes, 1 - alpha / 2) if successes < n else 1.0
    return float(low), float(high)


def _jeffreys(successes: float, n: float, alpha: float) -> Bounds:
    shape = (successes + 0.5, n - successes + 0.5)
    low = special.betaincinv(*shape, alpha / 2) if successes > 0 else 0.0
    high = special.betaincinv(*shape, 1 - alpha / 2) if successes < n else 1.0
    return float(low), float(high)


def _agresti_coull(successes: float, n: float, alpha: float) -> Bounds:
    z = _z(alpha)
    size = n + z * z
    center = (successes + z * z / 2) / size
    half = z * math.sqrt(center * (1 - center) / size)
    return max(center - half, 0.0), min(center + half, 1.0)


def _wald(successes: float, n: float, alpha: float) -> Bounds:
    value = successes / n
    half = _z(alpha) * math.sqrt(value * (1 - value) / n)
    return value - half, value + half


def _newcombe(counts: Counts, alpha: float, alternative: Alternative) -> Answer:
    pair = HybridScore(*counts)
    two_sided = pair.p_value()
    ahead = counts[0] * counts[3] >= counts[2] * counts[1]
    p_value = two_sided if alternative == "two-sided" else two_sided / 2
    if alternative != "two-sided" and ahead != (alternative == "greater"):
        p_value = 1 - p_value
    return pair.interval(alpha), None, p_value


class HybridScore(RateComparison):
    """Newcombe's interval alone, without the exact test that `RateComparison` adds for small counts.

    Examples
    --------
    >>> [round(bound, 4) for bound in HybridScore(0, 10, 0, 10).interval(0.05)]
    [-0.2775, 0.2775]
    """

    __slots__ = ()

    def _is_small(self) -> bool:
        return False


def _score(corrected: bool) -> Callable[[Counts, float, Alternative], Answer]:
    def answer(counts: Counts, alpha: float, alternative: Alternative) -> Answer:
        low, high = difference_interval(*counts, _z(alpha), corrected)
        statistic, p_value = _score_test(float(difference_score(*counts, 0.0, corrected)), counts, alternative)
        return (float(low), float(high)), statistic, p_value

    return answer


def _score_test(statistic: float, counts: Counts, alternative: Alternative) -> tuple[float | None, float | None]:
    """Nothing varies: the score test of equal rates does not exist, though the interval does."""
    if counts[0] + counts[2] in (0.0, counts[1] + counts[3]):
        return None, None
    return statistic, tail_p_value(statistic, math.inf, alternative)


def _agresti_caffo(counts: Counts, alpha: float, alternative: Alternative) -> Answer:
    added = (counts[0] + 1, counts[1] + 2, counts[2] + 1, counts[3] + 2)
    low, high = _normal_bounds(added, alpha)
    gap, se = _gap(added)
    return (max(low, -1.0), min(high, 1.0)), gap / se, tail_p_value(gap / se, math.inf, alternative)


def _gap(counts: Counts) -> tuple[float, float]:
    rates = (counts[0] / counts[1], counts[2] / counts[3])
    variance = sum(p * (1 - p) / n for p, n in zip(rates, counts[1::2], strict=True))
    return rates[0] - rates[1], math.sqrt(variance)


def _normal_bounds(counts: Counts, alpha: float) -> Bounds:
    gap, se = _gap(counts)
    return gap - _z(alpha) * se, gap + _z(alpha) * se


def _wald_difference(counts: Counts, alpha: float, alternative: Alternative) -> Answer:
    gap, se = _gap(counts)
    if se == 0:
        return None, None, None
    return _normal_bounds(counts, alpha), gap / se, tail_p_value(gap / se, math.inf, alternative)


def _exact(method: Literal["fisher", "boschloo"]) -> Callable[[Counts, float, Alternative], Answer]:
    def answer(counts: Counts, alpha: float, alternative: Alternative) -> Answer:
        x_t, n_t, x_c, n_c = (int(count) if count == int(count) else count for count in counts)
        return None, None, exact_p_value(x_t, n_t, x_c, n_c, method=method, alternative=alternative)  # type: ignore[arg-type]

    return answer


def _ratio_score(corrected: bool) -> Callable[[Counts, float, Alternative], RatioAnswer]:
    def answer(counts: Counts, alpha: float, alternative: Alternative) -> RatioAnswer:
        low, high = ratio_interval(*counts, _z(alpha), corrected)
        test = _score_test(float(ratio_score(*counts, 1.0, corrected)), counts, alternative)
        return float(low), float(high), *test

    return answer


def _katz(counts: Counts, alpha: float, alternative: Alternative) -> RatioAnswer:
    if min(counts[0], counts[2]) == 0:
        return math.nan, math.nan, None, None
    middle = math.log(counts[0] / counts[1] / (counts[2] / counts[3]))
    se = math.sqrt(1 / counts[0] - 1 / counts[1] + 1 / counts[2] - 1 / counts[3])
    if se == 0:
        return math.nan, math.nan, None, None
    half = _z(alpha) * se
    p_value = tail_p_value(middle / se, math.inf, alternative)
    return math.exp(middle - half), math.exp(middle + half), middle / se, p_value


def _donner_zou(counts: Counts, alpha: float, alternative: Alternative) -> RatioAnswer:
    low, high = HybridScore(*counts).lift_interval(alpha)
    return low + 1, high + 1, None, _newcombe(counts, alpha, alternative)[2]


RATE_INTERVALS: dict[str, Callable[[float, float, float], Bounds]] = {
    "wilson": _wilson,
    "clopper-pearson": _clopper_pearson,
    "jeffreys": _jeffreys,
    "agresti-coull": _agresti_coull,
    "wald": _wald,
}
DIFFERENCES: dict[str, Callable[[Counts, float, Alternative], Answer]] = {
    "newcombe": _newcombe,
    "miettinen-nurminen": _score(corrected=True),
    "agresti-caffo": _agresti_caffo,
    "pooled z": _score(corrected=False),
    "wald": _wald_difference,
    "boschloo": _exact("boschloo"),
    "fisher": _exact("fisher"),
}
RATIOS: dict[str, Callable[[Counts, float, Alternative], RatioAnswer]] = {
    "koopman": _ratio_score(corrected=False),
    "miettinen-nurminen": _ratio_score(corrected=True),
    "katz": _katz,
    "donner-zou": _donner_zou,
}
