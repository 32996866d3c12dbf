"""Plan an experiment with past data, or with what is known of its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from abkit.analyzer.plan_estimate import PlanEstimate
from abkit.analyzer.planning import plan_experiment
from abkit.analyzer.synthetic import synthetic_population
from abkit.collectors import Source
from abkit.collectors.population import MOST_UNITS, read_population
from abkit.controller.analysis import source_of
from abkit.controller.targets import find_experiment
from abkit.errors import DefinitionError, ParameterError
from abkit.models import Baseline, Data, Experiment
from abkit.snapshot import Population

_SEED = 20_240_229


def plan(
    experiment: Experiment, history: Any = None, *, sizes: Sequence[int] = (), daily_units: float | None = None
) -> PlanEstimate:
    """Plan an experiment: units, power of the decision, detectable effects, runtime, and what monitoring costs.

    Parameters
    ----------
    experiment : Experiment
    history : Source, frame or mapping, optional
        Past data of the metrics' columns; or metric name -> level or `Baseline`. Default: what the experiment's `data:`
        section names.
    sizes : sequence of int
        Units over all variants at which to say what can be detected; default: the planned and the needed ones.
    daily_units : float, optional
        New units per day; default: those seen in the history, where it has a time.

    Returns
    -------
    PlanEstimate
        The same for the same input.

    Raises
    ------
    DefinitionError
        There is nothing to plan with.
    DataError
        The history cannot be read as it is.
    ParameterError
        Baselines that do not fit the metrics, or a size or rate that cannot be.

    Examples
    --------
    >>> from abkit.models import Experiment, Plan, Proportion, Variant
    >>> experiment = Experiment(
    ...     key="demo",
    ...     variants=[Variant("a", 50, is_control=True), Variant("b", 50)],
    ...     primary_metric=Proportion("success"),
    ...     min_detectable_effect=0.1,
    ...     plan=Plan(inference="fixed", practical_threshold=None),
    ... )
    >>> plan(experiment, {"success": 0.3}).units_by_variant
    {'a': 3772, 'b': 3772}
    """
    return plan_experiment(experiment, population_of(experiment, history), sizes=sizes, daily_units=daily_units)


def plan_target(
    target: str, *, history: str = "", baselines: Sequence[str] = (), sizes: str = "", daily_units: float = 0.0
) -> PlanEstimate:
    """Plan what a command line or a notebook names.

    Parameters
    ----------
    target : str
        An experiment file, a key in the store, or nothing for the example that comes with abkit.
    history : str
        CSV or Parquet file, or a glob of them; its columns mean what the experiment's `data:` section says.
    baselines : sequence of str
        ``name=level`` or ``name=level:sd``, instead of a history.
    sizes : str
        Units over all variants, separated by commas.
    daily_units : float
        0: those seen in the history.

    Returns
    -------
    PlanEstimate

    Raises
    ------
    AbkitError
        As `plan` and `find_experiment` do.
    """
    experiment, known = read_target(target, history=history, baselines=baselines)
    return plan(experiment, known, sizes=read_sizes(sizes), daily_units=daily_units or None)


def read_target(target: str, *, history: str = "", baselines: Sequence[str] = ()) -> tuple[Experiment, Any]:
    """Return the experiment that a command line or a notebook names, and what is known of its past."""
    experiment = find_experiment(target)
    if history and baselines:
        raise ParameterError("give past data or baselines, not both")
    known: Any = dict(read_baseline(text) for text in baselines) or None
    if history:
        known = Source(replace(experiment.data or Data(), path=history, folder="", summary=None))
    return experiment, known


def read_sizes(text: str) -> tuple[int, ...]:
    """Read sizes from text.

    Examples
    --------
    >>> read_sizes("1000, 5000"), read_sizes("")
    ((1000, 5000), ())
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdecimal()]
    if wrong:
        raise ParameterError(f"sizes are whole numbers separated by commas, such as 1000,5000; {wrong[0]!r} is none")
    return tuple(int(part) for part in parts)


def read_baseline(text: str) -> tuple[str, Baseline]:
    """Read ``name=level`` or ``name=level:sd``.

    Examples
    --------
    >>> read_baseline("cost_usd=0.02:0.03")[1].sd
    0.03
    """
    name, sign, numbers = text.rpartition("=")
    level, _, sd = numbers.partition(":")
    try:
        found = Baseline(float(level), sd=float(sd) if sd else None)
    except ValueError:
        raise ParameterError(f"baseline {text!r}: expected NAME=LEVEL or NAME=LEVEL:SD, both numbers") from None
    if not sign or not name:
        raise ParameterError(f"baseline {text!r}: say of which metric, NAME={text}")
    return name, found


def population_of(experiment: Experiment, history: Any = None, *, most_units: int = MOST_UNITS) -> Population:
    """Return the past units that `history` means for the experiment; made-up ones for baseline numbers."""
    if isinstance(history, Mapping):
        return synthetic_population(experiment, history, np.random.default_rng(_SEED))
    if history is None and (experiment.data is None or experiment.data.path is None):
        raise DefinitionError(
            f"there is nothing to plan {experiment.key!r} with: give past data (a Source or a frame), or what is known "
            "of each metric, such as {'success': 0.3, 'cost_usd': ab.Baseline(0.02, sd=0.03)}"
        )
    return read_population(experiment, source_of(experiment, history), most_units=most_units)
