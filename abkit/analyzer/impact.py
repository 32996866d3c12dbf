"""What a difference adds up to: per thousand rows, or per thirty days at the present rate."""

from __future__ import annotations

from dataclasses import replace

from abkit.analyzer.result import ComparisonResult, Impact, MetricResult
from abkit.models.metric import Metric
from abkit.snapshot import Snapshot

_ROUND, _MONTH = 1000, 30
_UNITS = {"usd": "USD", "eur": "EUR", "tokens": "tokens", "s": "s", "seconds": "s", "ms": "ms"}


def with_impact(metric: MetricResult, snapshot: Snapshot) -> MetricResult:
    """Add to every comparison what its difference adds up to, where differences of rows may be added up.

    Means and rates are per row, so that times the number of rows they are totals; ratios and quantiles are not.
    """
    if metric.kind not in {"mean", "proportion"}:
        return metric
    found = tuple(replace(one, impact=_impact(metric, one, snapshot)) for one in metric.comparisons)
    return replace(metric, comparisons=found)


def _impact(metric: MetricResult, one: ComparisonResult, snapshot: Snapshot) -> Impact | None:
    value, low, high = one.difference.value, one.difference.low, one.difference.high
    if value is None or low is None or high is None:
        return None
    units = sum(snapshot.units.values())
    rows = max(units, sum(snapshot.rows.values()))  # totals stand for more units than they have rows
    amount, days = _ROUND, None
    if snapshot.days is not None and snapshot.days >= 1:
        amount, days = round(_MONTH * rows / snapshot.days), _MONTH
    total, least, most = (amount * part for part in (value, low, high))
    return Impact(amount, "units" if rows == units else "rows", days, metric.unit, total, least, most)


def unit_of(metric: Metric) -> str:
    """Return what a metric's values are in: as it says, else what its name ends with; a rate counts its own ones.

    Examples
    --------
    >>> from abkit.models import Mean
    >>> unit_of(Mean("cost_usd")), unit_of(Mean("price", unit="CHF")), unit_of(Mean("score"))
    ('USD', 'CHF', '')
    """
    if metric.unit is not None:
        return metric.unit
    return "" if metric.kind == "proportion" else _UNITS.get(metric.name.rsplit("_", 1)[-1].lower(), "")
