"""What is known of a metric before there is data: the numbers that an experiment is planned with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from abkit.display import Displayed
from abkit.models.definition import definition


@definition
class Baseline(Displayed):
    """A metric's level and noise as they are today, instead of past data.

    Parameters
    ----------
    level : float
        The rate of a proportion, the mean, the ratio, or the quantile itself. With a cap: before clipping.
    sd : float, optional
        Standard deviation of a row's value, in the metric's unit; a proportion needs none. Of a ratio: of (numerator -
        level x denominator) over the mean denominator. Of a quantile: of the values, which are taken as lognormal.
    icc : float
        How alike the rows of one unit are, 0 to 1; in a paired design, of all variants. Of a
        quantile: of the logarithms.
    rows_per_unit : int
        Rows that each unit gives; in a paired design, in each variant.
    correlation : float
        Between a unit's mean value and the metric's covariate.

    Examples
    --------
    >>> Baseline(0.3).level, Baseline(12.5, sd=30.0, correlation=0.6).sd
    (0.3, 30.0)
    """

    level: float
    sd: Annotated[float, Field(gt=0)] | None = None
    icc: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rows_per_unit: Annotated[int, Field(ge=1, le=1000)] = 1
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.0
