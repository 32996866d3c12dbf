"""What a collector hands to the analyzer: counts and moments as of a time, and nothing of where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from abkit.stats import Moments, RatioLevel
from abkit.stats.moments import Array


@dataclass(frozen=True, slots=True)
class MetricMoments:
    """The moments of one metric, and how they become its level.

    Parameters
    ----------
    blocks : tuple of Moments
        Randomized: one per variant. Paired: a single one with the columns of all variants.
    level : RatioLevel
        From mean vectors to levels.
    width : int
        Columns per variant: 2, or 4 with a covariate.
    missing : dict
        Rows without a value, by variant.
    is_rate_of_units : bool
        Whether every unit is one row that holds 0 or 1.
    notes : tuple of str
        What was done to the values (clipping, filling), for the report.
    without_covariate : dict
        Rows without a value of the covariate, by variant.
    error : tuple of float
        How far the level of each variant may be off because it was read from a sketch; empty where it was not.
    """

    blocks: tuple[Moments, ...]
    level: RatioLevel
    width: int
    missing: dict[str, int]
    is_rate_of_units: bool = False
    notes: tuple[str, ...] = ()
    without_covariate: dict[str, int] = field(default_factory=dict)
    error: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class NotCollected:
    """A metric that cannot be computed from this data, and why."""

    reason: str
    missing: dict[str, int]


@dataclass(frozen=True, slots=True)
class Series:
    """Cumulative moments of one metric at the end of each day; the batch axis is the look."""

    days: tuple[str, ...]
    moments: MetricMoments


@dataclass(frozen=True, slots=True)
class Arrivals:
    """New units by variant in each period of `step` days, of which `days` are the first."""

    days: tuple[str, ...]
    step: int
    units: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Segment:
    """The units that share one value of a column: how many in each variant, and the moments of their metrics."""

    value: str
    units: dict[str, int]
    metrics: dict[str, MetricMoments | NotCollected]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """All units by the values of one column, the largest segments first.

    Parameters
    ----------
    column : str
    segments : tuple of Segment
    changed_units : int
        Units with more than one value; they are in no segment.
    other_values, other_units : int
        Values beyond the largest ones, and the units that have them.
    """

    column: str
    segments: tuple[Segment, ...]
    changed_units: int = 0
    other_values: int = 0
    other_units: int = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values of one column.

    Parameters
    ----------
    column : str
    metric : str
        Name of the first metric of that column.
    probabilities : tuple of float
    quantiles : dict
        Variant name -> the sample quantiles there; empty where there are too few values.
    rows, zeros : dict
        Variant name -> values, and how many of them are 0.
    moments : dict
        Probability of a quantile that is compared -> what its inference needs.
    """

    column: str
    metric: str
    probabilities: tuple[float, ...]
    quantiles: dict[str, tuple[float, ...]]
    rows: dict[str, int]
    zeros: dict[str, int]
    moments: dict[float, MetricMoments | NotCollected]


@dataclass(frozen=True, slots=True)
class Tenure:
    """The primary metric by days since each unit's first row.

    Parameters
    ----------
    days : tuple of int
    units : dict
        Variant name -> units with rows on each of those days.
    blocks : tuple of Moments
        One per variant, over units: total and count of the first day, then of the second, and so on.
    level : RatioLevel
        From a day's total and count to its level.
    """

    days: tuple[int, ...]
    units: dict[str, tuple[int, ...]]
    blocks: tuple[Moments, ...]
    level: RatioLevel


@dataclass(frozen=True, slots=True)
class MixedUnits:
    """Units that were seen in more than one variant of a randomized experiment.

    Parameters
    ----------
    units : int
    seen : dict
        Of them, by variant, those seen there.
    counted : dict
        Of them, by variant, those that count there because they were seen there first; empty where none counts.
    """

    units: int
    seen: dict[str, int]
    counted: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Collected counts and moments, as of a time.

    Parameters
    ----------
    variants : tuple of str
        In the experiment's order.
    design : {"randomized", "paired"}
    as_of : str
        ISO time up to which data counts.
    fingerprint : str
        ``sha256:...`` of the data.
    units, rows : dict
        By variant.
    total_units : int
        Distinct units over all variants.
    rows_left_out : int
        Rows of other variants, or excluded by a filter.
    contaminated_units : int
        Units seen in more than one variant of a randomized experiment that are left out.
    mixed : MixedUnits or None
        All units seen in more than one variant; None where there are none.
    incomplete_units : int
        Units of a paired experiment that lack a variant; they are left out.
    duplicated_rows : int or None
        Rows equal to another one in every column; None where rows have no unit.
    has_time : bool
        Whether the data says when a row happened.
    first_seen : str or None
        ISO time of the first row that counts.
    days : float or None
        From the hour of the first row to the hour of the last, both in full; whole days where the data has only dates.
    metrics : dict
        By metric name.
    series : dict
        Daily, by metric name, where the data has a time.
    segments : tuple of Segmentation
        One for each column that was asked for.
    arrivals : Arrivals or None
        Units by the day of their first row, where the data has a time and is randomized.
    distributions : tuple of Distribution
        One for each column of a mean or a quantile.
    tenure : Tenure, str or None
        By days since each unit's first row, or why not; None where it was not asked for.
    """

    variants: tuple[str, ...]
    design: Literal["randomized", "paired"]
    as_of: str
    fingerprint: str
    units: dict[str, int]
    rows: dict[str, int]
    total_units: int
    rows_left_out: int
    metrics: dict[str, MetricMoments | NotCollected]
    contaminated_units: int = 0
    incomplete_units: int = 0
    duplicated_rows: int | None = None
    has_time: bool = False
    first_seen: str | None = None
    days: float | None = None
    series: dict[str, Series] = field(default_factory=dict)
    segments: tuple[Segmentation, ...] = ()
    arrivals: Arrivals | None = None
    distributions: tuple[Distribution, ...] = ()
    tenure: Tenure | str | None = None
    mixed: MixedUnits | None = None

    @property
    def units_per_day(self) -> float | None:
        """The present rate; None without a time, or before a full day: an hour does not speak for a day."""
        return None if self.days is None or self.days < 1 else self.total_units / self.days


@dataclass(frozen=True, slots=True)
class Population:
    """Past units, row by row: what an experiment is planned and simulated with.

    Parameters
    ----------
    units : int
        Units held, numbered from 0.
    unit : array (R,) of int
        The unit of each row; rows of one unit stand together.
    columns : dict
        Column name -> values (R,), NaN where there is none.
    all_units : int
        Units in the source; more than `units` where they were sampled.
    variant : array (R,) of int, optional
        Paired designs: place of the row's variant in the experiment.
    day : array (R,) of int, optional
        Days since 1970 of each row, where the source has a time.
    note : str
        Where the units come from, for the report.
    """

    units: int
    unit: npt.NDArray[np.intp]
    columns: dict[str, Array]
    all_units: int
    variant: npt.NDArray[np.intp] | None = None
    day: npt.NDArray[np.intp] | None = None
    note: str = ""
