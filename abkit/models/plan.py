"""How an experiment will be judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from abkit.display import Displayed
from abkit.models.definition import definition

Inference = Literal["fixed", "group_sequential", "always_valid"]


@definition
class Plan(Displayed):
    """How the experiment will be judged; fixed before it starts.

    Parameters
    ----------
    power : float
        Chance to detect the minimum detectable effect at the planned size.
    inference : {"always_valid", "fixed", "group_sequential"}
        Fixed: judged once, at the planned size. The other two may be looked at on the way.
    looks : int
        Group sequential: looks planned, at equal shares of the planned size.
    spending : {"obrien_fleming", "pocock"}
        Group sequential: how the error is shared among the looks (Lan & DeMets 1983).
    planned_units : int, optional
        Units over all variants at which the experiment ends; default: `min_sample_size`.
    practical_threshold : float, "mde" or None
        Relative improvement from which shipping is worth it; "mde": the minimum detectable effect.
    srm_threshold : float
        p-value under which the split counts as broken.
    contamination_limit : float
        Largest tolerated share of units seen in more than one variant.
    min_runtime_days : float
        Days that the data must span before anything ships, where its time is known; 0: no minimum.
    """

    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    inference: Inference = "always_valid"
    looks: Annotated[int, Field(ge=1, le=100)] = 5
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"
    planned_units: Annotated[int, Field(ge=2)] | None = None
    practical_threshold: Annotated[float, Field(ge=0)] | Literal["mde"] | None = "mde"
    srm_threshold: Annotated[float, Field(gt=0, lt=0.5)] = 0.001
    contamination_limit: Annotated[float, Field(ge=0, lt=1)] = 0.01
    min_runtime_days: Annotated[float, Field(ge=0, le=3650)] = 3.0
