"""The answer of every plain function: a number with its uncertainty, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal

from abkit.display import Card, Displayed, Table, cell

Alternative = Literal["two-sided", "greater", "less"]


class Reason(StrEnum):
    """Why a number does not exist."""

    TOO_FEW_UNITS = "too_few_units"
    ZERO_VARIANCE = "zero_variance"
    ZERO_TOTAL = "zero_total"
    CONTROL_NOT_POSITIVE = "control_not_positive"
    NOT_POSITIVE = "not_positive"
    UNBOUNDED = "unbounded"
    NOT_FINITE = "not_finite"
    NO_VARIATION = "no_variation"
    SEPARATED = "separated"
    BURN_IN = "burn_in"
    NOT_CONVERGED = "not_converged"


EXPLANATIONS: Mapping[Reason, str] = {
    Reason.TOO_FEW_UNITS: "too few units for an interval",
    Reason.ZERO_VARIANCE: "no variance in either variant: there is nothing to measure the effect against",
    Reason.ZERO_TOTAL: "the denominator adds up to 0",
    Reason.CONTROL_NOT_POSITIVE: "the control level is 0 or negative: a lift has no meaning",
    Reason.NOT_POSITIVE: "a level is 0 or negative: it has no logarithm",
    Reason.UNBOUNDED: "the control level cannot be told from 0: the lift has no finite interval",
    Reason.NOT_FINITE: "the result is not a finite number",
    Reason.NO_VARIATION: "all units have the same value: the test has nothing to compare",
    Reason.SEPARATED: "the variants do not overlap: the standard error is 0",
    Reason.BURN_IN: "too early: the guarantee holds only from the end of the burn-in",
    Reason.NOT_CONVERGED: "the equation for this number was not solved",
}

_ALL_FLOATS = {float}
_NUMBERS = ("value", "se", "low", "high", "p_value", "statistic", "df")


@dataclass(frozen=True, slots=True, repr=False)
class Estimate(Displayed):
    """An estimate with its uncertainty; what cannot be computed is None, and `reason` says why.

    NaN and infinity given to the constructor become None: a missing bound of a one-sided interval needs no reason,
    everything else that is missing has one.

    Parameters
    ----------
    value, se : float or None
        Estimate and standard error, in the unit of the estimand.
    low, high : float or None
        Interval at `level`. None is "no bound on this side" for a one-sided alternative.
    p_value, statistic, df : float or None
        Of the test that the interval inverts, where there is one.
    level : float
        Confidence level, in (0, 1).
    alternative : {"two-sided", "greater", "less"}
    method : str
        What was computed.
    estimand : str
        What was estimated: "difference", "lift", "ratio", "rate" ...
    reason : Reason, optional
        Why something is missing.
    details : mapping
        Further numbers of the method, by name.

    Examples
    --------
    >>> Estimate(0.5, 0.1, 0.3, 0.7, p_value=0.001, method="welch t")
    difference, welch t, 95% two-sided
      value    0.5
      se       0.1
      low      0.3
      high     0.7
      p_value  0.001
    >>> Estimate(float("nan"), reason=Reason.ZERO_TOTAL).value is None
    True
    """

    value: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    statistic: float | None = None
    df: float | None = None
    level: float = 0.95
    alternative: Alternative = "two-sided"
    method: str = ""
    estimand: str = "difference"
    reason: Reason | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = (self.value, self.se, self.low, self.high, self.p_value, self.statistic, self.df)
        if {*map(type, numbers)} == _ALL_FLOATS and math.isfinite(sum(numbers)):  # type: ignore[arg-type]
            return
        missing = False
        for name in _NUMBERS:
            number = getattr(self, name)
            finite = number is not None and math.isfinite(number)
            one_sided = self.alternative != "two-sided" and name in ("low", "high")
            missing |= number is not None and not finite and not one_sided and name not in ("statistic", "df")
            object.__setattr__(self, name, float(number) if number is not None and finite else None)
        if missing and self.reason is None:
            object.__setattr__(self, "reason", Reason.NOT_FINITE)

    @property
    def is_significant(self) -> bool:
        """Whether the p-value is at most 1 - level; what is undefined is never significant."""
        return self.p_value is not None and self.p_value <= 1 - self.level + 1e-15

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain["reason"] = None if self.reason is None else self.reason.value
        plain["details"] = dict(self.details)
        return plain

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of everything that is there."""
        numbers = [(name, getattr(self, name)) for name in _NUMBERS]
        shown = [(name, cell(number)) for name, number in numbers if number is not None]
        shown += [(name, cell(number)) for name, number in self.details.items()]
        return shown if self.reason is None else [*shown, ("reason", EXPLANATIONS[self.reason])]

    @property
    def title(self) -> str:
        """Estimand, method and level in one line."""
        method = f", {self.method}" if self.method else ""
        return f"{self.estimand}{method}, {100 * self.level:.10g}% {self.alternative}"

    def _card(self) -> Card:
        return Card(self.title, tables=[Table((), self.rows())])
