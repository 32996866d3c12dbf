"""From the rows that a statement returns to moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from abkit.collectors.census import Census
from abkit.collectors.engines import Numbers
from abkit.collectors.query import Term
from abkit.collectors.terms import offsets_of
from abkit.errors import NotFoundError
from abkit.models import Ratio
from abkit.models.metric import Metric
from abkit.stats import Moments

_ROUNDING = 1e-28  # of a square: the share by which a product of two numbers may be off, with room to spare


def paired_moments(
    batches: Iterable[Sequence[Numbers]], terms: Sequence[Term], census: Census
) -> tuple[dict[str, Any], dict[str, tuple[Moments, ...]]]:
    """Moments of the units that appear in every variant, batch by batch."""
    variants, seen, complete, rows = len(census.values), 0, 0, np.zeros(len(census.values))
    found: dict[str, Moments] = {}
    for columns in batches:
        batch = np.column_stack(columns)
        whole = batch[(batch[:, :variants] > 0).all(axis=1)]
        seen, complete, rows = seen + len(batch), complete + len(whole), rows + whole[:, :variants].sum(axis=0)
        start = variants
        for term in terms:
            width = len(term.columns) + 1
            part = whole[:, start : start + variants * width].reshape(len(whole), variants, width)
            start += variants * width
            counted = part[(part[:, :, -1] > 0).all(axis=1), :, :-1]
            moments = Moments.from_rows(counted.reshape(len(counted), variants * (width - 1)))
            found[term.name] = found[term.name] + moments if term.name in found else moments
    if not complete:
        raise NotFoundError(
            "no unit appears in every variant, so there is no pair to compare; check data.unit, or leave out "
            "design: paired"
        )
    counts: dict[str, Any] = {
        "units": dict.fromkeys(census.values, complete),
        "rows": {name: int(count) for name, count in zip(census.values, rows, strict=True)},
        "total_units": complete,
        "incomplete_units": seen - complete,
    }
    return counts, {name: (moments,) for name, moments in found.items()}


def moments_of(row: Mapping[str, Any] | None, term: Term) -> Moments:
    """Return the moments of what a term added up per unit; of no units where there is no row."""
    size = len(term.columns)
    if row is None:
        return Moments(np.zeros(()), np.zeros(size), np.zeros((size, size)))
    units = row["units"] if term.counts is None else row[f"{term.name}_units"]
    sums = [row[f"{term.name}_sum_{i}"] or 0.0 for i in range(size)]
    products = [[row[f"{term.name}_product_{min(i, j)}_{max(i, j)}"] or 0.0 for j in range(size)] for i in range(size)]
    with np.errstate(over="ignore", invalid="ignore"):
        return Moments.from_shifted_sums(float(units), np.zeros(size), sums, products)


def without_noise(metric: Metric, blocks: tuple[Moments, ...], census: Census) -> tuple[Moments, ...]:
    """A ratio that is the same in every row leaves rounding behind; rounding is no spread to test against."""
    if not isinstance(metric, Ratio) or len(blocks) < len(census.values):
        return blocks
    kept = []
    for block, offset in zip(blocks, offsets_of(metric, census), strict=True):
        covariance = block.covariance.copy()
        if covariance[0, 0] <= _ROUNDING * offset**2 * (covariance[1, 1] + block.mean[1] ** 2):
            covariance[0] = covariance[:, 0] = 0.0
        kept.append(Moments(block.n, block.mean, covariance))
    return tuple(kept)
