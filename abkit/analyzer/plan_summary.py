"""The plan beside what was reached: numbers, deviations and what other sizes would see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deviation:
    """Something that came out otherwise than planned."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class SizePower:
    """Power at so many units over all variants, one for each effect of the table."""

    units: int
    days: float | None
    powers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EffectSize:
    """Units over all variants, and days until they are there, that see a relative effect with the planned power."""

    effect: float
    units: int | None
    days_to_come: float | None


@dataclass(frozen=True, slots=True)
class SizeTable:
    """What other sizes would see on the primary metric, at the variance of the data, never at the observed effect.

    `variant` is the treatment with the widest interval; `effects` have the order of `SizePower.powers`.
    """

    metric: str
    variant: str
    effects: tuple[EffectSize, ...]
    sizes: tuple[SizePower, ...]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What was planned and what was reached.

    `look` counts the looks that the plan has had, of `looks`; both are None where it does not count them.
    """

    inference: str
    target_power: float
    planned_units: int
    units: int
    practical_threshold: float | None
    power_at_planned_size: float | None
    mde_at_planned_size: float | None
    mde_at_reached_size: float | None
    min_runtime_days: float | None = None
    look: int | None = None
    looks: int | None = None
    is_final: bool = True
    design_hash: str = ""
    deviations: tuple[Deviation, ...] = ()
    size_table: SizeTable | None = None
