"""Units that have given baselines: what an experiment is planned and simulated with where there is no past data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from abkit.errors import ParameterError, suggest
from abkit.models import Baseline, Experiment, Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.snapshot import Population
from abkit.stats.moments import Array

_UNITS, _FEWEST, _MOST_ROWS = 20_000, 2_000, 400_000
_LARGEST_CV = 20.0


@dataclass(frozen=True, slots=True)
class _Shape:
    """Units, variants that each unit appears in, rows in each of them, and where randomness comes from."""

    units: int
    variants: int
    rows: int
    rng: np.random.Generator

    def of(self, rows: int) -> _Shape:
        return replace(self, rows=rows)

    @property
    def each(self) -> tuple[int, int, int]:
        return self.units, self.variants, self.rows

    def shuffled(self, values: Array) -> Array:
        """The same values in an order of its own for each variant and row, so that each has their mean."""
        return self.rng.permuted(np.broadcast_to(values[:, None, None], self.each), axis=0)


def synthetic_population(
    experiment: Experiment, baselines: Mapping[str, float | Baseline], rng: np.random.Generator
) -> Population:
    """Make about 20,000 units whose levels are the baselines' to many digits, and whose spread is to about 1 %.

    Values are evenly spaced quantiles in random order, independent between metrics: beta-binomial for a proportion,
    gamma for a mean or a ratio (normal where the level is not positive), lognormal for a quantile.

    Parameters
    ----------
    experiment : Experiment
    baselines : mapping
        Metric name -> level or `Baseline`. A metric that reads a column of another one follows from that one's.
    rng : numpy Generator

    Returns
    -------
    Population
        Paired where the experiment's data is.

    Raises
    ------
    ParameterError
        A baseline that is missing, unknown or impossible for its metric; all problems in one message.

    Examples
    --------
    >>> from abkit.models import Variant
    >>> variants = [Variant("a", 50, is_control=True), Variant("b", 50)]
    >>> experiment = Experiment(key="made-up", variants=variants, primary_metric=Proportion("success"))
    >>> population = synthetic_population(experiment, {"success": 0.125}, np.random.default_rng(1))
    >>> population.units, float(population.columns["success"].mean())
    (20000, 0.125)
    """
    given = _checked(experiment, baselines)
    rates = [(metric, one) for metric, one in given if isinstance(metric, Proportion)]
    paired = experiment.data is not None and experiment.data.design == "paired"
    variants = len(experiment.variants) if paired else 1
    rows = max(one.rows_per_unit for _, one in given)
    fewest = int(np.clip(_MOST_ROWS // (variants * rows), _FEWEST, _UNITS))
    shape = _Shape(_units(fewest, [one.level * one.rows_per_unit for _, one in rates]), variants, rows, rng)
    columns: dict[str, Array] = {}
    signals: dict[str, list[tuple[float, Array]]] = {}
    for metric, baseline in given:
        values = _values(metric, baseline, shape.of(baseline.rows_per_unit))
        if isinstance(metric, Ratio):
            below = columns.setdefault(metric.denominator, np.ones(shape.each))[..., : baseline.rows_per_unit]
            columns[metric.numerator] = _widened(
                baseline.level * below + (values - baseline.level) * below.mean(), rows
            )
        else:
            columns[metric.columns[0]] = _widened(values, rows)
        if metric.covariate is not None:
            rank = -1.0 * (values <= baseline.level) if isinstance(metric, Quantile) else values
            signals.setdefault(metric.covariate, []).append((baseline.correlation, rank.mean(axis=(1, 2))))
    for name, parts in signals.items():
        columns[name] = np.broadcast_to(_covariate(name, parts, shape)[:, None, None], shape.each)
    per_unit = variants * rows
    return Population(
        units=shape.units,
        unit=np.repeat(np.arange(shape.units), per_unit),
        columns={name: np.ascontiguousarray(values).ravel() for name, values in columns.items()},
        all_units=shape.units,
        variant=np.tile(np.repeat(np.arange(variants), rows), shape.units) if paired else None,
        note=f"baseline numbers, as {shape.units:,} made-up units with these levels and spreads",
    )


def _checked(experiment: Experiment, baselines: Mapping[str, float | Baseline]) -> list[tuple[Metric, Baseline]]:
    """Each metric that has a baseline, ratios last: their denominator may be another metric's column."""
    given = {name: one if isinstance(one, Baseline) else Baseline(one) for name, one in baselines.items()}
    metrics = {metric.name: metric for metric, _ in experiment.metrics}
    problems = [f"no metric {name!r}{suggest(name, metrics)}" for name in given if name not in metrics]
    taken: dict[str, str] = {}
    rows = max((one.rows_per_unit for one in given.values()), default=1)
    for name, metric in metrics.items():
        if name in given:
            problems += _problems(metric, given[name], rows)
            column = metric.columns[0]
            if column in taken:
                problems.append(f"{name!r} reads the column of {taken[column]!r}: give a baseline for one of the two")
            taken[column] = name
    covariates = {metric.covariate for metric in metrics.values()}
    problems += [f"{taken[column]!r} is a covariate too; give past data" for column in taken if column in covariates]
    known = {*taken, *(metric.denominator for metric in metrics.values() if isinstance(metric, Ratio))}
    lost = [name for name, metric in metrics.items() if name not in given and not known.issuperset(metric.columns)]
    problems += [f"{name!r} has no baseline" for name in lost]
    if problems:
        raise ParameterError(
            "\n".join(["these baselines cannot be planned with:", *(f"  - {one}" for one in problems)])
        )
    pairs = [(metric, given[name]) for name, metric in metrics.items() if name in given]
    return sorted(pairs, key=lambda pair: isinstance(pair[0], Ratio))


