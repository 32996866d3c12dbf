"""The experiment: what is compared, on which metrics, with what plan."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from os import PathLike
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter

from abkit.display import Card, Displayed, Table
from abkit.errors import DefinitionError
from abkit.models.data import Data
from abkit.models.definition import definition, validate
from abkit.models.metric import AnyMetric, Metric, Role
from abkit.models.plan import Plan
from abkit.models.reading import read_definition

_KEY = re.compile(r"[a-z][a-z0-9-]{1,62}")
_YAML_WORDS = {"true", "false", "none", "null", "nan", "inf", "infinity", "yes", "no", "on", "off", "y", "n"}


@definition
class Variant(Displayed):
    """One arm of an experiment.

    Parameters
    ----------
    name : str
        What the variant is called.
    traffic_percentage : float
        Its share of assigned units, 0 to 100.
    is_control : bool
        Whether the others are compared with it.
    config : dict
        What makes the agent behave so; merged into the agent's configuration when it ships.
    description : str
        For people.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    traffic_percentage: Annotated[float, Field(ge=0, le=100)]
    is_control: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    description: str = ""


@definition
class Experiment(Displayed):
    """A comparison of variants, complete enough to run and to judge it.

    Parameters
    ----------
    key : str
        Short name in addresses and folders: a lower-case letter, then letters, digits and hyphens.
    variants : list of Variant
        Two or more, one of them the control; their traffic sums to 100.
    primary_metric : metric
        What the verdict is about.
    agent_id : str
        The agent whose users are split; one experiment at a time runs on it.
    organization_id : str
        Whose experiment it is.
    name : str
        For people; default: the key.
    description, hypothesis : str
        For people.
    guardrail_metrics : list of metric
        What must not get worse by more than its `margin`.
    secondary_metrics : list of metric
        What is shown beside; only harm in them counts.
    min_sample_size : int
        Units over all variants before anything is decided.
    confidence_level : float
        Of every interval; 1 - confidence level is alpha.
    min_detectable_effect : float
        Smallest change that must not be missed, relative to control; also the least that is worth shipping unless
        the plan says otherwise.
    plan : Plan
        How it will be judged.
    data : Data, optional
        Where the data is and what its columns mean.
    id : str, optional
        What the traffic split is made of; default: a new UUID, in a file one that follows from the key.

    Raises
    ------
    DefinitionError
        With everything that is wrong with the definition.

    Examples
    --------
    >>> from abkit.models import Experiment, Proportion, Variant
    >>> experiment = Experiment(
    ...     key="warming-vs-plain",
    ...     agent_id="code-writer",
    ...     variants=[Variant("plain", 50, is_control=True), Variant("warming", 50)],
    ...     primary_metric=Proportion("success"),
    ... )
    >>> experiment.control.name, experiment.alpha
    ('plain', 0.05)
    """

    key: str
    variants: list[Variant]
    primary_metric: AnyMetric
    agent_id: str = "default"
    organization_id: str = "default"
    name: Annotated[str, Field(max_length=500)] = ""
    description: str = ""
    hypothesis: str = ""
    guardrail_metrics: list[AnyMetric] = field(default_factory=list)
    secondary_metrics: list[AnyMetric] = field(default_factory=list)
    min_sample_size: Annotated[int, Field(ge=2)] = 1000
    confidence_level: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95
    min_detectable_effect: Annotated[float, Field(gt=0, lt=10)] = 0.05
    plan: Plan = field(default_factory=Plan)
    data: Data | None = None
    id: Annotated[str, Field(max_length=200)] = ""

    __repr__ = Displayed.__repr__

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or str(uuid.uuid4()))
        object.__setattr__(self, "name", self.name or self.key)
        problems = list(self._problems())
        if problems:
            raise DefinitionError(f"the experiment {self.key!r} cannot be run:", problems)

    def _problems(self) -> Iterator[str]:
        if not _KEY.fullmatch(self.key):
            yield (
                f"key {self.key!r}: use a lower-case letter, then letters, digits and hyphens (2 to 63 characters): "
                "YAML, a shell or a file system may change anything else"
            )
        elif self.key in _YAML_WORDS:
            yield f"key {self.key!r}: YAML reads this word as a value of its own; choose another key"
        yield from self._variant_problems()
        yield from self._metric_problems()

    def _variant_problems(self) -> Iterator[str]:
        if len(self.variants) < 2:
            yield f"variants: at least two are needed, the number is {len(self.variants)}"
        controls = [variant.name for variant in self.variants if variant.is_control]
        if len(controls) != 1:
            found = f"there are {len(controls)} ({', '.join(controls)})" if controls else "there is none"
            yield f"variants: exactly one must have is_control: true; {found}"
        if any(variant.is_control and variant.traffic_percentage == 0 for variant in self.variants):
            yield "variants: the control has no traffic, so there is nothing to compare with"
        total = sum(variant.traffic_percentage for variant in self.variants)
        if abs(total - 100) > 0.01:
            yield f"variants: traffic_percentage must sum to 100, it sums to {total:g}"
        for name, count in Counter(variant.name for variant in self.variants).items():
            if count > 1:
                yield f"variants: the name {name!r} is used {count} times"
        unknown = (
            sorted(set(self.data.variants or {}) - {variant.name for variant in self.variants}) if self.data else []
        )
        for name in unknown:
            yield f"data.variants: {name!r} is not a variant of this experiment"

    def _metric_problems(self) -> Iterator[str]:
        for name, count in Counter(metric.name for metric, _ in self.metrics).items():
            if count > 1:
                yield f"metrics: the name {name!r} is used {count} times; set `name` on all but one"
        for metric in self.guardrail_metrics:
            if metric.goal == "maximize" and (metric.margin or 0) >= 1:
                yield (
                    f"guardrail_metrics: {metric.name!r} may fall to nothing with margin {metric.margin:g}, so it "
                    "never blocks; a margin of 0.05 tolerates 5 % worse"
                )
            if metric.margin is None:
                yield (
                    f"guardrail_metrics: {metric.name!r} needs a margin: how much worse than control it may be, "
                    "relative to control (margin: 0.1 tolerates 10 % worse)"
                )

    @property
    def control(self) -> Variant:
        """The variant that the others are compared with."""
        return next(variant for variant in self.variants if variant.is_control)

    @property
    def treatments(self) -> list[Variant]:
        """Every variant but the control."""
        return [variant for variant in self.variants if not variant.is_control]

    @property
    def metrics(self) -> list[tuple[Metric, Role]]:
        """Every metric with its role: primary, guardrails, secondary."""
        return [
            (self.primary_metric, "primary"),
            *((metric, "guardrail") for metric in self.guardrail_metrics),
            *((metric, "secondary") for metric in self.secondary_metrics),
        ]

    def with_metrics(self, change: Callable[[Any], Any]) -> Experiment:
        """Return the experiment with each metric in its role as the change makes it."""
        return replace(
            self,
            primary_metric=change(self.primary_metric),
            guardrail_metrics=[change(metric) for metric in self.guardrail_metrics],
            secondary_metrics=[change(metric) for metric in self.secondary_metrics],
        )

    @property
    def alpha(self) -> float:
        """Significance level, 1 - confidence level."""
        return round(1 - self.confidence_level, 12)

    @property
    def planned_units(self) -> int:
        """Units over all variants at which the experiment ends."""
        return self.plan.planned_units or self.min_sample_size

    @property
    def practical_threshold(self) -> float | None:
        """Relative improvement from which shipping is worth it, or None."""
        threshold = self.plan.practical_threshold
        return self.min_detectable_effect if threshold == "mde" else threshold

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as plain data, as JSON and YAML hold it."""
        dumped: dict[str, Any] = TypeAdapter(Experiment).dump_python(self, mode="json")
        return dumped

    def to_yaml(self) -> str:
        """Return the definition as YAML; `from_yaml` reads it back to an equal experiment."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        if yaml.safe_load(text) != self.to_dict():  # PyYAML folds U+0085 and its like when they stand bare
            text = yaml.safe_dump(self.to_dict(), sort_keys=False)
        return text

    def _card(self) -> Card:
        title = self.key if self.name == self.key else f"{self.key}: {self.name}"
        variants = [(one.name, f"{one.traffic_percentage:g}%", "control" if one.is_control else "")
                    for one in self.variants]  # fmt: skip
        metrics = [(one.name, role, one.kind, one.goal, "" if one.margin is None else f"{100 * one.margin:g}%")
                   for one, role in self.metrics]  # fmt: skip
        plan = f"{self.planned_units:,} units, {self.plan.inference.replace('_', ' ')}, confidence"
        lines = [*([self.hypothesis] if self.hypothesis else []), f"Plan: {plan} {100 * self.confidence_level:g}%."]
        tables = [
            Table(("metric", "role", "kind", "goal", "margin"), metrics, "Metrics"),
            Table(("variant", "traffic", ""), variants, "Variants"),
        ]
        return Card(title, lines, tables)

    def _records(self) -> list[dict[str, Any]]:
        return [{"metric": one.name, "role": role, **one.to_dict()} for one, role in self.metrics]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Experiment:
        """Build an experiment from plain data; `id`, where it is absent, follows from organization, agent and key."""
        experiment = validate(cls, data)
        return experiment if data.get("id") else replace(experiment, id=_derived_id(experiment))

    @classmethod
    def from_yaml(cls, source: str | PathLike[str]) -> Experiment:
        """Read an experiment from a YAML file (or from YAML text that has more than one line).

        A path that starts with ``examples/`` and does not exist here is looked for among abkit's own examples.

        Raises
        ------
        NotFoundError
            There is no such file.
        DefinitionError
            The text is not YAML, or the definition cannot be run.
        """
        data, folder = read_definition(source)
        experiment = cls.from_dict(data)
        if experiment.data is None or folder is None:
            return experiment
        return replace(experiment, data=replace(experiment.data, folder=str(folder)))


def _derived_id(experiment: Experiment) -> str:
    """A file without an `id` keeps the same one at each reading, so that its traffic split does too."""
    text = "\n".join((experiment.organization_id, experiment.agent_id, experiment.key))
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))
