"""Moments of the units that share a value of a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from abkit.collectors.census import Census
from abkit.collectors.engines import Engine
from abkit.collectors.orders import read_ahead, read_parts
from abkit.collectors.query import Rows, Term, cell_of, paired_units, randomized_moments
from abkit.collectors.reduction import moments_of, paired_moments
from abkit.collectors.segment_query import count_segments, rows_by_segment, rows_of_segment, segment_moments
from abkit.collectors.terms import OrderStatistics, Reading, level_of, sketch_error, term_of
from abkit.models import Proportion, Quantile
from abkit.models.metric import Metric
from abkit.snapshot import MetricMoments, NotCollected, Segment, Segmentation
from abkit.stats import Moments

MOST_SEGMENTS = 20
Collected = dict[str, MetricMoments | NotCollected]


def collect_segments(
    engine: Engine,
    rows: Rows,
    terms: Sequence[Term],
    used: Mapping[str, Metric],
    census: Census,
    reading: Reading,
) -> tuple[Segmentation, ...]:
    """Take the moments of every metric again in each segment of each column that the data names.

    Caps stay those of the whole data: a segment is clipped where everybody is.
    """
    reader = _Reader(engine, rows, terms, used, census, reading)
    return tuple(reader.by_column(column) for column in rows.data.segments)


@dataclass(frozen=True, slots=True)
class _Reader:
    engine: Engine
    rows: Rows
    terms: Sequence[Term]
    used: Mapping[str, Metric]
    census: Census
    reading: Reading

    @property
    def _is_paired(self) -> bool:
        return self.rows.data.design == "paired"

    @property
    def _values(self) -> list[str]:
        return list(self.census.values.values())

    def by_column(self, column: str) -> Segmentation:
        counted = self.engine.rows(count_segments(self.rows, column, self._values, MOST_SEGMENTS))
        changed = sum(int(row["units"]) for row in counted if row["segment"] is None)
        kept = {row["segment"]: int(row["units"]) for row in counted if row["segment"] is not None}
        names = sorted(list(kept)[:MOST_SEGMENTS], key=lambda name: (-kept[name], name))
        total, known = (int(counted[0]["total"]), int(counted[0]["known"])) if counted else (0, 0)
        units = sum(kept[name] for name in names)
        segments = tuple(self._paired(column, names) if self._is_paired else self._randomized(column, names))
        return Segmentation(column, segments, changed, known - len(names), total - changed - units)

    def _paired(self, column: str, names: Sequence[str]) -> list[Segment]:
        """Pairs have to be held side by side, segment by segment."""
        metrics = {term.name: self.used[term.name] for term in self.terms}
        found = []
        for name in names:
            rows = rows_of_segment(self.rows, column, name, self._values)
            terms, reading, collected = self._prepare(rows, metrics)
            read = self.engine.batches(paired_units(rows, terms, self._values))
            counts, blocks = paired_moments(read, terms, self.census)
            collected |= {self.used[place].name: self._metric(place, part, reading) for place, part in blocks.items()}
            found.append(Segment(name, counts["units"], collected))
        return found

    def _randomized(self, column: str, names: Sequence[str]) -> list[Segment]:
        """All segments in one statement, and their quantiles in three more."""
        quantiles = {name: metric for name, metric in self.used.items() if isinstance(metric, Quantile)}
        together = [term for term in self.terms if term.name not in quantiles]
        statement = segment_moments(self.rows, together, self._values, column, names)
        read = {(row["segment"], row["variant"]): row for row in (self.engine.rows(statement) if names else [])}
        ordered = self._quantiles(column, names, quantiles)
        found = []
        for name in names:
            here = {value: read.get((name, value)) for value in self._values}
            single = all(row is None or row["units"] == row["rows"] for row in here.values())
            collected: Collected = {}
            for term in together:
                blocks = tuple(moments_of(here[value], term) for value in self._values)
                collected[self.used[term.name].name] = self._metric(term.name, blocks, self.reading, single=single)
            units = {variant: int((here[value] or _NONE)["units"]) for variant, value in self.census.values.items()}
            found.append(Segment(name, units, collected | ordered[name]))
        return found

    def _quantiles(self, column: str, names: Sequence[str], metrics: Mapping[str, Quantile]) -> dict[str, Collected]:
        """Each segment has quantiles of its own: its variants are read as if they were variants of the whole."""
        rows = rows_by_segment(self.rows, column, self._values)
        parts = [
            self._with_values({v: cell_of(name, value) for v, value in self.census.values.items()}) for name in names
        ]
        orders = read_parts(self.engine, rows, parts, list(metrics.values()))
        terms = {place: self._term_of_parts(metric, place, rows, parts, orders) for place, metric in metrics.items()}
        asked = [term for term in terms.values() if term is not None]
        values = [value for part in parts for value in part.values.values()]
        statement = randomized_moments(rows, asked, values)
        read: dict[Any, Any] = {row["variant"]: row for row in (self.engine.rows(statement) if asked else [])}
        found: dict[str, Collected] = {}
        for name, part, order in zip(names, parts, orders, strict=True):
            found[name] = _refused(order, self.census)
            for place, term in terms.items():
                if term is not None and metrics[place].name not in found[name]:
                    blocks = tuple(moments_of(read.get(value), term) for value in part.values.values())
                    found[name][metrics[place].name] = self._metric(place, blocks, Reading({}, order))
        return found

    def _term_of_parts(
        self,
        metric: Quantile,
        place: str,
        rows: Rows,
        parts: Sequence[Census],
        orders: Sequence[Mapping[str, OrderStatistics]],
    ) -> Term | None:
        """One term for the quantiles of all segments that have one."""
        known = [(part, order[metric.name]) for part, order in zip(parts, orders, strict=True)]
        known = [(part, order) for part, order in known if order.reason is None]
        if not known:
            return None
        values = [value for part, _ in known for value in part.values.values()]
        together = OrderStatistics(tuple(quantile for _, order in known for quantile in order.quantile))
        whole = self._with_values(dict(zip(values, values, strict=True)))
        return term_of(metric, place, rows, whole, Reading({}, {metric.name: together}))

    def _with_values(self, values: dict[str, str]) -> Census:
        return replace(self.census, values=values)

    def _prepare(self, rows: Rows, metrics: Mapping[str, Metric]) -> tuple[list[Term], Reading, Collected]:
        """Read the segment's order statistics; return terms, what was read, and what cannot be computed."""
        ordered = [metric for metric in metrics.values() if isinstance(metric, Quantile)]
        orders = read_ahead(self.engine, rows, self.census, ordered).orders
        reading, refused = Reading(self.reading.caps, orders), _refused(orders, self.census)
        usable = {place: metric for place, metric in metrics.items() if metric.name not in refused}
        return (
            [term_of(metric, place, rows, self.census, reading) for place, metric in usable.items()],
            reading,
            refused,
        )

    def _metric(
        self, place: str, blocks: tuple[Moments, ...], reading: Reading, *, single: bool = False
    ) -> MetricMoments | NotCollected:
        return segment_metric(self.used[place], blocks, self.census, reading, single=single)


def segment_metric(
    metric: Metric, blocks: tuple[Moments, ...], census: Census, reading: Reading, *, single: bool
) -> MetricMoments | NotCollected:
    """Return a metric's moments in one segment with what is said of them; `single` where each unit is one row."""
    nothing = dict.fromkeys(census.rows, 0)
    if not all(np.isfinite(block.covariance).all() for block in blocks):
        return NotCollected("values are so large that their squares cannot be added up", nothing)
    return MetricMoments(
        blocks=blocks,
        level=level_of(metric, census, reading, blocks),
        width=4 if metric.covariate else 2,
        missing=nothing,
        is_rate_of_units=isinstance(metric, Proportion) and single and not metric.covariate,
        error=sketch_error(metric, reading),
    )


def _refused(orders: Mapping[str, OrderStatistics], census: Census) -> Collected:
    nothing = dict.fromkeys(census.rows, 0)
    return {name: NotCollected(order.reason, nothing) for name, order in orders.items() if order.reason}


_NONE: dict[str, Any] = {"units": 0}
