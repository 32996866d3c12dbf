"""What clients send, as the OpenAPI document describes it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from abkit.collectors.observation_rows import LARGEST_VALUE
from abkit.models import Data, Mean, Metric, Proportion, Quantile, Ratio, presets
from abkit.models.metric import Goal
from abkit.models.plan import Inference
from abkit.store.keys import Scope

_YEARS = "^(19[7-9][0-9]|2[01][0-9][0-9])-"
_LONGEST_ID = 1024
_DEEPEST = 50


def _short(text: str) -> str:
    if len(text.encode()) > _LONGEST_ID:
        raise ValueError(f"more than {_LONGEST_ID:,} bytes")
    return text


def _written(moment: Any) -> Any:
    if not isinstance(moment, str) or re.match(_YEARS, moment) is None:
        raise ValueError("not a time in the years 1970 to 2199, such as 2026-11-22T12:00:00Z")
    return moment


def _whole(number: Any) -> Any:
    """JSON has one kind of number: 1000.0 is as whole as 1000."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _kind_of(metric: Any) -> Any:
    if isinstance(metric, dict):
        return metric.get("kind", "preset" if "preset" in metric else None)
    return "name" if isinstance(metric, str) else None


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """Refuse what could be stored but not be given back: deep values exhaust whatever walks through them."""
    level: list[Any] = [config]
    for _ in range(_DEEPEST):
        inner = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level = [value for values in inner for value in values]
    if level:
        raise ValueError(f"nested more than {_DEEPEST} deep")
    return config


_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Id = Annotated[str, Field(min_length=1, max_length=_LONGEST_ID, pattern=_NO_NUL), AfterValidator(_short)]
Prose = Annotated[str, Field(max_length=10_000, pattern=_NO_NUL)]
Time = Annotated[AwareDatetime, Field(strict=False, json_schema_extra={"pattern": _YEARS}), BeforeValidator(_written)]


