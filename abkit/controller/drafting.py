"""From what a person hands in to an experiment that can be stored, or one error with everything that is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from abkit.errors import DefinitionError
from abkit.models import Experiment
from abkit.store.text import LONGEST_NAME, unstorable

_LONGEST_STEM = 56


def draft_of(
    given: Experiment | Mapping[str, Any], organization_id: str, keys_in_use: Callable[[], Collection[str]]
) -> Experiment:
    """Return the experiment to store.

    Parameters
    ----------
    given : Experiment or mapping
        A mapping is as JSON or YAML hold it; without a `key` it gets one that reads like its name.
    organization_id : str
        Whose store it goes into.
    keys_in_use : callable
        Called only when a key must be found.

    Raises
    ------
    DefinitionError
        With everything that is wrong with it.
    """
    experiment = given if isinstance(given, Experiment) else _build(given, organization_id, keys_in_use)
    if experiment.organization_id not in {organization_id, "default"}:
        raise DefinitionError(
            f"the experiment {experiment.key!r} belongs to the organization {experiment.organization_id!a}, this store "
            f"was opened for {organization_id!a}: connect(url, organization_id=...) opens it for another one"
        )
    problems = list(unstorable(experiment, ""))
    if not 0 < len(experiment.agent_id) <= LONGEST_NAME:
        problems.append(f"agent_id: expected 1 to {LONGEST_NAME} characters, got {len(experiment.agent_id)}")
    problems += [
        f"metric {metric.name!r}: a window counts days of events in a table; what is recorded here counts in full"
        for metric, _ in experiment.metrics
        if metric.window is not None
    ]
    segments = experiment.data.segments if experiment.data else []
    problems += [
        f"segment {name!r} is what {metric.name!r} measures; record the code of a segment under a name of its own"
        for metric, _ in experiment.metrics
        for name in segments
        if name in metric.columns
    ]
    if problems:
        raise DefinitionError(f"the experiment {experiment.key!r} cannot be stored:", problems)
    return replace(experiment, organization_id=organization_id)


def _build(given: Mapping[str, Any], organization_id: str, keys_in_use: Callable[[], Collection[str]]) -> Experiment:
    problems = list(unstorable(dict(given), ""))
    if problems:
        raise DefinitionError("the experiment cannot be stored:", problems)
    changes: dict[str, Any] = {"organization_id": given.get("organization_id") or organization_id}
    if not given.get("key"):
        name = given.get("name")
        if not isinstance(name, str) or not name.strip():
            raise DefinitionError("the experiment cannot be stored:", ["name: is required where there is no key"])
        changes["key"] = key_from_name(name, keys_in_use())
    return Experiment.from_dict({**given, **changes})


def key_from_name(name: str, taken: Collection[str] = ()) -> str:
    """Return a key that reads like the name and is not taken.

    Examples
    --------
    >>> key_from_name("Rising temperature: Übung 2")
    'rising-temperature-ubung-2'
    >>> key_from_name("2 prompts", taken={"x-2-prompts"})
    'x-2-prompts-2'
    >>> key_from_name("Null"), key_from_name("提示")
    ('null-experiment', 'experiment')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_STEM].strip("-") or "experiment"
    if not stem[0].isalpha():
        stem = f"x-{stem}"
    elif "-" not in stem and len(stem) < 9:  # YAML reads some short words as values: true, no, null, infinity ...
        stem = f"{stem}-experiment"
    key, number = stem, 1
    while key in taken:
        number += 1
        key = f"{stem}-{number}"
    return key
