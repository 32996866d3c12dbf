"""How numbers are written for people: two significant digits, a true minus sign, one unit for both ends."""

from __future__ import annotations

import math

_MINUS = "\u2212"


def decimals_for(*values: float | None) -> int:
    """Decimals that leave two significant digits in the smallest of the values that matters.

    Examples
    --------
    >>> decimals_for(0.0123, 4.0), decimals_for(120.0)
    (3, 0)
    """
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value) and value != 0]
    if not sizes:
        return 0
    largest = max(sizes)
    relevant = min(size for size in sizes if size >= largest / 1000)
    return min(max(0, 1 - math.floor(math.log10(relevant))), 12)


def number(value: float | None, decimals: int | None = None, *, signed: bool = False) -> str:
    """Write a quantity; an em dash where there is none.

    Examples
    --------
    >>> number(1234.5, 1), number(-0.031, signed=True), number(None)
    ('1,234.5', '−0.031', '—')
    """
    if value is None or not math.isfinite(value):
        return "—"
    places = decimals_for(value) if decimals is None else decimals
    if abs(value) >= 1e15 or (value != 0 and abs(value) < 1e-9):
        text = f"{abs(value):.2g}"
    else:
        text = f"{abs(value):,.{places}f}"
    negative = value < 0 and any(digit in text for digit in "123456789")
    return f"{_MINUS if negative else '+' if signed and value > 0 else ''}{text}"


def percent(value: float | None, decimals: int | None = None, *, signed: bool = False) -> str:
    """Write a relative quantity.

    Examples
    --------
    >>> percent(0.0392, signed=True), percent(0.5)
    ('+3.9%', '50%')
    """
    if value is None or not math.isfinite(value):
        return "—"
    return f"{number(100 * value, decimals, signed=signed)}%"


def points(value: float | None, decimals: int | None = None, *, signed: bool = True) -> str:
    """Write a difference of two rates, in percentage points.

    Examples
    --------
    >>> points(-0.0082)
    '−0.82 pp'
    """
    if value is None or not math.isfinite(value):
        return "—"
    return f"{number(100 * value, decimals, signed=signed)} pp"


def p_value(value: float | None) -> str:
    """Write a p-value.

    Examples
    --------
    >>> p_value(0.00004), p_value(0.0344), p_value(None)
    ('<0.001', '0.034', '—')
    """
    if value is None:
        return "—"
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def p_equals(value: float | None) -> str:
    """Write a p-value with its relation.

    Examples
    --------
    >>> p_equals(0.00004), p_equals(0.0344)
    ('p < 0.001', 'p = 0.034')
    """
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def level(value: float | None, kind: str) -> str:
    """Write a metric's level: rates in percent, others as they are, with four significant digits.

    Examples
    --------
    >>> level(0.896341, "proportion"), level(0.0149295, "mean"), level(52.2011, "quantile")
    ('89.63%', '0.01493', '52.2')
    """
    if value is None or not math.isfinite(value):
        return "—"
    if kind == "proportion":
        return f"{number(100 * value, 3 if 0 < abs(value) < 0.01 else 2)}%"
    size = abs(value)
    return number(
        value, 0 if size >= 1000 or value == 0 else min(12, 3 - math.floor(math.log10(size))) if size < 10 else 1
    )


def difference(value: float | None, kind: str, decimals: int | None = None) -> str:
    """Write an absolute effect: percentage points for rates, the metric's unit for others.

    Examples
    --------
    >>> difference(0.0354, "proportion"), difference(-1.5, "mean")
    ('+3.5 pp', '−1.5')
    """
    return points(value, decimals) if kind == "proportion" else number(value, decimals, signed=True)


def span(low: float | None, high: float | None, *, kind: str, joined: str = " to ") -> str:
    """Write an interval, both ends with the same decimals; kind "lift" is in percent.

    An end that is not 0 never reads as 0: on which side of it the interval ends is what people look for.

    Examples
    --------
    >>> span(0.0141, 0.0663, kind="lift"), span(-0.0004, 0.23, kind="proportion"), span(None, None, kind="mean")
    ('+1.4% to +6.6%', '−0.04 pp to +23.00 pp', '—')
    """
    return "—" if low is None or high is None else joined.join(ends(low, high, kind=kind))


def ends(low: float | None, high: float | None, *, kind: str) -> tuple[str, str]:
    """Write both ends of an interval, as `span` does.

    Examples
    --------
    >>> ends(-0.012, 0.5, kind="lift")
    ('−1%', '+50%')
    """
    if low is None or high is None:
        return "—", "—"
    scale = 100 if kind in {"lift", "proportion"} else 1
    places = decimals_for(scale * (high - low) / 2)
    sizes = [abs(scale * end) for end in (low, high) if end != 0]
    while places < 9 and any(round(size, places) == 0 for size in sizes):
        places += 1
    if kind == "lift":
        return percent(low, places, signed=True), percent(high, places, signed=True)
    return difference(low, kind, places), difference(high, kind, places)


def total(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a sum and the ends of its interval, to two significant digits of the interval's half-width.

    Examples
    --------
    >>> total(273454.2, -225498.0, 772406.0), total(1.234, 0.2, 2.3)
    (('+270,000', '−230,000', '+770,000'), ('+1.2', '+0.2', '+2.3'))
    """
    half = (high - low) / 2
    step = 10.0 ** max(0, math.floor(math.log10(half)) - 1) if half > 0 and math.isfinite(half) else 1.0
    while step > 1 and any(part != 0 and round(part / step) == 0 for part in (low, high)):
        step /= 10
    rounded = [round(part / step) * step if step > 1 else part for part in (value, low, high)]
    first, last = ends(rounded[1], rounded[2], kind="mean")
    return number(rounded[0], decimals_for(half), signed=True), first, last


def confidence(value: float) -> str:
    """Write a confidence level; one shared among several variants has decimals.

    Examples
    --------
    >>> confidence(0.95), confidence(1 - 0.05 / 3)
    ('95%', '98.33%')
    """
    return f"{100 * value:.4g}%"


def count(value: float | None) -> str:
    """Write a count.

    Examples
    --------
    >>> count(12345)
    '12,345'
    """
    return "—" if value is None else f"{value:,.0f}"


def about(value: float) -> str:
    """Write how many are still to come: two significant digits, rounded up.

    Examples
    --------
    >>> about(4312), about(87), about(3.2)
    ('4,400', '87', '4')
    """
    unit = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return count(math.ceil(value / unit - 1e-9) * unit)


def days(value: float) -> str:
    """Write a number of days.

    Examples
    --------
    >>> days(0.3), days(1), days(6.96), days(130.2)
    ('0.3 days', '1 day', '7 days', '140 days')
    """
    text = about(value) if value >= 10 else f"{value:.1f}".removesuffix(".0")
    return f"{text} day" if text == "1" else f"{text} days"


def chance(value: float) -> str:
    """Write a probability; one that is nearly sure is never written as sure.

    Examples
    --------
    >>> chance(0.9996), chance(0.898), chance(0.0002)
    ('more than 99.9%', '89.8%', 'less than 0.1%')
    """
    if value > 0.999:
        return "more than 99.9%"
    return "less than 0.1%" if value < 0.001 else f"{100 * value:.1f}%"