class Body(BaseModel):
    """What a client sends: nothing is converted, nothing unknown is let by."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class PresetMetric(Body):
    """A preset with a margin, so that it can be a guardrail, or under another name or column."""

    preset: Literal[
        "success_rate", "latency_p50", "latency_p95", "cost_per_execution", "user_satisfaction", "task_completion_rate"
    ]
    margin: Annotated[float | None, Field(ge=0, lt=10, description="How much worse than control it may be.")] = None
    name: Annotated[Name | None, Field(description="Default: the preset's.")] = None
    column: Annotated[Name | None, Field(description="Default: the preset's.")] = None


AnyMetric = Annotated[
    Annotated[Name, Tag("name")]
    | Annotated[PresetMetric, Tag("preset")]
    | Annotated[Mean, Tag("mean")]
    | Annotated[Proportion, Tag("proportion")]
    | Annotated[Ratio, Tag("ratio")]
    | Annotated[Quantile, Tag("quantile")],
    Discriminator(
        _kind_of,
        custom_error_type="metric",
        custom_error_message="a metric is a name, or an object whose `kind` is mean, proportion, ratio or quantile, "
        "or that has a `preset`",
    ),
]
Config = Annotated[dict[str, Any], AfterValidator(_flat)]


class NewVariant(Body):
    """An arm of the experiment."""

    name: Name
    traffic_percentage: Annotated[float, Field(ge=0, le=100, description="All of them sum to 100.")]
    is_control: Annotated[bool, Field(description="Exactly one variant is the control.")] = False
    config: Annotated[Config, Field(description="Merged into the agent's configuration when it ships.")] = {}
    description: Prose = ""


class NewPlan(Body):
    """How the experiment will be judged; what is left out is as in a file."""

    power: Annotated[float, Field(gt=0, lt=1, description="At the minimum detectable effect and planned size.")] = 0.8
    inference: Annotated[Inference, Field(description="Fixed: judged once; the others also on the way.")] = (
        "always_valid"
    )
    looks: Annotated[int, Field(ge=1, le=100, description="Of a group-sequential plan."), BeforeValidator(_whole)] = 5
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"
    planned_units: Annotated[
        int | None, Field(ge=2, le=10**12, description="Default: min_sample_size."), BeforeValidator(_whole)
    ] = None
    practical_threshold: Annotated[
        Annotated[float, Field(ge=0)] | Literal["mde"] | None,
        Field(description="Relative improvement worth shipping; mde: min_detectable_effect; null: any."),
    ] = "mde"
    srm_threshold: Annotated[float, Field(gt=0, lt=0.5, description="p-value of a broken split.")] = 0.001
    contamination_limit: Annotated[float, Field(ge=0, lt=1, description="Share of units in several variants.")] = 0.01
    min_runtime_days: Annotated[float, Field(ge=0, le=3650, description="Nothing ships before; 0: no minimum.")] = 3.0


class NewExperiment(Body):
    """An experiment to draft; its key is derived from its name.

    A metric is a preset's name, the name of recorded values whose mean counts, or an object with a `kind` or a
    `preset`. A guardrail has a `margin`.
    """

    agent_id: Name
    name: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
    description: Prose = ""
    hypothesis: Prose = ""
    primary_metric: AnyMetric
    primary_metric_goal: Annotated[Goal | None, Field(description="Default: the metric's own.")] = None
    guardrail_metrics: Annotated[
        list[AnyMetric], Field(max_length=100, description="Must not get worse by more than their margin.")
    ] = []
    secondary_metrics: Annotated[list[AnyMetric], Field(max_length=100)] = []
    variants: Annotated[list[NewVariant], Field(min_length=2, max_length=100)]
    min_sample_size: Annotated[int, Field(ge=2, le=10**12), BeforeValidator(_whole)] = 1000
    confidence_level: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95
    min_detectable_effect: Annotated[float, Field(gt=0, lt=10)] = 0.05
    segments: Annotated[
        list[Name], Field(max_length=20, description="Results are also shown by the recorded values of these names.")
    ] = []
    plan: Annotated[NewPlan, Field(description="How it will be judged.")] = NewPlan()

    def definition(self) -> dict[str, Any]:
        """Return it as the controller takes it."""
        lists = ("guardrail_metrics", "secondary_metrics")
        given = self.model_dump(exclude={"primary_metric", "primary_metric_goal", "segments", *lists})
        primary = metric_of(self.primary_metric)
        goal = self.primary_metric_goal or primary.goal
        others: dict[str, Any] = {name: [metric_of(metric) for metric in getattr(self, name)] for name in lists}
        if self.segments:
            others["data"] = Data(segments=self.segments)
        return {**given, "primary_metric": replace(primary, goal=goal), **others}


def metric_of(given: str | PresetMetric | Metric) -> Metric:
    """Return the metric that a name stands for: a preset, or the mean of what is recorded under the name.

    Examples
    --------
    >>> metric_of("latency_p95").kind, metric_of("tokens").kind
    ('quantile', 'mean')
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, PresetMetric):
        changes = given.model_dump(exclude={"preset"}, exclude_none=True)
        found: Metric = replace(vars(presets)[given.preset], **changes)
        return found
    preset: Metric | None = vars(presets).get(given)
    return preset if preset is not None else Mean(given)


Reason = Annotated[Prose, Field(description="Why it is done, for the audit log.")]


class Why(Body):
    """Why something is done, for the audit log."""

    reason: Reason = ""


class Completion(Body):
    """How to end an experiment; the last two say what to ship instead of the winner, and why."""

    reason: Reason = ""
    variant: Name | None = None
    override_reason: Prose | None = None


class NewConfig(Body):
    """The configuration that an agent is to run with."""

    reason: Reason = ""
    config: Config


class Question(Body):
    """Which variant does a user of an agent get?"""

    agent_id: Name
    user_id: Id


class NewObservation(Body):
    """One recorded value; the same `event_id` is stored once, however often it is sent."""

    experiment_id: Name
    user_id: Id
    metric_type: Name
    value: Annotated[
        float, Field(ge=-LARGEST_VALUE, le=LARGEST_VALUE, description="Squares of larger ones have no sum.")
    ]
    variant_id: Annotated[Name | None, Field(description="Refused where the user has another one.")] = None
    observed_at: Annotated[Time | None, Field(description="Default: now.")] = None
    event_id: Annotated[Id | None, Field(description="Without it, each request is an event of its own.")] = None


class NewApiKey(Body):
    """A key to make."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    expires_at: Annotated[Time | None, Field(description="Default: never.")] = None
