"""What is measured: four kinds of metric and six presets for AI agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from types import SimpleNamespace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from abkit.display import Displayed
from abkit.errors import suggest
from abkit.models.definition import definition

Goal = Literal["maximize", "minimize"]
Role = Literal["primary", "secondary", "guardrail"]
MissingRule = Literal["error", "zero", "drop"]
QuantileMethod = Literal["exact", "sketch"]
_LONGEST_NAME, _LONGEST_UNIT = 200, 50
_LONGEST_WINDOW = 3660  # days
_NO_NUL: dict[str, Any] = {"pattern": r"^[^\x00]*$"}  # only said here: what keeps a definition explains it better
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, json_schema_extra=_NO_NUL)]


@definition
class Metric(Displayed):
    """What every kind of metric has.

    Parameters
    ----------
    name : str, optional
        What the metric is called; default: made of its columns.
    goal : {"maximize", "minimize"}
        Which direction is good.
    margin : float, optional
        How much worse than control a guardrail may be, relative to the control level.
    covariate : str, optional
        Column known before exposure, used to remove variance (CUPED).
    missing : {"error", "zero", "drop"}
        What a missing value means.
    cap : float, optional
        Upper quantile, pooled over variants, at which values are clipped (means and ratios).
    unit : str, optional
        What its values are in, such as USD, s or tokens, for people: what a difference adds up to is said in it.
        Default: what the end of its name says (`cost_usd`), where that is a unit that abkit knows; empty: none.
    window : float, optional
        Days after a unit's exposure in which its events count, the end left out; only for data with `events`. Default:
        all events from the exposure on.
    """

    _: KW_ONLY
    name: Annotated[str, Field(max_length=_LONGEST_NAME, json_schema_extra=_NO_NUL)] = ""
    goal: Goal = "maximize"
    margin: Annotated[float, Field(ge=0, lt=10)] | None = None
    covariate: Name | None = None
    missing: MissingRule = "error"
    cap: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    unit: Annotated[str, Field(max_length=_LONGEST_UNIT, json_schema_extra=_NO_NUL)] | None = None
    window: Annotated[float, Field(gt=0, le=_LONGEST_WINDOW)] | None = None
    kind: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose values enter the level, the covariate left aside."""
        return (str(vars(self)["column"]),)

    @property
    def columns_read(self) -> tuple[str, ...]:
        """Columns of numbers that are read for it: those of the level, then the covariate."""
        return self.columns if self.covariate is None else (*self.columns, self.covariate)

    def _name_or(self, default: str) -> None:
        if not self.name and len(default) > _LONGEST_NAME:
            raise ValueError(f"its name would have more than {_LONGEST_NAME} characters: set `name`")
        object.__setattr__(self, "name", self.name or default)


@definition
class Mean(Metric):
    """The mean of a column over rows; rows of one unit count together.

    Examples
    --------
    >>> Mean("cost_usd", goal="minimize", margin=0.1).name
    'cost_usd'
    """

    column: Name
    _: KW_ONLY
    kind: Literal["mean"] = "mean"

    def __post_init__(self) -> None:
        self._name_or(self.column)


@definition
class Proportion(Metric):
    """The share of rows in which a 0/1 column is 1.

    Examples
    --------
    >>> Proportion("success").kind
    'proportion'
    """

    column: Name
    _: KW_ONLY
    kind: Literal["proportion"] = "proportion"

    def __post_init__(self) -> None:
        self._name_or(self.column)
        if self.cap is not None:
            raise ValueError("a proportion is never capped: leave `cap` out")


@definition
class Ratio(Metric):
    """The sum of one column over the sum of another.

    Examples
    --------
    >>> Ratio("clicks", "sessions").name
    'clicks_per_sessions'
    """

    numerator: Name
    denominator: Name
    _: KW_ONLY
    kind: Literal["ratio"] = "ratio"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose values enter the level: numerator, then denominator."""
        return (self.numerator, self.denominator)

    def __post_init__(self) -> None:
        self._name_or(f"{self.numerator}_per_{self.denominator}")


@definition
class Quantile(Metric):
    """The q-quantile of a column over rows (p95 latency: q = 0.95).

    Parameters
    ----------
    column : str
    q : float
        In (0, 1).
    method : {"exact", "sketch"}
        Sketch: read from the engine's mergeable sketch (DuckDB, Spark), in memory that does not grow with the rows; how
        far it is off is counted and added to the standard error.

    Examples
    --------
    >>> Quantile("latency_s", 0.95, goal="minimize").name
    'latency_s_p95'
    """

    column: Name
    q: Annotated[float, Field(gt=0, lt=1)]
    _: KW_ONLY
    kind: Literal["quantile"] = "quantile"
    method: QuantileMethod = "exact"

    def __post_init__(self) -> None:
        self._name_or(f"{self.column}_p{self.q * 100:g}")
        if self.cap is not None:
            raise ValueError("a quantile needs no cap: large values do not move it; leave `cap` out")


presets = SimpleNamespace(
    success_rate=Proportion("success_rate", goal="maximize"),
    latency_p50=Quantile("latency", 0.5, goal="minimize", name="latency_p50"),
    latency_p95=Quantile("latency", 0.95, goal="minimize", name="latency_p95"),
    cost_per_execution=Mean("cost_per_execution", goal="minimize"),
    user_satisfaction=Mean("user_satisfaction", goal="maximize"),
    task_completion_rate=Proportion("task_completion_rate", goal="maximize"),
)
"""The metrics that nearly every agent has; `dataclasses.replace(preset, column=...)` points one elsewhere."""


def _expand_preset(value: Any) -> Any:
    """A preset's name, or a mapping with a `preset` key, stands for the preset's definition."""
    if isinstance(value, str):
        value = {"preset": value}
    if not isinstance(value, Mapping) or "preset" not in value:
        return value
    preset = vars(presets).get(str(value["preset"]))
    if preset is None:
        name = str(value["preset"])
        raise ValueError(
            f"no preset {name!r}{suggest(name, vars(presets))}; for a column of that name say its kind: "
            f"Proportion({name!r}), in a file {{kind: proportion, column: {name}}}"
        )
    changes = {key: change for key, change in value.items() if key != "preset"}
    return {**{key: part for key, part in vars(preset).items() if not key.startswith("_")}, **changes}


def _with_kind(value: Any) -> Any:
    if isinstance(value, Mapping) and "kind" not in value:
        raise ValueError(
            "a metric needs a kind (mean, proportion, ratio or quantile), as in {kind: proportion, column: solved}"
        )
    return value


AnyMetric = Annotated[
    Annotated[Mean | Proportion | Ratio | Quantile, Field(discriminator="kind")],
    BeforeValidator(_with_kind),
    BeforeValidator(_expand_preset),
]
