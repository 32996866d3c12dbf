"""Paired yes/no outcomes: only the tasks that the two variants decide differently tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from abkit.display import Displayed
from abkit.errors import ParameterError
from abkit.stats.proportion import wilson_interval


@dataclass(frozen=True, slots=True)
class PairedRates(Displayed):
    """Outcomes of n tasks in both variants.

    Parameters
    ----------
    both, only_control, only_treatment, neither : int
        Tasks by who succeeded.

    Examples
    --------
    >>> pairs = PairedRates(both=20, only_control=2, only_treatment=9, neither=9)
    >>> pairs.difference, round(pairs.p_value_exact, 5), round(pairs.p_value_mid, 5)
    (0.175, 0.06543, 0.03857)
    """

    both: int
    only_control: int
    only_treatment: int
    neither: int

    def __post_init__(self) -> None:
        if min(self.both, self.only_control, self.only_treatment, self.neither) < 0 or self.n == 0:
            raise ParameterError("counts of tasks are not negative, and there is at least one task")

    @property
    def n(self) -> int:
        """All tasks."""
        return self.both + self.only_control + self.only_treatment + self.neither

    @property
    def discordant(self) -> int:
        """Tasks that the variants decide differently."""
        return self.only_control + self.only_treatment

    @property
    def difference(self) -> float:
        """Rate of treatment minus rate of control."""
        return (self.only_treatment - self.only_control) / self.n

    @property
    def p_value_exact(self) -> float:
        """Exact McNemar test: binomial among the discordant tasks; 1 without any."""
        fewer = min(self.only_control, self.only_treatment)
        return min(1.0, 2 * float(special.bdtr(fewer, self.discordant, 0.5))) if self.discordant else 1.0

    @property
    def p_value_mid(self) -> float:
        """Mid-p version: half of the probability of the observed split counts (Fagerland et al. 2013)."""
        if not self.discordant:
            return 1.0
        n, fewer = self.discordant, min(self.only_control, self.only_treatment)
        log_here = special.gammaln(n + 1) - special.gammaln(fewer + 1) - special.gammaln(n - fewer + 1) - n * np.log(2)
        return min(1.0, 2 * float(special.bdtr(fewer, n, 0.5)) - float(np.exp(log_here)))

    def chi_square(self, continuity: bool = False) -> float | None:
        """McNemar's (1947) statistic; None without discordant tasks."""
        if not self.discordant:
            return None
        gap = abs(self.only_treatment - self.only_control) - (1 if continuity else 0)
        return max(gap, 0) ** 2 / self.discordant

    def p_value_asymptotic(self, continuity: bool = False) -> float:
        """Chi-square with one degree of freedom; 1 without discordant tasks."""
        statistic = self.chi_square(continuity)
        return 1.0 if statistic is None else float(special.chdtrc(1, statistic))

    def wald_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the difference that needs many discordant tasks (Fleiss, Levin & Paik 2003, eq. 13.10)."""
        return _around(self.only_treatment, self.only_control, self.n, level)

    def agresti_min_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Wald interval after adding half a task to each count (Agresti & Min 2005)."""
        return _around(self.only_treatment + 0.5, self.only_control + 0.5, self.n + 2, level)

    def newcombe_interval(self, level: float = 0.95, corrected: bool = True) -> tuple[float, float]:
        """Square-and-add of two Wilson intervals, with the correlation of the outcomes (Newcombe 1998, 17:2635).

        Parameters
        ----------
        level : float
        corrected : bool
            Method 10: a positive correlation is corrected for continuity; method 8 is without.
        """
        z = float(special.ndtri((1 + level) / 2))
        treatment, control = self.both + self.only_treatment, self.both + self.only_control
        rate_t, rate_c, phi = treatment / self.n, control / self.n, self._correlation(corrected)
        low_t, high_t = wilson_interval(treatment, self.n, z)
        low_c, high_c = wilson_interval(control, self.n, z)
        down, up = rate_t - low_t, high_t - rate_t
        down_c, up_c = rate_c - low_c, high_c - rate_c
        below = np.sqrt(max(down**2 - 2 * phi * down * up_c + up_c**2, 0.0))
        above = np.sqrt(max(up**2 - 2 * phi * up * down_c + down_c**2, 0.0))
        return float(self.difference - below), float(self.difference + above)

    def _correlation(self, corrected: bool) -> float:
        margins = [
            self.both + self.only_control,
            self.only_treatment + self.neither,
            self.both + self.only_treatment,
            self.only_control + self.neither,
        ]
        if 0 in margins:
            return 0.0
        product = float(self.both) * self.neither - float(self.only_control) * self.only_treatment
        if corrected and product > 0:
            product = max(product - self.n / 2, 0.0)
        return float(product / np.sqrt(np.prod([float(m) for m in margins])))


def _around(gained: float, lost: float, n: float, level: float) -> tuple[float, float]:
    difference = (gained - lost) / n
    half = float(special.ndtri((1 + level) / 2)) * np.sqrt((gained + lost) / n**2 - difference**2 / n)
    return float(max(difference - half, -1.0)), float(min(difference + half, 1.0))