def _problems(metric: Metric, baseline: Baseline, rows: int) -> Iterator[str]:
    level, sd, name = baseline.level, baseline.sd, repr(metric.name)
    if isinstance(metric, Proportion):
        if not 0 < level < 1:
            yield f"{name} is a proportion: its level lies between 0 and 1, not at {level:g}"
        elif sd is not None and abs(sd - (level * (1 - level)) ** 0.5) > 0.01 * sd:
            yield f"{name} is a proportion: its level gives its sd; leave sd out"
    elif sd is None:
        yield f"{name} is a {metric.kind}: give its spread too, ab.Baseline(level={level:g}, sd=...)"
    elif level > 0 and sd > _LARGEST_CV * level:
        yield f"{name}: an sd of more than {_LARGEST_CV:g} times the level rests on single units; give past data"
    if isinstance(metric, Quantile) and level <= 0:
        yield f"{name} is a quantile, taken as lognormal: its level must be positive"
    elif isinstance(metric, Quantile) and sd is not None and _log_sd(metric.q, sd / level, _FEWEST) is None:
        yield f"{name}: no lognormal has this quantile and this sd; give past data"
    if baseline.correlation and metric.covariate is None:
        yield f"{name} has no covariate to be correlated with; name it in the metric: covariate: ..."
    if metric.missing == "zero" and baseline.rows_per_unit < rows:
        yield f"{name} counts missing rows as zero: give it the {rows} rows_per_unit of the other metrics"


def _units(fewest: int, successes: list[float]) -> int:
    """A number of units that gives every rate a whole number of successes, as nearly as there is one."""
    if not successes:
        return fewest
    units = np.arange(fewest, 2 * fewest)
    exact = units[:, None] * np.array(successes)
    return int(units[(np.abs(exact - np.round(exact)) / exact).max(axis=1).round(12).argmin()])


def _widened(values: Array, rows: int) -> Array:
    """A metric with fewer rows than others has no value in the rest."""
    return np.pad(values, ((0, 0), (0, 0), (0, rows - values.shape[2])), constant_values=np.nan)


def _values(metric: Metric, baseline: Baseline, shape: _Shape) -> Array:
    """Values (units, variants, rows) of one metric."""
    if isinstance(metric, Proportion):
        return _rates(baseline, shape)
    if isinstance(metric, Quantile):
        return _lognormal(metric.q, baseline, shape)
    alike = baseline.icc if shape.variants * shape.rows > 1 else 0.0
    assert baseline.sd is not None
    level, sd = baseline.level, baseline.sd
    values = shape.shuffled(_grid((1 - alike) * level, (1 - alike) ** 0.5 * sd, shape.units))
    if alike:  # the sum of two gammas of one scale is a gamma, and the share of the common one is the icc
        values = values + shape.rng.permutation(_grid(alike * level, alike**0.5 * sd, shape.units))[:, None, None]
    return values


def _middles(size: int) -> Array:
    return (np.arange(size) + 0.5) / size


def _grid(mean: float, sd: float, size: int) -> Array:
    """Quantiles of a gamma (or, of a mean that is not positive, a normal) whose own mean and sd are as given."""
    if mean <= 0:
        normal = special.ndtri(_middles(size))
        return np.asarray(mean + sd * normal / normal.std())
    places = _middles(size)

    def values(log_shape: float) -> Array:
        drawn = special.gammaincinv(np.exp(log_shape), places)
        return np.asarray(drawn / drawn.mean())

    first = -2 * np.log(sd / mean)
    found = optimize.brentq(lambda shape: values(shape).std() - sd / mean, first - 3, first + 3, xtol=1e-9)
    return mean * values(float(found))


