"""The chance that one metric passes its gate in the decision, at a size: by the very test that the analysis runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from abkit.analyzer.pilot import Pilot
from abkit.models import Experiment, Proportion
from abkit.models.metric import Metric, Role
from abkit.models.plan import Inference
from abkit.stats import Spending, drift_for_power, rejection_probability, spending_bounds
from abkit.stats.group_sequential import Bounds
from abkit.stats.power_curve import noncentral_t_power, rate_power
from abkit.stats.sequential import mixture_variance, sequence_margin

MONITORED_LOOKS = 14
_MOST_UNITS = 1e12


@dataclass(frozen=True, slots=True)
class Gate:
    """What one metric has to show of one treatment.

    Parameters
    ----------
    metric : Metric
    role : {"primary", "guardrail", "secondary"}
    pilot : Pilot
    treatment, control : int
        Places of the variants.
    shares : (float, float)
        Traffic of treatment and control, 0 to 1; both 1 where they are paired.
    alpha : float
        Of the two-sided interval whose end decides: a guardrail's is twice its one-sided alpha.
    tuned_alpha : float
        For which a confidence sequence is narrowest.
    inference : {"fixed", "group_sequential", "always_valid"}
    looks : int
    spending : Spending
    burn_in : int
        Units per variant before which an always-valid test says nothing.
    uses_covariate : bool
    """

    metric: Metric
    role: Role
    pilot: Pilot
    treatment: int
    control: int
    shares: tuple[float, float]
    alpha: float
    tuned_alpha: float
    inference: Inference
    looks: int
    spending: Spending
    burn_in: int
    uses_covariate: bool = True

    @property
    def level(self) -> float:
        """Control level."""
        return float(self.pilot.levels[self.control])

    def under(self, inference: Inference) -> Gate:
        """The same gate with another kind of monitoring."""
        return replace(self, inference=inference)

    def variance(self, effect: float, ratio: float | None = None) -> float:
        """Variance of the tested contrast times the units over all variants."""
        matrix = self.pilot.adjusted if self.uses_covariate else self.pilot.plain
        times = self._ratio(effect) if ratio is None else ratio
        t, c = self.treatment, self.control
        if self.pilot.is_paired:
            return float(matrix[t, t] - 2 * times * matrix[t, c] + times**2 * matrix[c, c]) / self.pilot.coverage
        of_treatment, of_control = self._parts(matrix, effect)
        return (of_treatment + times**2 * of_control) / self.pilot.coverage

    def _parts(self, matrix: np.ndarray, effect: float) -> tuple[float, float]:
        """Variance of the treatment's and of the control's level, times the units over all variants."""
        spread = float(matrix[self.control, self.control])
        return spread * self._spread_factor(effect) / self.shares[0], spread / self.shares[1]

    def _spread_factor(self, effect: float) -> float:
        """A treatment's values are control's times (1 + lift); a rate has the variance of a rate."""
        if self.role == "guardrail":
            return 1.0
        moved = self.level * (1 + self._sign * effect)
        if isinstance(self.metric, Proportion):
            return moved * (1 - moved) / (self.level * (1 - self.level))
        return (moved / self.level) ** 2

    @property
    def _sign(self) -> float:
        return 1.0 if self.metric.goal == "maximize" else -1.0

    def _ratio(self, effect: float) -> float:
        return 1 - self._sign * effect if self.role == "guardrail" else 1.0

    def drift(self, units: float, effect: float) -> float:
        """Mean of the test statistic: the distance from the hypothesis in standard errors."""
        return self.level * effect / math.sqrt(self.variance(effect) / units)

    def df(self, units: float, effect: float) -> float:
        """Degrees of freedom of the contrast; infinite for rates, whose intervals have none."""
        counted = units * self.pilot.coverage
        if self.pilot.is_rate_of_units and self.inference == "fixed":
            return math.inf
        if self.pilot.is_paired:
            return max(counted - 1, 1.0)
        of_treatment, of_control = self._parts(self.pilot.adjusted, effect)
        of_control *= self._ratio(effect) ** 2
        n_t, n_c = (max(counted * share, 1.5) for share in self.shares)
        return (of_treatment + of_control) ** 2 / (of_treatment**2 / (n_t - 1) + of_control**2 / (n_c - 1))

    def multiplier(self, units: float, effect: float) -> float:
        """Standard errors that the estimate has to be away from the hypothesis at the last look."""
        if self.inference == "always_valid":
            few = units * self.pilot.coverage * min(self.shares) < self.burn_in
            return math.inf if few else self._sequence_bound(1.0)
        tail = self.alpha / 2
        if self.inference == "group_sequential":
            tail = float(special.ndtr(-self._bounds().efficacy[-1]))
        df = self.df(units, effect)
        return float(-special.ndtri(tail) if math.isinf(df) else -special.stdtrit(df, tail))

    def _sequence_bound(self, share: float) -> float:
        """Half-width in standard errors at a share of the planned size, for which the sequence is tuned."""
        variance = mixture_variance(1.0, self.tuned_alpha)
        n = share * self.pilot.coverage
        return float(sequence_margin(n, variance, self.alpha)) * math.sqrt(n)

    def _bounds(self) -> Bounds:
        if self.inference == "always_valid":
            times = np.arange(1, MONITORED_LOOKS + 1) / MONITORED_LOOKS
            efficacy = np.array([self._sequence_bound(float(share)) for share in times])
            return Bounds(times, efficacy, np.full(len(times), self.alpha), 2)
        return _group_sequential_bounds(self.alpha, self.looks, self.spending)

    def passes(self, units: float, effect: float) -> float:
        """Chance to pass at the last look, whatever earlier ones said."""
        if self.inference == "fixed":
            return self._fixed_power(units, effect)
        return float(special.ndtr(self.drift(units, effect) - self.multiplier(units, effect)))

    def passes_at_some_look(self, units: float, effect: float) -> float:
        """Chance to pass at one look at least: at the planned ones, or at 14 equal ones of an always-valid test."""
        if self.inference == "fixed":
            return self._fixed_power(units, effect)
        if math.isinf(self.multiplier(units, effect)):
            return 0.0
        return float(rejection_probability(self._bounds(), self.drift(units, effect))[-1])

    def _fixed_power(self, units: float, effect: float) -> float:
        if self.pilot.is_rate_of_units and self.role != "guardrail":
            moved = self.level * (1 + self._sign * effect)
            n_t, n_c = (units * self.pilot.coverage * share for share in self.shares)
            one_side = self.alpha / 2
            if moved > self.level:
                return float(rate_power(self.level, moved, n_c, n_t, alpha=one_side, alternative="greater"))
            return float(rate_power(self.level, moved, n_c, n_t, alpha=one_side, alternative="less"))
        df, drift = self.df(units, effect), self.drift(units, effect)
        if math.isinf(df):
            return float(special.ndtr(drift + special.ndtri(self.alpha / 2)))
        return float(noncentral_t_power(drift, df, self.alpha / 2, "greater"))

    def is_harmed_by_chance(self, units: float) -> float:
        """Chance that a metric without an effect is significantly worse at the last look."""
        if self.inference == "fixed":
            return self.alpha / 2
        return float(special.ndtr(-self.multiplier(units, 0.0)))

    def surplus(self, units: float, effect: float, power: float) -> float:
        """Above 0 where `units` are enough for `power`; grows with both units and effect."""
        if self.inference == "fixed":
            return self._fixed_power(units, effect) - power
        if self.inference == "group_sequential":
            return self.drift(units, effect) - _group_sequential_drift(self.alpha, self.looks, self.spending, power)
        return self.drift(units, effect) - self._sequence_bound(1.0) - float(special.ndtri(power))

    def units_for(self, effect: float, power: float) -> float | None:
        """Units over all variants, not rounded; None beyond a million million."""
        least = 4 / min(self.shares) / self.pilot.coverage
        if self.inference == "always_valid":
            least = max(least, self.burn_in / min(self.shares) / self.pilot.coverage)
        return smallest(lambda units: self.surplus(units, effect, power), least, _MOST_UNITS)

    def effect_for(self, units: float, power: float) -> float | None:
        """Smallest effect (of a guardrail: margin) that is shown with `power`; None where there is none."""
        if self.inference == "always_valid" and math.isinf(self.multiplier(units, 0.0)):
            return None
        return smallest(lambda effect: self.surplus(units, effect, power), 1e-9, self.largest_effect)

    @property
    def largest_effect(self) -> float:
        """Beyond it a rate leaves (0, 1), or a level that should fall has reached 0."""
        if self.metric.goal == "minimize" and self.role != "guardrail":
            return 1 - 1e-9
        if self.metric.goal == "maximize" and self.role == "guardrail":
            return 1 - 1e-9
        if isinstance(self.metric, Proportion) and self.role != "guardrail":
            return (1 / self.level - 1) * (1 - 1e-9)
        return 100.0

    def reaches(self, units: float, effect: float, threshold: float | None) -> float:
        """Chance that the estimate is significant at the last look and at or above the practical threshold.

        Both are normal with the correlation of the two contrasts, T - C and T - (1 + threshold) C.
        """
        alone = self.passes(units, effect)
        if threshold is None or alone == 0:
            return alone
        ratio = 1 + self._sign * threshold
        first, second = self.variance(effect, 1.0), self.variance(effect, ratio)
        shared = (first + second - (ratio - 1) ** 2 * self._control_variance()) / 2
        away = self.level * (effect - threshold) / math.sqrt(second / units)
        needed = self.multiplier(units, effect) - self.drift(units, effect)
        joint = _both_above(needed, -away, float(np.clip(shared / math.sqrt(first * second), 1e-6, 1.0)))
        return alone * min(joint / max(float(special.ndtr(-needed)), 1e-300), 1.0)

    def _control_variance(self) -> float:
        matrix = self.pilot.adjusted if self.uses_covariate else self.pilot.plain
        return float(matrix[self.control, self.control]) / self.shares[1] / self.pilot.coverage


def gate_of(experiment: Experiment, metric: Metric, role: Role, pilot: Pilot, treatment: int, burn_in: int) -> Gate:
    """Say what a metric has to show of a treatment, as the analysis asks it."""
    control = experiment.variants.index(experiment.control)
    places = (treatment, control)
    shares = tuple(1.0 if pilot.is_paired else experiment.variants[i].traffic_percentage / 100 for i in places)
    alpha = {"primary": experiment.alpha / len(experiment.treatments), "guardrail": 2 * experiment.alpha}
    return Gate(
        metric=metric,
        role=role,
        pilot=pilot,
        treatment=treatment,
        control=control,
        shares=(shares[0], shares[1]),
        alpha=alpha.get(role, experiment.alpha),
        tuned_alpha=experiment.alpha,
        inference=experiment.plan.inference,
        looks=experiment.plan.looks,
        spending=Spending(experiment.plan.spending),
        burn_in=burn_in,
    )


def smallest(surplus: Callable[[float], float], low: float, high: float) -> float | None:
    """Where a growing function becomes 0, searched on the scale of the logarithm; `low` if it is positive there.

    Examples
    --------
    >>> round(smallest(lambda x: x - 40.0, 1.0, 1e6), 6), smallest(lambda x: x - 40.0, 1.0, 30.0)
    (40.0, None)
    """
    if surplus(low) >= 0:
        return low
    reached = low
    while surplus(reached) < 0:
        if reached >= high:
            return None
        low, reached = reached, min(4 * reached, high)
    found = optimize.brentq(lambda log: surplus(math.exp(log)), math.log(low), math.log(reached), xtol=1e-10)
    return math.exp(found)


@lru_cache(maxsize=256)
def _group_sequential_bounds(alpha: float, looks: int, spending: Spending) -> Bounds:
    return spending_bounds(np.arange(1, looks + 1) / looks, alpha, 2, spending, final=True)


@lru_cache(maxsize=256)
def _group_sequential_drift(alpha: float, looks: int, spending: Spending, power: float) -> float:
    return drift_for_power(_group_sequential_bounds(alpha, looks, spending), power)


def _both_above(first: float, second: float, correlation: float) -> float:
    """P(X > first and Y > second) of standard normals, by conditioning on what Y does not share with X."""
    if math.isinf(first):
        return 0.0
    rest = np.linspace(-9.0, 9.0, 2001)
    density = np.exp(-(rest**2) / 2) / math.sqrt(2 * math.pi)
    bound = np.maximum(first, (second - math.sqrt(max(1 - correlation**2, 0.0)) * rest) / correlation)
    return float((density * special.ndtr(-bound)).sum() * (rest[1] - rest[0]))
