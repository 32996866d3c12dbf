"""From a source to a snapshot: counts and moments, computed by the engine that holds the data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from abkit.collectors.census import Census, check_columns, take_census
from abkit.collectors.daily import count_arrivals, daily_series
from abkit.collectors.distribution import collect_distributions
from abkit.collectors.engines import Engine, open_source
from abkit.collectors.mixed import find_mixed_units, settle_units
from abkit.collectors.observed import as_observed, unobserved
from abkit.collectors.query import Rows, Term, count_duplicates, paired_units, randomized_moments
from abkit.collectors.reduction import moments_of, paired_moments
from abkit.collectors.segments import collect_segments
from abkit.collectors.source import Source
from abkit.collectors.summary import collect_summary
from abkit.collectors.tenure import collect_tenure
from abkit.collectors.terms import Reading, level_of, read_ahead, sketch_error, sketch_notes, term_of
from abkit.errors import NotFoundError, ParameterError
from abkit.models import Experiment, Proportion
from abkit.models.metric import Metric
from abkit.snapshot import MetricMoments, NotCollected, Snapshot
from abkit.stats import Moments, equal_shares

_UNEVEN = 0.001


def collect(
    experiment: Experiment, source: Source, *, now: datetime, as_of: datetime | None = None, in_parts: bool = True
) -> Snapshot:
    """Reduce a source to the moments of the experiment's metrics.

    Parameters
    ----------
    experiment : Experiment
    source : Source
    now : datetime
        Stands as the time of the data where the data itself has none.
    as_of : datetime, optional
        Rows after it do not count; needs a time column. Default: all rows.
    in_parts : bool
        Also by segment and by day, and with the distributions; without them the moments alone are read.

    Returns
    -------
    Snapshot

    Raises
    ------
    NotFoundError
        No such file, column, or row.
    DataError
        Values that cannot be analyzed, all problems in one message.
    """
    where = source.where
    if as_of is not None and not source.data.time:
        raise ParameterError(f"as_of cannot leave rows out: {where} has no time; name its column with `time`")
    with open_source(source) as engine:
        if source.data.summary is not None:
            return collect_summary(experiment, source, engine, where, as_of or now)
        check_columns(engine.types, experiment, source.data, where)
        filled = [metric for metric, _ in experiment.metrics if source.long and metric.missing == "zero"]
        if source.long:
            experiment = as_observed(experiment)
        limit = as_of.timestamp() if as_of and source.data.time else None
        rows = Rows(engine.table, engine.types, source.data, limit)
        census = take_census(engine, rows, experiment, where)
        every_row, rows = rows, settle_units(engine, rows, census, where)
        snapshot, used, terms, reading = _collect(experiment, source, engine, rows, census, as_of, now, filled)
        if snapshot.contaminated_units or source.data.units_in_two_variants == "first":
            snapshot = replace(snapshot, mixed=find_mixed_units(engine, every_row, census))
        if not in_parts:
            return snapshot
        return replace(
            snapshot,
            segments=collect_segments(engine, rows, terms, used, census, reading),
            arrivals=count_arrivals(engine, rows, census),
            distributions=collect_distributions(engine, rows, list(used.values()), census),
            tenure=collect_tenure(engine, rows, snapshot, experiment.primary_metric, census, reading),
        )


def _collect(
    experiment: Experiment,
    source: Source,
    engine: Engine,
    rows: Rows,
    census: Census,
    as_of: datetime | None,
    now: datetime,
    filled: Sequence[Metric],
) -> tuple[Snapshot, dict[str, Metric], list[Term], Reading]:
    metrics = [metric if source.long else usable(metric, census) for metric, _ in experiment.metrics]
    reading = read_ahead(engine, rows, census, metrics)
    refused = {name: order.reason for name, order in reading.orders.items() if order.reason}
    if source.long:
        refused |= unobserved(metrics, census)
    used = {f"m{i}": metric for i, metric in enumerate(metrics) if metric.name not in refused}
    terms = [term_of(metric, name, rows, census, reading) for name, metric in used.items()]
    values = list(census.values.values())
    if source.data.design == "paired":
        counts, blocks = paired_moments(engine.batches(paired_units(rows, terms, values)), terms, census)
    else:
        counts, blocks = _randomized(engine.rows(randomized_moments(rows, terms, values)), terms, census)
    collected: dict[str, MetricMoments | NotCollected] = {}
    for metric in metrics:
        if metric.name in refused:
            lost = dict.fromkeys(census.rows, 0) if source.long else census.missing(metric)
            collected[metric.name] = NotCollected(str(refused[metric.name]), lost)
    for name, metric in used.items():
        if not all(np.isfinite(block.covariance).all() for block in blocks[name]):
            reason = "values are so large that their squares cannot be added up; remove what is absurd, or cap it"
            collected[metric.name] = NotCollected(reason, census.missing(metric))
            continue
        collected[metric.name] = _metric_moments(
            metric, blocks[name], census, reading, counts, [one for one, _ in experiment.metrics], long=source.long
        )
    series = daily_series(engine, rows, terms, used, census, reading, filled) if source.data.time else {}
    duplicated = _duplicates(engine, rows, values, source)
    first, last = census.first_second, census.last_second
    snapshot = Snapshot(
        variants=tuple(census.values),
        design=source.data.design,
        as_of=_iso(as_of or (now if last is None else datetime.fromtimestamp(last, UTC))),
        fingerprint=source.fingerprint() or _fingerprint(blocks, counts),
        rows_left_out=census.rows_left_out,
        metrics={metric.name: collected[metric.name] for metric in metrics},
        duplicated_rows=duplicated,
        has_time=source.data.time is not None,
        first_seen=None if first is None else _iso(datetime.fromtimestamp(first, UTC)),
        days=census.days,
        series=series,
        **counts,
    )
    return snapshot, used, terms, reading


def usable(metric: Metric, census: Census) -> Metric:
    """A covariate that one variant lacks more often than another would shift the effect: do without it."""
    if metric.covariate is None:
        return metric
    lost = census.without(metric.covariate)
    uneven = equal_shares(list(lost.values()), list(census.rows.values())) < _UNEVEN
    return replace(metric, covariate=None) if uneven else metric


def _duplicates(engine: Engine, rows: Rows, values: Sequence[str], source: Source) -> int | None:
    """Rows equal to another one; recording has already kept repeated observations out."""
    if source.data.unit is None or source.long:
        return 0 if source.long else None
    return int(engine.rows(count_duplicates(rows, values))[0]["duplicates"])


def _metric_moments(
    metric: Metric,
    blocks: tuple[Moments, ...],
    census: Census,
    reading: Reading,
    counts: Mapping[str, Any],
    asked: Sequence[Metric],
    *,
    long: bool,
) -> MetricMoments:
    missing = census.missing(metric)
    if long:
        counted = zip(census.rows, blocks, strict=True)
        missing = {name: counts["units"][name] - int(block.n) for name, block in counted}
    notes = []
    if metric.name in reading.caps:
        notes.append(f"values above {reading.caps[metric.name]:.6g} (pooled p{100 * (metric.cap or 0):g}) are clipped")
    if sum(missing.values()) and metric.missing != "error":
        done = "count as 0" if metric.missing == "zero" else "are left out"
        notes.append(f"{sum(missing.values()):,} {'units' if long else 'rows'} without a value {done}")
    notes += sketch_notes(metric, census, reading)
    covariate = next(one for one in asked if one.name == metric.name).covariate
    lost = census.without(covariate) if covariate and not long else {}
    if sum(lost.values()):
        what = "it is not used: one variant lacks it more often" if not metric.covariate else "the mean stands for them"
        notes.append(f"{sum(lost.values()):,} rows lack the covariate {covariate!r}; {what}")
    single = counts["rows"] == counts["units"] and len(blocks) > 1
    if long:
        single = sum(census.present[metric.columns[0]].values()) == sum(int(block.n) for block in blocks)
    return MetricMoments(
        blocks=blocks,
        level=level_of(metric, census, reading, blocks),
        width=4 if metric.covariate else 2,
        missing=missing,
        is_rate_of_units=isinstance(metric, Proportion) and single and not metric.covariate,
        notes=tuple(notes),
        without_covariate=lost,
        error=sketch_error(metric, reading),
    )


def _randomized(
    read: Sequence[Mapping[str, Any]], terms: Sequence[Term], census: Census
) -> tuple[dict[str, Any], dict[str, tuple[Moments, ...]]]:
    by_value = {row["variant"]: row for row in read}
    contaminated = by_value.pop(None, {"units": 0})["units"]
    lost = [name for name, value in census.values.items() if value not in by_value]
    if lost:
        raise NotFoundError(
            f"every unit of {', '.join(map(repr, lost))} appears in another variant too; if every unit was run by "
            "every variant, say so with design: paired"
        )
    units = {name: int(by_value[value]["units"]) for name, value in census.values.items()}
    blocks = {term.name: tuple(moments_of(by_value[value], term) for value in census.values.values()) for term in terms}
    counts = {
        "units": units,
        "rows": {name: int(by_value[value]["rows"]) for name, value in census.values.items()},
        "total_units": sum(units.values()) + contaminated,
        "contaminated_units": contaminated,
    }
    return counts, blocks


def _fingerprint(blocks: Mapping[str, tuple[Moments, ...]], counts: Mapping[str, Any]) -> str:
    """For rows in memory the moments stand for the data: whatever changes a number changes them."""
    digest = hashlib.sha256(repr(sorted(counts.items())).encode())
    for name in sorted(blocks):
        for block in blocks[name]:
            digest.update(block.n.tobytes() + block.mean.tobytes() + block.covariance.tobytes())
    return f"sha256:{digest.hexdigest()}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
