"""Exposures in one table and events in another: what counts for whom, the same in every engine."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import abkit as ab
from abkit.analyzer.analyzer import analyze_snapshot
from abkit.collectors import Source, collect
from abkit.collectors.engines import DuckDB
from abkit.collectors.units import read_units
from abkit.errors import DataError, DefinitionError, NotFoundError
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio
from abkit.models.metric import Metric
from abkit.snapshot import MetricMoments
from tests.engines.conftest import ENGINES_IN_FULL, Place
from tests.engines.plans import counting
from tests.engines.test_same_numbers import experiment

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = pd.Timedelta(days=1)
UNITS, STRANGERS = 120, 30
EXPOSURES = {"unit": "user", "time": "at"}
EVENTS = {"unit": "who", "time": "happened"}
METRICS = (
    Mean("revenue"),
    Mean("revenue", name="three days", window=3),
    Mean("revenue", name="capped", cap=0.9),
    Mean("revenue", name="adjusted", window=3, covariate="before"),
    Mean("events"),
    Proportion("bought", name="ever bought"),
    Proportion("bought", name="bought in a day", window=1),
    Ratio("revenue", "calls"),
    Quantile("revenue", 0.5, name="median of totals"),
)


def moments(*metrics: Any, source: Source, **options: Any) -> dict[str, MetricMoments]:
    return collect(experiment(*metrics), source, now=NOW, **options).metrics  # type: ignore[return-value]


@pytest.fixture(scope="module")
def exposures() -> pd.DataFrame:
    """Every unit once, every third one again a day later."""
    rng = np.random.default_rng(3)
    unit = np.arange(UNITS)
    first = pd.DataFrame(
        {
            "user": [f"u{one:03d}" for one in unit],
            "variant": np.array(["a", "b"])[unit % 2],
            "at": pd.Timestamp("2026-01-10") + pd.to_timedelta(rng.integers(0, 4 * 86_400, UNITS), unit="s"),
            "country": np.array(["fr", "de", "it"])[unit % 3],
            "before": rng.normal(5, 1, UNITS),
            "kept": unit % 10 > 0,
        }
    )
    again = first[::3].assign(at=first["at"][::3] + DAY)
    return pd.concat([first, again], ignore_index=True).sample(frac=1, random_state=1, ignore_index=True)


@pytest.fixture(scope="module")
def events(exposures: pd.DataFrame) -> pd.DataFrame:
    """Before and after exposure, of strangers too; one at the very moment of exposure, one at the end of its window."""
    rng = np.random.default_rng(4)
    size = 1_500
    first = exposures.groupby("user")["at"].min()
    times = pd.Timestamp("2026-01-08") + pd.to_timedelta(rng.integers(0, 12 * 86_400, size), unit="s")
    who = np.array([f"u{one:03d}" for one in rng.integers(0, UNITS + STRANGERS, size)])
    made = pd.DataFrame({"who": who, "happened": times})
    edges = pd.DataFrame({"who": "u001", "happened": [first["u001"], first["u001"] + DAY, first["u001"] + 3 * DAY]})
    made = pd.concat([made, edges], ignore_index=True)
    made["revenue"] = rng.lognormal(0, 1, len(made))
    made["bought"] = (rng.random(len(made)) < 0.05).astype(np.int64)
    made["calls"] = rng.integers(1, 5, len(made))
    return made


def by_hand(exposures: pd.DataFrame, events: pd.DataFrame, window: float | None = None) -> pd.DataFrame:
    """What each exposed unit adds up to, with pandas."""
    units = exposures.groupby(["user", "variant"], as_index=False)["at"].min()
    joined = units.merge(events, left_on="user", right_on="who")
    joined = joined[joined["happened"] >= joined["at"]]
    if window is not None:
        joined = joined[joined["happened"] < joined["at"] + window * DAY]
    added = joined.groupby("user").agg(
        revenue=("revenue", "sum"), bought=("bought", "max"), calls=("calls", "sum"), events=("who", "size")
    )
    return units.merge(added, on="user", how="left").fillna({"revenue": 0, "bought": 0, "calls": 0, "events": 0})


def level(found: dict[str, MetricMoments], name: str, variant: int) -> float:
    return float(found[name].level(np.stack([block.mean for block in found[name].blocks]))[variant])


def arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture
def both(place: Place, exposures: pd.DataFrame, events: pd.DataFrame) -> Source:
    shown = place(arrow(exposures), called="exposures", segments=["country"], **EXPOSURES)
    return shown.with_events(place(arrow(events), called="events", **EVENTS))


def in_frames(exposures: pd.DataFrame, events: pd.DataFrame, **keys: Any) -> Source:
    return Source.frame(exposures, **EXPOSURES, **keys).with_events(Source.frame(events, **EVENTS))


@pytest.mark.parametrize("place", ENGINES_IN_FULL, indirect=True)
def test_every_engine_adds_up_what_pandas_does(both: Source, exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    snapshot = collect(experiment(*METRICS), both, now=NOW)
    analysis = analyze_snapshot(experiment(*METRICS), snapshot)
    named = {metric.name: metric for metric in analysis.metrics}
    for variant in "ab":
        alls, three, day = (by_hand(exposures, events, window) for window in (None, 3, 1))
        alls, three, day = (frame[frame["variant"] == variant] for frame in (alls, three, day))
        expected = {
            "revenue": alls["revenue"].mean(),
            "three days": three["revenue"].mean(),
            "capped": alls["revenue"].clip(upper=by_hand(exposures, events)["revenue"].quantile(0.9)).mean(),
            "events": alls["events"].mean(),
            "ever bought": alls["bought"].mean(),
            "bought in a day": day["bought"].mean(),
            "revenue_per_calls": alls["revenue"].sum() / alls["calls"].sum(),
            "median of totals": alls["revenue"].median(),
        }
        for name, value in expected.items():
            assert named[name].levels[variant].value == pytest.approx(value, rel=1e-9), name
    assert named["adjusted"].comparisons[0].difference.se < named["three days"].comparisons[0].difference.se
    assert analysis.data.units == analysis.data.rows == UNITS
    counted = by_hand(exposures, events)["events"].sum()
    assert analysis.data.rows_left_out == len(events) - counted > 0
    assert analysis.as_of == events["happened"].max().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert sorted(one.value for one in snapshot.segments[0].segments) == ["de", "fr", "it"]


def test_all_windows_given_reads_no_event_after_the_longest(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    metrics = (Mean("revenue", window=1), Mean("events", name="n", window=3))
    snapshot = collect(experiment(*metrics), in_frames(exposures, events), now=NOW)
    assert snapshot.rows_left_out == len(events) - by_hand(exposures, events, 3)["events"].sum()


def test_what_is_after_as_of_does_not_count(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    end = pd.Timestamp("2026-01-12")
    snapshot = collect(experiment(Mean("revenue")), in_frames(exposures, events), now=NOW, as_of=end.tz_localize("UTC"))
    until = by_hand(exposures[exposures["at"] <= end], events[events["happened"] <= end])
    assert sum(snapshot.units.values()) == len(until) < UNITS
    assert level(snapshot.metrics, "revenue", 0) == pytest.approx(until[until["variant"] == "a"]["revenue"].mean())  # type: ignore[arg-type]
    assert snapshot.as_of == "2026-01-12T00:00:00Z"


def test_filters_are_those_of_exposures(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    snapshot = collect(experiment(Mean("revenue")), in_frames(exposures, events, where={"kept": True}), now=NOW)
    kept = by_hand(exposures[exposures["kept"]], events)
    assert sum(snapshot.units.values()) == len(kept) < UNITS
    assert snapshot.rows_left_out == len(events) - kept["events"].sum()


def test_windows_that_are_not_over_are_counted(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    found = moments(Mean("revenue"), Mean("calls", window=7), source=in_frames(exposures, events))
    first = exposures.groupby("user")["at"].min()
    waiting = (first + 7 * DAY > events["happened"].max()).sum()
    assert found["calls"].notes == (f"the 7 days of {waiting} of {UNITS} units are not over yet",)
    assert 0 < waiting < UNITS
    assert found["revenue"].notes == ()


def test_units_in_two_variants_follow_the_policy(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    other = exposures[exposures["user"] == "u001"].assign(variant="a")
    mixed = pd.concat([exposures, other.assign(at=other["at"] + DAY)])
    excluded = collect(experiment(Mean("revenue")), in_frames(mixed, events), now=NOW)
    assert (sum(excluded.units.values()), excluded.contaminated_units) == (UNITS - 1, 1)
    first = collect(experiment(Mean("revenue")), in_frames(mixed, events, units_in_two_variants="first"), now=NOW)
    plain = collect(experiment(Mean("revenue")), in_frames(exposures, events), now=NOW)
    assert first.units == plain.units
    assert level(first.metrics, "revenue", 1) == pytest.approx(level(plain.metrics, "revenue", 1))  # type: ignore[arg-type]
    assert first.rows_left_out == plain.rows_left_out == excluded.rows_left_out


def test_repeated_events_are_seen(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    twice = pd.concat([events, events[:7]])
    assert collect(experiment(Mean("revenue")), in_frames(exposures, twice), now=NOW).duplicated_rows == 7
    assert collect(experiment(Mean("revenue")), in_frames(exposures, events), now=NOW).duplicated_rows == 0


def test_a_segment_that_changed_has_a_name_of_its_own(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    moved = pd.concat([exposures, exposures[exposures["user"] == "u002"].assign(country="de")])
    snapshot = collect(experiment(Mean("revenue")), in_frames(moved, events, segments=["country"]), now=NOW)
    assert {one.value: sum(one.units.values()) for one in snapshot.segments[0].segments}["(several)"] == 1


def _changed(frame: pd.DataFrame, column: str, value: Any) -> pd.DataFrame:
    changed = frame.astype({column: object}) if isinstance(value, str) else frame.copy()
    changed.loc[changed.index[:2], column] = value
    return changed


@pytest.mark.parametrize(
    ("column", "value", "metric", "told"),
    [
        ("happened", pd.NaT, Mean("revenue"), "2 rows have no readable time"),
        ("revenue", "1,5", Mean("revenue"), "2 rows hold text, such as '1,5'"),
        ("revenue", np.inf, Mean("revenue"), "infinite"),
        ("bought", 2, Proportion("bought"), "values other than 0 and 1"),
        ("bought", -1, Proportion("bought"), "values other than 0 and 1"),
    ],
)
def test_bad_events_are_told(
    exposures: pd.DataFrame, events: pd.DataFrame, column: str, value: Any, metric: Metric, told: str
) -> None:
    exposed = events.assign(who="u001", happened=pd.Timestamp("2026-01-17"))
    with pytest.raises(DataError, match=told):
        collect(experiment(metric), in_frames(exposures, _changed(exposed, column, value)), now=NOW)


def test_bad_exposures_are_told(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="2 rows have no readable time"):
        collect(experiment(Mean("revenue")), in_frames(_changed(exposures, "at", pd.NaT), events), now=NOW)
    with pytest.raises(DataError, match="have no readable unit"):
        collect(experiment(Mean("revenue")), in_frames(_changed(exposures, "user", ""), events), now=NOW)


def test_units_written_in_two_ways_are_not_taken_for_units_without_events(events: pd.DataFrame) -> None:
    numbers = pd.DataFrame({"user": [1.0, 2.0], "variant": ["a", "b"], "at": pd.Timestamp("2026-01-01")})
    with pytest.raises(DataError, match=r"no event of the frame .*7 and 7\.0 are different"):
        collect(experiment(Mean("revenue")), in_frames(numbers, events.assign(who=1)), now=NOW)


def test_columns_are_looked_for_where_they_belong(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    with pytest.raises(NotFoundError, match=r"'revenu' \(for primary metric 'revenu'\)"):
        collect(experiment(Mean("revenu")), in_frames(exposures, events), now=NOW)
    with pytest.raises(NotFoundError, match=r"'country' \(for primary metric 'country'\)"):
        collect(experiment(Mean("country")), in_frames(exposures, events), now=NOW)
    with pytest.raises(NotFoundError, match=r"'calls' \(for a covariate\)"):
        collect(experiment(Mean("revenue", covariate="calls")), in_frames(exposures, events), now=NOW)


def test_what_cannot_be_meant_is_refused(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    with pytest.raises(DefinitionError, match="a window counts days from the exposure"):
        collect(experiment(Mean("before", window=7)), Source.frame(exposures), now=NOW)
    with pytest.raises(DefinitionError, match="say the exposures' `unit` and `time`"):
        Source.frame(exposures, unit="user").with_events(Source.frame(events, **EVENTS))
    with pytest.raises(DefinitionError, match="has no unit or no time"):
        Source.frame(exposures, **EXPOSURES).with_events(Source.frame(events))
    with pytest.raises(DefinitionError, match="put both into one engine"):
        Source.frame(exposures, **EXPOSURES).with_events(Source.sql("sqlite://", "events", **EVENTS))
    with pytest.raises(DefinitionError, match="a paired unit has several"):
        Source.frame(exposures, unit="user", time="at", design="paired", events={"path": "events.csv"})
    with pytest.raises(DefinitionError, match="not added up for a plan"):
        ab.plan(experiment(Mean("revenue")), in_frames(exposures, events))


def test_units_one_by_one_are_those_of_the_moments(exposures: pd.DataFrame, events: pd.DataFrame) -> None:
    one, source = experiment(Mean("revenue", window=3)), in_frames(exposures, events)
    read = list(read_units(one, source))
    blocks, rows = np.concatenate([part[0] for part in read]), np.concatenate([part[1] for part in read])
    block = collect(one, source, now=NOW).metrics["revenue"].blocks[1]  # type: ignore[union-attr]
    assert rows[blocks == 1].mean(axis=0) == pytest.approx(block.mean, abs=1e-12)


def test_files_named_in_an_experiment(exposures: pd.DataFrame, events: pd.DataFrame, tmp_path: Path) -> None:
    exposures.to_parquet(tmp_path / "exposures.parquet")
    events.rename(columns={"who": "user"}).to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "one.yml").write_text(
        "key: one\nvariants:\n- {name: a, traffic_percentage: 50, is_control: true}\n"
        "- {name: b, traffic_percentage: 50}\n"
        "primary_metric: {kind: mean, column: revenue, window: 3}\nmin_sample_size: 20\ndata:\n"
        "  {path: exposures.parquet, unit: user, time: at, events: {path: events.csv, time: happened}}\n"
    )
    one = Experiment.from_yaml(tmp_path / "one.yml")
    assert Experiment.from_dict(one.to_dict()) == replace(one, data=replace(one.data, folder=""))
    analysis = ab.analyze(one)
    three = by_hand(exposures, events, 3)
    assert analysis.metrics[0].levels["a"].value == pytest.approx(three[three["variant"] == "a"]["revenue"].mean())
    before = analysis.data.fingerprint
    events.rename(columns={"who": "user"})[:-1].to_csv(tmp_path / "events.csv", index=False)
    assert ab.analyze(one).data.fingerprint != before


def test_events_are_joined_once(
    exposures: pd.DataFrame, events: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exposures.to_parquet(tmp_path / "exposures.parquet")
    events.to_parquet(tmp_path / "events.parquet")
    source = Source.parquet(tmp_path / "exposures.parquet", segments=["country"], **EXPOSURES)
    both = source.with_events(Source.parquet(tmp_path / "events.parquet", **EVENTS))
    joins: list[int] = []
    monkeypatch.setattr(DuckDB, "keep", counting(joins, DuckDB.keep))
    collect(experiment(*METRICS), both, now=NOW)
    assert joins == [2]
