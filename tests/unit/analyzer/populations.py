"""Experiments and past data that the tests of simulation share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from abkit.collectors import Source
from abkit.collectors.population import read_population
from abkit.models import Experiment, Mean, Plan, Proportion, Quantile, Ratio, Variant
from abkit.snapshot import Population


def past(units: int = 2000, rows: int = 1, seed: int = 0) -> pd.DataFrame:
    """Runs of users who differ: success, cost, latency, calls and a score with what was known before."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), rows)
    skill = np.repeat(rng.normal(size=units), rows)
    n = len(unit)
    return pd.DataFrame(
        {
            "user": unit,
            "success": (0.5 * skill + rng.normal(size=n) < -0.4).astype(int),
            "cost": rng.gamma(0.8, 0.1, n) * np.exp(0.2 * skill),
            "latency": np.exp(0.4 * skill + 0.6 * rng.normal(size=n)).round(6),
            "calls": rng.poisson(3, n) + 1,
            "before": 5 + skill,
            "score": 5 + 0.7 * skill + rng.normal(size=n),
        }
    )


def experiment(inference: str = "fixed", treatments: int = 1, units: int = 2000, **changes: Any) -> Experiment:
    """A rate to raise, with a capped cost, a p90 and an adjusted score as guardrails, and a ratio on the side."""
    share = 100 / (treatments + 1)
    arms = [Variant(f"b{i}", share) for i in range(treatments)]
    plan = {"inference": inference, "practical_threshold": None, **changes.pop("plan", {})}
    return Experiment(
        **{
            "key": "simulated",
            "variants": [Variant("a", 100 - share * treatments, is_control=True), *arms],
            "primary_metric": Proportion("success"),
            "guardrail_metrics": [
                Mean("cost", goal="minimize", margin=0.2, cap=0.99),
                Quantile("latency", 0.9, goal="minimize", margin=0.25),
                Mean("score", margin=0.05, covariate="before"),
            ],
            "secondary_metrics": [Ratio("cost", "calls", goal="minimize")],
            "min_sample_size": units,
            "min_detectable_effect": 0.2,
            "plan": Plan(**plan),
            **changes,
        }
    )


def population_of(what: Experiment, frame: pd.DataFrame, **keys: Any) -> Population:
    """Read past data for an experiment."""
    return read_population(what, Source.frame(frame, **keys))
