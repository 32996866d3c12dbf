"""From a source to a snapshot: counts and moments, computed by the engine that holds the data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import true

from abkit.collectors.census import Census, check_columns, moment_of, take_census
from abkit.collectors.clusters import read_clusters
from abkit.collectors.daily import collect_days
from abkit.collectors.distribution import collect_distributions
from abkit.collectors.duplicates import count_duplicates
from abkit.collectors.engines import Engine, open_source
from abkit.collectors.exposed import add_up_events, check_windows
from abkit.collectors.frame import read_frame
from abkit.collectors.gram import Breakdowns, Swept
from abkit.collectors.mixed import find_mixed_units, settle_units
from abkit.collectors.observed import as_observed, unobserved
from abkit.collectors.orders import read_ahead
from abkit.collectors.query import Rows, Term, paired_units, randomized_moments
from abkit.collectors.reduction import moments_of, paired_moments, without_noise
from abkit.collectors.segments import collect_segments
from abkit.collectors.source import Source
from abkit.collectors.summary import collect_summary
from abkit.collectors.sweep import sweep
from abkit.collectors.tenure import collect_tenure
from abkit.collectors.terms import Reading, level_of, sketch_error, sketch_notes, term_of
from abkit.errors import NotFoundError, ParameterError
from abkit.models import Experiment, Proportion
from abkit.models.metric import Metric
from abkit.plain import iso
from abkit.snapshot import MetricMoments, NotCollected, Snapshot
from abkit.stats import Moments, equal_shares

_UNEVEN = 0.001
_TOO_LARGE = "values are so large that their squares cannot be added up; remove what is absurd, or cap it"


def collect(
    experiment: Experiment, source: Source, *, now: datetime, as_of: datetime | None = None, details: bool = True
) -> Snapshot:
    """Reduce a source to the moments of the experiment's metrics.

    Rows that need no care are read once: the counts and all sums come out of one statement, and out of a frame with
    one row per unit in one pass of numpy. Anything unusual in them is read again, with the care that names it.

    Parameters
    ----------
    experiment : Experiment
    source : Source
    now : datetime
        Stands as the time of the data where the data itself has none.
    as_of : datetime, optional
        Rows after it do not count; needs a time column. Default: all rows.
    details : bool
        Also what no verdict needs and what takes longest: the distributions, the effect by days since exposure.

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
    if as_of is not None and not source.data.time:
        raise ParameterError(f"as_of cannot leave rows out: {source.where} has no time; name its column with `time`")
    check_windows(experiment, source)
    swept = None if as_of else read_clusters(experiment, source) or read_frame(experiment, source)
    if swept is not None and swept.breakdowns is not None and not details:
        found = _snapshot(experiment, source, _without_engine(experiment, swept), now, as_of)
        return _broken_down(found, swept.breakdowns)
    with open_source(source) as engine:
        if source.data.summary is not None:
            return collect_summary(experiment, source, engine, source.where, as_of or now)
        events = source.event_source
        if events is None:
            return _collect(engine, experiment, source, swept, now, as_of, details=details)
        exposed = add_up_events(engine, experiment, source, events, as_of)
        snapshot = _collect(engine, exposed.experiment, exposed.source, None, now, as_of, details=details)
        return exposed.describe(snapshot)


