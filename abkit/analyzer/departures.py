"""The sentences about what came out otherwise than planned."""

from __future__ import annotations

from collections.abc import Mapping

from abkit.analyzer.numbers import count, days, number, percent


def without_data(variant: str) -> str:
    """A variant that nobody was in."""
    return f"{variant!r} has no data"


def unplanned_traffic(variant: str, units: int) -> str:
    """A variant without planned traffic that has units."""
    return f"{variant!r} was planned to get no traffic and has {count(units)} units"


def other_traffic(variant: str, planned: float, observed: float) -> str:
    """A share that differs by more than chance explains."""
    return f"{variant!r} was planned to get {percent(planned, 2)} of the units and got {percent(observed, 2)}"


def other_size(planned: int, reached: int, *, is_fixed: bool) -> str:
    """Fewer units than planned, or more."""
    if reached < planned:
        return f"{count(reached)} of {count(planned)} planned units were reached ({percent(reached / planned)})"
    text = f"{count(reached - planned)} units more than the {count(planned)} planned"
    return f"{text}: a fixed plan is judged at its size, and must not have been judged before" if is_fixed else text


def less_power(target: float, power: float, effect: float) -> str:
    """The planned size sees less than it was meant to."""
    return (
        f"the planned size was meant to detect a change of {percent(effect)} with {percent(target)} power; at the "
        f"variance seen in the data it does so with {percent(power)}"
    )


def shorter(minimum: float, reached: float) -> str:
    """The minimum runtime was not reached."""
    return f"the data span {days(reached)} of at least {days(minimum)}"


def unknown_runtime(minimum: float) -> str:
    """The minimum runtime cannot be checked."""
    return f"the data has no time, so the minimum runtime of {days(minimum)} could not be checked"


def unplanned_look(share: float, looks: int) -> str:
    """A look between the planned ones."""
    return (
        f"this look is at {percent(share)} of the planned size, between the {looks} planned looks; the bounds are "
        "those of the share reached"
    )


def not_computed(metric: str, role: str, reason: str) -> str:
    """A planned metric without a result."""
    return f"{metric!r} ({role}) could not be compared: {reason}"


def covariate_dropped(metric: str, covariate: str) -> str:
    """A planned covariate that was not used."""
    return f"{metric!r} was planned with the covariate {covariate!r}, which was not used"


def contaminated(units: int) -> str:
    """Units in more than one variant."""
    return f"{count(units)} units were seen in more than one variant and are left out"


def incomplete(units: int) -> str:
    """Units without all variants of a paired design."""
    return f"{count(units)} units do not appear in every variant and are left out"


def missing_values(metric: str, missing: Mapping[str, int]) -> str:
    """Rows without a value."""
    by_variant = ", ".join(f"{name!r} {number(rows, 0)}" for name, rows in missing.items())
    return f"{count(sum(missing.values()))} rows have no value of {metric!r}: {by_variant}"
