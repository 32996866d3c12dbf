"""The chance that a truly good variant ships: every gate of the decision together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from abkit.analyzer.power import Gate, smallest
from abkit.stats import power_each

_MOST_UNITS = 1e12
_CURVE_POINTS = 40
_EFFECTS = (0.5, 0.75, 1.0, 1.5, 2.0)
_POWERS = (0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class GateMiss:
    """What can keep a truly good variant from shipping, and how likely it is at most."""

    gate: str
    probability: float


@dataclass(frozen=True, slots=True)
class DecisionPower:
    """The chance that a truly good variant ships at a size.

    Parameters
    ----------
    units : int
        Over all variants.
    effect : float
        True relative improvement of the primary metric; guardrails and secondary metrics do not move.
    at_least : float
        Lower bound, whatever the dependence between the gates: 1 minus the sum of the misses.
    if_independent : float
        Product of the gates' chances.
    misses : tuple of GateMiss
    """

    units: int
    effect: float
    at_least: float
    if_independent: float
    misses: tuple[GateMiss, ...]


@dataclass(frozen=True, slots=True)
class PowerPoint:
    """Power at a size: of the decision (at least), and of each gate."""

    units: int
    decision: float
    gates: dict[str, float]


@dataclass(frozen=True, slots=True)
class SizeRow:
    """Units over all variants by true effect of the primary metric and power of the decision."""

    effect: float
    power: float
    units: int | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """What the practical threshold does to the chance to ship.

    Parameters
    ----------
    practical_threshold : float
    highest_power : float
        Of the decision at the planned effect, however many units there are.
    threshold_for_power : float or None
        Highest threshold at which the target is reached with the planned units.
    effect_for_power : float or None
        True effect at which the target is reached with the planned units and this threshold.
    """

    practical_threshold: float
    highest_power: float
    threshold_for_power: float | None
    effect_for_power: float | None


@dataclass(frozen=True, slots=True)
class DecisionGates:
    """All that has to go well for a verdict of `ship` at the last look.

    Parameters
    ----------
    primary : Gate
    guardrails, secondaries : tuple of Gate
        Guardrails have to pass; a secondary metric blocks where it is significantly worse, if only by chance.
    threshold : float or None
        Practical threshold that the estimate has to reach.
    split_alarm : float
        Chance that the check of the split fails although nothing is wrong.
    """

    primary: Gate
    guardrails: tuple[Gate, ...]
    secondaries: tuple[Gate, ...]
    threshold: float | None
    split_alarm: float

    def without_threshold(self) -> DecisionGates:
        """The same decision without a practical threshold."""
        return replace(self, threshold=None)

    def misses(self, units: float, effect: float) -> tuple[GateMiss, ...]:
        """What can go wrong at a true effect of the primary metric, the others standing still."""
        found = [GateMiss(self.primary.metric.name, 1 - self.primary.reaches(units, effect, self.threshold))]
        found += [GateMiss(gate.metric.name, 1 - gate.passes(units, _margin(gate))) for gate in self.guardrails]
        found += [GateMiss(gate.metric.name, gate.is_harmed_by_chance(units)) for gate in self.secondaries]
        return (*found, GateMiss("split check", self.split_alarm)) if self.split_alarm else tuple(found)

    def power(self, units: float, effect: float) -> DecisionPower:
        """Bound the chance to ship from below, and say what it is if the gates are independent."""
        misses = self.misses(units, effect)
        at_least = max(0.0, 1 - math.fsum(miss.probability for miss in misses))
        product = math.prod(1 - miss.probability for miss in misses)
        return DecisionPower(round(units), effect, at_least, product, misses)

    def at_least(self, units: float, effect: float) -> float:
        """Lower bound of the chance to ship."""
        return self.power(units, effect).at_least

    def highest(self, effect: float) -> float:
        """Lower bound of the chance to ship with as many units as can be."""
        return self.at_least(_MOST_UNITS, effect)

    def fewest_units(self, effect: float, power: float, least: float = 4.0) -> float | None:
        """Units at which the lower bound reaches `power`, without a threshold that keeps it from that for ever."""
        reachable = self if self.highest(effect) >= power else self.without_threshold()
        return smallest(lambda units: reachable.at_least(units, effect) - power, least, _MOST_UNITS)

    def curve(self, units: float, effect: float, marks: Sequence[int]) -> tuple[PowerPoint, ...]:
        """Power at sizes around `units`, those in `marks` among them."""
        near = [mark for mark in marks if units / 200 <= mark <= 50 * units]
        first = math.log(max(min(units / 20, 0.8 * min(near)), 8.0))
        step = (math.log(max(2.5 * units, 1.2 * max(near), 16.0)) - first) / (_CURVE_POINTS - 1)
        sizes = {round(math.exp(first + step * place)) for place in range(_CURVE_POINTS)} | set(marks)
        return tuple(self._point(size, effect) for size in sorted(sizes))

    def _point(self, units: int, effect: float) -> PowerPoint:
        gates = {self.primary.metric.name: self.primary.passes(units, effect)}
        gates |= {gate.metric.name: gate.passes(units, _margin(gate)) for gate in self.guardrails}
        return PowerPoint(units, self.at_least(units, effect), gates)

    def sizes(self, effect: float) -> tuple[SizeRow, ...]:
        """Units by true effect and power of the decision, without the practical threshold."""
        rows = []
        for true in (times * effect for times in _EFFECTS if times * effect < self.primary.largest_effect):
            for power in _POWERS:
                each = float(power_each(power, len(self.guardrails)))
                needed = [self.primary.units_for(true, each)]
                needed += [gate.units_for(_margin(gate), each) for gate in self.guardrails]
                known = [one for one in needed if one is not None]
                rows.append(SizeRow(true, power, math.ceil(max(known)) if len(known) == len(needed) else None))
        return tuple(rows)

    def threshold_effect(self, units: float | None, effect: float, power: float) -> Threshold | None:
        """What the practical threshold costs, and the two ways out: a lower threshold, or a larger true effect."""
        if self.threshold is None:
            return None
        lower = larger = None
        if units is not None:
            if self.without_threshold().at_least(units, effect) >= power:
                margin = smallest(
                    lambda gap: replace(self, threshold=max(effect - gap, 0.0)).at_least(units, effect) - power,
                    1e-9,
                    effect,
                )
                lower = None if margin is None else max(effect - margin, 0.0)
            larger = smallest(
                lambda true: self.at_least(units, true) - power, 1e-6, min(self.primary.largest_effect, 10.0)
            )
        return Threshold(self.threshold, self.highest(effect), lower, larger)


def _margin(gate: Gate) -> float:
    return gate.metric.margin or 0.0