def _collect(
    engine: Engine,
    experiment: Experiment,
    source: Source,
    swept: Swept | None,
    now: datetime,
    as_of: datetime | None,
    *,
    details: bool,
) -> Snapshot:
    check_columns(engine.types, experiment, source.data, source.where)
    filled = [metric for metric, _ in experiment.metrics if source.long and metric.missing == "zero"]
    experiment = as_observed(experiment) if source.long else experiment
    every_row = rows = Rows(engine.table, engine.types, source.data, as_of.timestamp() if as_of else None)
    if swept is None and not source.long:
        swept = sweep(engine, rows, experiment)
    if swept is not None:
        census = swept.census
    else:
        census = take_census(engine, rows, experiment, source.where)
        rows = settle_units(engine, rows, census, source.where)
    read, terms = _read(experiment, source, engine, rows, census, swept)
    are_units = rows is every_row and source.data.design == "randomized" and not source.long
    lines = rows.as_units if are_units and _are_lone(source, read) else rows
    breakdowns = swept.breakdowns if swept is not None else None
    if breakdowns is None:
        series, arrivals = collect_days(engine, lines, terms, read.used, census, read.reading, filled)
        breakdowns = Breakdowns(series, None, arrivals)
    if breakdowns.segments is None:
        segments = collect_segments(engine, lines, terms, read.used, census, read.reading)
        breakdowns = replace(breakdowns, segments=segments)
    snapshot = _broken_down(_snapshot(experiment, source, read, now, as_of), breakdowns)
    if source.data.unit is not None and snapshot.duplicated_rows is None:
        all_count = rows is every_row and not census.rows_left_out
        counts = true() if all_count else rows.of_variants(list(census.values.values()))
        seen = swept.first_part if swept is not None else None
        duplicates = count_duplicates(engine, rows.table, counts, sum(census.rows.values()), seen)
        snapshot = replace(snapshot, duplicated_rows=duplicates)
    if rows is not every_row or snapshot.contaminated_units:
        snapshot = replace(snapshot, mixed=find_mixed_units(engine, every_row, census))
    if not details:
        return snapshot
    return replace(
        snapshot,
        distributions=collect_distributions(engine, rows, list(read.used.values()), census),
        tenure=collect_tenure(engine, rows, snapshot, experiment.primary_metric, census, read.reading),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of the metrics: those that have moments by their place, and why the others have none."""

    census: Census
    reading: Reading
    metrics: Sequence[Metric]
    used: Mapping[str, Metric]
    refused: Mapping[str, str]
    counts: Mapping[str, Any]
    blocks: Mapping[str, tuple[Moments, ...]]


def _without_engine(experiment: Experiment, swept: Swept) -> _Read:
    metrics = [metric for metric, _ in experiment.metrics]
    return _Read(swept.census, Reading({}, {}), metrics, {}, {}, swept.counts, swept.blocks)


def _read(
    experiment: Experiment, source: Source, engine: Engine, rows: Rows, census: Census, swept: Swept | None
) -> tuple[_Read, list[Term]]:
    metrics = [metric if source.long else usable(metric, census) for metric, _ in experiment.metrics]
    lacking = unobserved(metrics, census) if source.long else {}
    seen = [metric for metric in metrics if metric.name not in lacking]
    reading = swept.reading if swept is not None else None
    if reading is None:
        reading = read_ahead(engine, rows, census, seen, all_units=swept is not None)
    refused = {**{name: order.reason for name, order in reading.orders.items() if order.reason}, **lacking}
    used = {f"m{i}": metric for i, metric in enumerate(metrics) if metric.name not in refused}
    terms = [term_of(metric, name, rows, census, reading) for name, metric in used.items()]
    values = list(census.values.values())
    done = {} if swept is None else swept.blocks
    left = [term for term in terms if used[term.name].name not in done]
    if source.data.design == "paired":
        counts, blocks = paired_moments(engine.batches(paired_units(rows, terms, values)), terms, census)
    elif swept is None or left:
        counts, blocks = _randomized(engine.rows(randomized_moments(rows, left, values)), left, census)
    else:
        counts, blocks = swept.counts, {}
    found = {**done, **{used[name].name: moments for name, moments in blocks.items()}}
    return _Read(census, reading, metrics, used, refused, counts, found), terms


def _snapshot(experiment: Experiment, source: Source, read: _Read, now: datetime, as_of: datetime | None) -> Snapshot:
    collected: dict[str, MetricMoments | NotCollected] = {}
    asked = {metric.name: metric for metric, _ in experiment.metrics}
    for metric in read.metrics:
        missing = read.census.missing(metric)
        if metric.name in read.refused:
            lost = dict.fromkeys(read.census.rows, 0) if source.long else missing
            collected[metric.name] = NotCollected(str(read.refused[metric.name]), lost)
        elif not all(np.isfinite(block.covariance).all() for block in read.blocks[metric.name]):
            collected[metric.name] = NotCollected(_TOO_LARGE, missing)
        else:
            collected[metric.name] = _metric_moments(metric, read, asked[metric.name].covariate, long=source.long)
    first, last = read.census.first_second, read.census.last_second
    return Snapshot(
        variants=tuple(read.census.values),
        design=source.data.design,
        as_of=iso(as_of or (now if last is None else moment_of(last))),
        fingerprint=source.fingerprint() or _fingerprint(read.blocks, read.counts),
        rows_left_out=read.census.rows_left_out,
        duplicated_rows=0 if _has_no_duplicates(source, read) else None,
        metrics=collected,
        has_time=source.data.time is not None,
        first_seen=None if first is None else iso(moment_of(first)),
        days=read.census.days,
        **read.counts,
    )


def _broken_down(snapshot: Snapshot, found: Breakdowns) -> Snapshot:
    return replace(snapshot, series=found.series, segments=found.segments or (), arrivals=found.arrivals)


def usable(metric: Metric, census: Census) -> Metric:
    """A covariate that one variant lacks more often than another would shift the effect: do without it."""
    if metric.covariate is None:
        return metric
    lost = census.without(metric.covariate)
    uneven = equal_shares(list(lost.values()), list(census.rows.values())) < _UNEVEN
    return replace(metric, covariate=None) if uneven else metric


def _are_lone(source: Source, read: _Read) -> bool:
    """Whether every unit is one row of one variant."""
    lone = read.counts["rows"] == read.counts["units"] and not read.counts.get("contaminated_units")
    return source.data.unit is not None and lone


def _has_no_duplicates(source: Source, read: _Read) -> bool:
    """Recording has already kept repeated observations out, and a unit's only row has no other."""
    return source.long or _are_lone(source, read)


def _metric_moments(metric: Metric, read: _Read, covariate: str | None, *, long: bool) -> MetricMoments:
    census, reading, counts = read.census, read.reading, read.counts
    blocks = without_noise(metric, read.blocks[metric.name], census)
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