def _log_values(q: float, log_sd: float, units: int) -> Array:
    """Quantiles of a lognormal whose own q-quantile is 1."""
    values = np.exp(log_sd * special.ndtri(_middles(units)))
    return np.asarray(values / np.quantile(values, q))


def _log_sd(q: float, cv: float, units: int) -> float | None:
    """The sd of the logarithms that gives values an sd of `cv` times their q-quantile; the smallest of several."""

    def gap(log_sd: float) -> float:
        return float(_log_values(q, log_sd, units).std()) - cv

    sizes = np.geomspace(1e-4, 4, 50)
    above = next((place for place, size in enumerate(sizes) if gap(size) >= 0), 0)
    return float(optimize.brentq(gap, sizes[above - 1], sizes[above], xtol=1e-12)) if above else None


def _lognormal(q: float, baseline: Baseline, shape: _Shape) -> Array:
    assert baseline.sd is not None
    log_sd = _log_sd(q, baseline.sd / baseline.level, shape.units)
    assert log_sd is not None
    noise = shape.rng.normal(size=shape.each) * (1 - baseline.icc) ** 0.5
    noise += (shape.rng.normal(size=shape.units) * baseline.icc**0.5)[:, None, None]
    ranks = noise.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return np.asarray(baseline.level * _log_values(q, log_sd, shape.units)[ranks])


def _rates(baseline: Baseline, shape: _Shape) -> Array:
    """0/1 rows, of each unit a beta-binomial number of ones, of each variant the same number."""
    size = shape.variants * shape.rows
    total = shape.variants * round(shape.units * shape.rows * baseline.level)
    counts = shape.rng.permutation(_whole_counts(_beta_binomial(size, baseline.level, baseline.icc), shape.units))
    short = total - int(counts.sum())
    able = np.flatnonzero(counts < size if short > 0 else counts > 0)
    counts[shape.rng.choice(able, abs(short), replace=False)] += np.sign(short)
    order = shape.rng.random((shape.units, size)).argsort(axis=1).argsort(axis=1)
    ones = (order < counts[:, None]).reshape(shape.each)
    for place in range(shape.variants - 1):
        _level_out(ones, place, total // shape.variants, shape.rng)
    return ones.astype(np.float64)


def _beta_binomial(size: int, rate: float, icc: float) -> Array:
    """Chances of 0 to `size` ones among rows that are alike to the degree `icc` (Skellam 1948)."""
    k = np.arange(size + 1)
    ways = special.gammaln(size + 1) - special.gammaln(k + 1) - special.gammaln(size - k + 1)
    if icc == 0 or size == 1:
        return np.asarray(np.exp(ways + special.xlogy(k, rate) + special.xlogy(size - k, 1 - rate)))
    a, b = rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1)
    return np.asarray(np.exp(ways + special.betaln(k + a, size - k + b) - special.betaln(a, b)))


def _whole_counts(chances: Array, units: int) -> np.ndarray:
    """Each number of ones as often as its chance says, by largest remainders."""
    exact = units * chances / chances.sum()
    whole = np.floor(exact).astype(np.intp)
    whole[np.argsort(whole - exact, kind="stable")[: units - int(whole.sum())]] += 1
    return np.repeat(np.arange(len(chances)), whole)


def _level_out(ones: np.ndarray, place: int, wanted: int, rng: np.random.Generator) -> None:
    """Move ones between a variant and the next, within units, until it has as many as wanted."""
    excess = int(ones[:, place].sum()) - wanted
    giver, taker = (place, place + 1) if excess > 0 else (place + 1, place)
    able = np.flatnonzero(ones[:, giver].any(axis=1) & ~ones[:, taker].all(axis=1))
    moved = rng.choice(able, min(abs(excess), len(able)), replace=False)
    ones[moved, giver, ones[moved, giver].argmax(axis=1)] = False
    ones[moved, taker, ones[moved, taker].argmin(axis=1)] = True


def _covariate(name: str, parts: list[tuple[float, Array]], shape: _Shape) -> Array:
    """Mean 0 and variance 1, with the given correlation with each signal."""
    wanted = np.array([correlation for correlation, _ in parts])
    known = np.stack([(signal - signal.mean()) / signal.std() for _, signal in parts], axis=1)
    slopes = np.linalg.solve(known.T @ known / shape.units, wanted)
    rest = 1 - float(slopes @ wanted)
    if rest <= 0:
        raise ParameterError(f"no covariate {name!r} has all these correlations: their squares add up to more than 1")
    noise = shape.rng.permutation(special.ndtri(_middles(shape.units)))
    noise = noise - known @ np.linalg.lstsq(known, noise, rcond=None)[0]
    return np.asarray(known @ slopes + rest**0.5 * (noise - noise.mean()) / noise.std())
