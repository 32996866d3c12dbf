"""Where an experiment's data lies and what its columns mean: the `data:` section of an experiment file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from abkit.display import Displayed
from abkit.models.definition import definition

Design = Literal["randomized", "paired"]
UnitsInTwoVariants = Literal["exclude", "first", "error"]
Scalar = str | int | float | bool


def _text(value: Any) -> Any:
    """Values of a variant column are compared as text without blanks around it; YAML may have read them as numbers."""
    if isinstance(value, str):
        return value.strip(" ")
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


ColumnValue = Annotated[str, BeforeValidator(_text)]


@definition
class Summary(Displayed):
    """Data that is already totals per variant: counts, with sums (rates) or means and variances.

    Parameters
    ----------
    n : str
        Column with the number of units.
    sums : dict
        Column of a proportion → column with the total of its 0/1 values.
    means, variances : dict
        Column of a mean → column with its mean, and with its variance (n - 1 in the denominator).
    """

    n: str
    sums: dict[str, str] = field(default_factory=dict)
    means: dict[str, str] = field(default_factory=dict)
    variances: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sums and not self.means:
            raise ValueError("a summary needs `sums` (rates) or `means` with `variances`")
        if set(self.means) != set(self.variances):
            raise ValueError("every mean needs its variance: `means` and `variances` must name the same metrics")


@definition
class Events(Displayed):
    """What units did: rows that know their unit and time, but no variant; exposures say who counts from when.

    Parameters
    ----------
    path : str, optional
        As the path of the exposures; a frame or a table is given in Python instead.
    unit, time : str, optional
        Their columns; default: called as those of the exposures are.
    """

    path: str | None = None
    unit: str | None = None
    time: str | None = None


@definition
class Data(Displayed):
    """Which rows belong to the experiment and what their columns mean.

    Parameters
    ----------
    path : str, optional
        CSV, CSV.gz, Parquet, a glob of them, or a folder of Parquet whose partitions are columns; relative to the
        experiment file.
    variant : str
        Column with the variant.
    variants : dict, optional
        Variant name → its value in that column; other rows are left out and counted.
        Without it the column holds the variant names, and any other value is an error.
    unit : str, optional
        Column of the randomization unit; without it every row is a unit.
    design : {"randomized", "paired"}
        Paired: every unit appears in every variant.
    time : str, optional
        Exposure or event time (UTC where it has no zone).
    segments : list of str
        Columns by which results are also shown.
    where : dict
        Column → the one value of the rows to keep.
    units_in_two_variants : {"exclude", "first", "error"}
        What becomes of a unit seen in more than one variant of a randomized experiment. Exclude: none of its rows
        counts. First: its rows in the variant of its earliest row count, the others do not (needs `time`; a unit whose
        earliest rows in two variants have the same time is excluded). Error: there is no analysis.
    summary : Summary, optional
        Rows are totals per variant.
    events : Events, optional
        What units did, apart from the rows of this section, which are then exposures: an event counts for its unit from
        the unit's first exposure on, for as long as the metric's `window` says.
    """

    path: str | None = None
    variant: str = "variant"
    variants: dict[str, ColumnValue] | None = None
    unit: str | None = None
    design: Design = "randomized"
    time: str | None = None
    segments: list[str] = field(default_factory=list)
    where: dict[str, Scalar] = field(default_factory=dict)
    units_in_two_variants: UnitsInTwoVariants = "exclude"
    summary: Summary | None = None
    events: Events | None = None
    folder: Annotated[str, Field(exclude=True, repr=False)] = field(default="", compare=False)

    def values_of(self, variants: Iterable[str]) -> dict[str, str]:
        """Return the value of each variant in its column, by variant name."""
        return {name: (self.variants or {}).get(name, name) for name in variants}

    def __post_init__(self) -> None:
        if self.design == "paired" and self.unit is None:
            raise ValueError("a paired design needs `unit`: the column whose values appear in every variant")
        self._check_units_in_two_variants()
        self._check_events()
        if self.summary and (self.unit or self.time or self.segments or self.design == "paired"):
            raise ValueError("totals per variant have no units: leave out unit, time, segments and design: paired")
        if self.variants and len(set(self.variants.values())) < len(self.variants):
            raise ValueError("two variants stand for the same value in the data")

    def _check_events(self) -> None:
        if self.events is None:
            return
        if self.unit is None or self.time is None:
            raise ValueError("events are joined to exposures: say the exposures' `unit` and `time`")
        if self.design == "paired":
            raise ValueError("events count from one exposure on, and a paired unit has several: leave out `events`")

    def _check_units_in_two_variants(self) -> None:
        policy = self.units_in_two_variants
        if policy == "exclude":
            return
        if self.design == "paired":
            raise ValueError("every unit of a paired design is in every variant: leave out units_in_two_variants")
        if self.unit is None:
            raise ValueError(f"units_in_two_variants: {policy} needs `unit`, by which a unit is recognized")
        if policy == "first" and self.time is None:
            raise ValueError("units_in_two_variants: first needs `time`, which says what was first")
