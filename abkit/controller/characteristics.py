"""Use cases before launch: how often the design decides rightly, and whether its tests are honest on past data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abkit.analyzer.aa import AAValidation, validate_tests
from abkit.analyzer.characteristics import characterize
from abkit.analyzer.operating import OperatingCharacteristics
from abkit.analyzer.scenario import Scenario, default_scenarios
from abkit.controller.planning import population_of
from abkit.errors import ParameterError
from abkit.models import Experiment

_MOST_UNITS = 10_000


def operating_characteristics(
    experiment: Experiment,
    history: Any = None,
    *,
    scenarios: Sequence[Scenario] | None = None,
    runs: int = 2000,
    looks: int | None = None,
    daily_units: float | None = None,
    seed: int = 1,
    workers: int = 2,
    progress: bool = False,
) -> OperatingCharacteristics:
    """Simulate the design on past units: how often it ships a good variant, and how often a bad one.

    Every simulated experiment goes through the inference, the checks of the split and the gates of the real one, look
    by look, until its verdict is no longer "keep running".

    Parameters
    ----------
    experiment : Experiment
    history : Source, frame or mapping, optional
        Past data with the metrics' columns, or metric name -> level or `Baseline`; default: the experiment's own data.
    scenarios : sequence of Scenario, optional
        Default: no effect, the design effect, harm, each guardrail at its margin, a broken split.
    runs : int
        Simulated experiments per scenario.
    looks : int, optional
        Equally spaced; default: those of a group-sequential plan, 1 for a fixed one, else 14.
    daily_units : float, optional
        New units per day, for days to the verdict.
    seed : int
        The same seed gives the same numbers, whatever the number of workers.
    workers : int
        Threads.
    progress : bool
        Show a progress bar.

    Returns
    -------
    OperatingCharacteristics

    Raises
    ------
    DefinitionError
        A scenario that the experiment or its past cannot show.
    DataError
        Past data that cannot be read.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from abkit.models import Experiment, Plan, Proportion, Variant
    >>> experiment = Experiment(
    ...     key="demo",
    ...     variants=[Variant("a", 50, is_control=True), Variant("b", 50)],
    ...     primary_metric=Proportion("success"),
    ...     min_sample_size=800,
    ...     min_detectable_effect=0.25,
    ...     plan=Plan(inference="fixed", practical_threshold=None),
    ... )
    >>> past = pd.DataFrame({"success": np.arange(1000) % 5 < 2})
    >>> result = operating_characteristics(experiment, past, runs=500)
    >>> result.scenario("design_effect").probabilities["ship"] > 0.75
    True
    """
    from tqdm.auto import tqdm

    if runs < 1 or workers < 1 or (looks is not None and looks < 1):
        raise ParameterError("runs, looks and workers are at least 1")
    population = population_of(experiment, history, most_units=_MOST_UNITS)
    asked = tuple(scenarios) if scenarios is not None else default_scenarios(experiment)
    with tqdm(total=runs * len(asked), unit="experiment", disable=not progress) as bar:
        return characterize(
            experiment,
            population,
            asked,
            runs=runs,
            seed=seed,
            looks=looks,
            daily_units=daily_units,
            workers=workers,
            progress=bar.update,
        )


def aa_validation(experiment: Experiment, history: Any = None, *, runs: int = 1000, seed: int = 1) -> AAValidation:
    """Split past units at random, again and again, and see whether each metric's test keeps its false-positive rate.

    Parameters
    ----------
    experiment : Experiment
    history : Source or frame, optional
        Past data with the metrics' columns; default: the experiment's own data.
    runs : int
        Random splits.
    seed : int

    Returns
    -------
    AAValidation
        Per metric: the false-positive rate with the band in which 99 % of honest tests lie, and whether the p-values
        are uniform (Kolmogorov-Smirnov). What looking more than once does is simulated by `operating_characteristics`.

    Raises
    ------
    DataError
        Past data that cannot be read.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from abkit.models import Experiment, Mean, Variant
    >>> experiment = Experiment(
    ...     key="demo", variants=[Variant("a", 50, is_control=True), Variant("b", 50)], primary_metric=Mean("score")
    ... )
    >>> past = pd.DataFrame({"score": np.random.default_rng(1).gamma(2.0, size=500)})
    >>> aa_validation(experiment, past).metric("score").status
    'pass'
    """
    if runs < 1:
        raise ParameterError(f"at least one split is needed, not {runs}")
    population = population_of(experiment, history, most_units=_MOST_UNITS)
    return validate_tests(experiment, population, runs=runs, seed=seed)
