"""How few units carry the result: the smallest set found whose removal changes what the primary metric says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from abkit.analyzer.analyzer import analyze_snapshot
from abkit.analyzer.compare import compare_metric
from abkit.analyzer.decision import reaches
from abkit.analyzer.influence import Kept, Push, Units, influence, keep_most_influential
from abkit.analyzer.result import Analysis, ComparisonResult, Verdict
from abkit.models import Experiment
from abkit.snapshot import MetricMoments, Snapshot
from abkit.stats import Comparison, Levels, Test

LARGEST_SHARE = 0.1
_MOST_UNITS = 50_000
_MOST_STEPS = 50
_FEWEST_KEPT = 1000

Finding = Literal["better", "below_threshold", "not_significant", "worse"]


@dataclass(frozen=True, slots=True)
class Removal:
    """What a few units decide.

    Parameters
    ----------
    finding : str
        What the primary metric says: "better", "below_threshold", "not_significant" or "worse".
    becomes : str or None
        What it says without them; None where no removal changes it.
    verdict : str or None
        The verdict without them, everything else being equal.
    units, share : int and float, or None
        How many, and of all units in the comparison.
    lift, lift_after, p_value, p_value_after : float or None
        With and without them.
    reason : str or None
        Why there is no such set.
    """

    finding: Finding
    becomes: Finding | None = None
    verdict: Verdict | None = None
    units: int | None = None
    share: float | None = None
    lift: float | None = None
    lift_after: float | None = None
    p_value: float | None = None
    p_value_after: float | None = None
    reason: str | None = None


def smallest_removal(
    experiment: Experiment,
    snapshot: Snapshot,
    analysis: Analysis,
    units: Iterable[Units] | None,
    *,
    largest_share: float = LARGEST_SHARE,
) -> Removal:
    """Find few units whose removal changes what the primary metric says of the variant that the decision speaks of.

    Units are ranked by their influence, the most influential are taken out, and the metric is computed again exactly;
    the number that changes the finding is found by bisection. No smaller set was found, which does not exclude one.

    Parameters
    ----------
    experiment : Experiment
    snapshot : Snapshot
    analysis : Analysis
        Of that snapshot.
    units : iterable of (block, rows) or None
        The very units behind the primary metric's moments; None where they are not known.
    largest_share : float
        Of the units in the comparison: more than that are never removed, nor more than 50,000.

    Returns
    -------
    Removal
        With a reason in place of a set where the units are not known, or not those of the moments.
    """
    search = _Search.of(experiment, snapshot, analysis.decision.variant)
    if isinstance(search, Removal):
        return search
    start = Removal(search.finding, lift=search.one.lift.value, p_value=search.one.p_value_adjusted)
    if units is None:
        return replace(start, reason="the data are totals, which do not tell one unit from another")
    counted = sum(float(search.moments.blocks[place].n) for place in search.blocks)
    most = min(math.ceil(largest_share * counted), _MOST_UNITS)
    pushes = list(search.pushes())
    kept, seen = keep_most_influential(
        units, search.moments, search.levels, search.pair, pushes, max(most, _FEWEST_KEPT)
    )
    if seen != round(sum(float(block.n) for block in search.moments.blocks)):
        return replace(start, reason="the data changed while it was read; ask again")
    found = [search.smallest(push, pool, most) for push, pool in zip(pushes, kept, strict=True)]
    sets = [chosen for chosen in found if chosen is not None]
    if not sets:
        return replace(start, reason=f"no removal of up to {most:,} units that was tried changes it")
    return _without(search, analysis, start, min(sets, key=lambda chosen: len(chosen.score)), counted)


def _without(search: _Search, analysis: Analysis, start: Removal, fewest: Kept, counted: float) -> Removal:
    """Say what is left without the units, the verdict on everything else being equal."""
    experiment, snapshot = search.experiment, search.snapshot
    reduced = search.without(fewest)
    after = search.refit(reduced)[0]
    others = {**snapshot.metrics, experiment.primary_metric.name: reduced}
    again = analyze_snapshot(experiment, replace(snapshot, metrics=others)).decision.verdict
    return replace(
        start,
        becomes=finding_of(experiment, after),
        verdict="invalid" if analysis.decision.verdict == "invalid" else again,
        units=len(fewest.score),
        share=len(fewest.score) / counted,
        lift_after=after.lift.value,
        p_value_after=after.p_value_adjusted,
    )


def finding_of(experiment: Experiment, one: ComparisonResult) -> Finding:
    """Say what the primary metric says of a treatment, in one word."""
    if not one.is_significant:
        return "not_significant"
    if one.direction != "better":
        return "worse"
    short = reaches(one, experiment.primary_metric.goal, experiment.practical_threshold) is False
    return "below_threshold" if short else "better"


@dataclass(frozen=True, slots=True)
class _Search:
    """One treatment's comparison, ready to be computed again without some units."""

    experiment: Experiment
    snapshot: Snapshot
    moments: MetricMoments
    variant: str
    one: ComparisonResult
    levels: Levels
    test: Test

    @classmethod
    def of(cls, experiment: Experiment, snapshot: Snapshot, variant: str) -> _Search | Removal:
        metric = experiment.primary_metric
        result, inference = compare_metric(experiment, metric, "primary", snapshot)
        place = [treatment.name for treatment in experiment.treatments].index(variant)
        one, moments = result.comparisons[place], snapshot.metrics[metric.name]
        if inference is None or not isinstance(moments, MetricMoments) or one.difference.low is None:
            return Removal(finding_of(experiment, one), reason=one.difference.reason or "there is no interval")
        return cls(experiment, snapshot, moments, variant, one, inference.levels, inference.tests[place])

    @property
    def finding(self) -> Finding:
        return finding_of(self.experiment, self.one)

    @property
    def pair(self) -> tuple[int, int]:
        names = [variant.name for variant in self.experiment.variants]
        return names.index(self.variant), names.index(self.experiment.control.name)

    @property
    def blocks(self) -> tuple[int, ...]:
        return (0,) if len(self.moments.blocks) == 1 else self.pair

    def pushes(self) -> Iterator[Push]:
        """The ways in which the finding can change, as what lowers or raises the contrast."""
        better = 1.0 if self.experiment.primary_metric.goal == "maximize" else -1.0
        alpha = self.experiment.alpha / len(self.experiment.treatments)
        effect = Comparison(self.levels, *self.pair, self.test).effect()
        wide = float(self.test.multiplier(effect, alpha))
        threshold = self.experiment.practical_threshold
        line = 1 + better * (threshold or 0.0)
        if self.finding == "not_significant":
            yield from (Push(1.0, -better, -wide), Push(1.0, better, -wide))
        elif self.finding == "worse":
            yield Push(1.0, -better, wide)
        else:
            yield Push(1.0, better, wide)
            if threshold:
                yield Push(line, better if self.finding == "better" else -better, 0.0)

    def refit(self, moments: MetricMoments) -> tuple[ComparisonResult, Levels]:
        """Compute the comparison again; sizes of the plan count as reached."""
        metric = self.experiment.primary_metric
        snapshot = replace(self.snapshot, metrics={metric.name: moments})
        result, inference = compare_metric(self.experiment, metric, "primary", snapshot)
        one = next(one for one in result.comparisons if one.variant == self.variant)
        return one, self.levels if inference is None else inference.levels

    def without(self, gone: Kept) -> MetricMoments:
        """The moments of the units that are left."""
        blocks = [one.without(gone.rows[gone.block == place]) for place, one in enumerate(self.moments.blocks)]
        return replace(self.moments, blocks=tuple(blocks))

    def smallest(self, push: Push, pool: Kept, most: int) -> Kept | None:
        """Take out the most influential by one ranking, then one by one, ranking again after each."""
        best = self._bisect(pool, min(most, len(pool.score)))
        fewer = most if best is None else len(best.score) - 1
        return self._one_by_one(push, pool, min(fewer, len(pool.score), _MOST_STEPS)) or best

    def _one_by_one(self, push: Push, pool: Kept, most: int) -> Kept | None:
        """At most so many that change the finding; what is left decides who is influential next."""
        left, places = np.ones(len(pool.score), dtype=bool), list[int]()
        moments, levels = self.moments, self.levels
        for _ in range(most):
            score = influence(moments, levels, self.pair, push, pool.block, pool.rows)
            place = int(np.argmax(np.where(left, score, -np.inf)))
            left[place] = False
            places.append(place)
            gone = pool.take(np.array(places))
            moments = self.without(gone)
            after, levels = self.refit(moments)
            if self._is_other(after):
                return gone
        return None

    def _bisect(self, pool: Kept, most: int) -> Kept | None:
        """The shortest beginning of the pool, of at most so many, that changes the finding."""
        sizes = [2**power for power in range(most.bit_length()) if 2**power < most] + [most] * (most > 0)
        low = 0
        for high in sizes:
            if self._changes(pool, high):
                break
            low = high
        else:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._changes(pool, middle) else (middle, high)
        return pool.take(np.arange(high))

    def _changes(self, pool: Kept, size: int) -> bool:
        return self._is_other(self.refit(self.without(pool.take(np.arange(size))))[0])

    def _is_other(self, after: ComparisonResult) -> bool:
        return after.difference.low is not None and finding_of(self.experiment, after) != self.finding
