import hashlib
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sqlalchemy import FromClause, Select, literal, select

from abkit.collectors import Source, collect, duplicates
from abkit.errors import AbkitError, DataError, DefinitionError, NotFoundError
from abkit.models import Experiment, Mean, Proportion, Quantile, Ratio, Variant
from abkit.snapshot import MetricMoments, NotCollected
from abkit.stats import Moments, delta_method

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def experiment(*metrics: object, variants: tuple[str, ...] = ("a", "b")) -> Experiment:
    share = 100 / len(variants)
    return Experiment(
        key="demo",
        variants=[Variant(name, share, is_control=place == 0) for place, name in enumerate(variants)],
        primary_metric=metrics[0],
        secondary_metrics=list(metrics[1:]),
    )


def events(seed: int = 1, units: int = 60, variants: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    """Several rows per unit, each unit in one variant."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 6, units)
    unit = np.repeat(np.arange(units), rows)
    return pd.DataFrame(
        {
            "variant": np.array(variants)[unit % len(variants)],
            "unit": [f"{u:03d}" for u in unit],
            "cost": rng.lognormal(0, 1, unit.size) + unit / units,
            "success": rng.integers(0, 2, unit.size),
            "calls": rng.integers(1, 9, unit.size),
            "before": (unit / units) + rng.normal(0, 0.1, unit.size),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10, unit.size), "D"),
        }
    )


def levels(snapshot, name):  # type: ignore[no-untyped-def]
    moments = snapshot.metrics[name]
    assert isinstance(moments, MetricMoments)
    return delta_method(moments.level, moments.blocks, moments.width)


def by_hand(frame: pd.DataFrame, numerator: str, denominator: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Level and standard error per variant by pandas and the linearised variance."""
    value, se = [], []
    for _, part in frame.assign(one=1.0).groupby("variant"):
        sums = part.groupby("unit")[[numerator, denominator or "one"]].sum().to_numpy(float)
        ratio = sums[:, 0].sum() / sums[:, 1].sum()
        residual = sums[:, 0] - ratio * sums[:, 1]
        value.append(ratio)
        se.append(np.sqrt(residual.var(ddof=1) / len(sums)) / sums[:, 1].mean())
    return np.array(value), np.array(se)


FRAMES = {"pandas": lambda frame: frame, "polars": pl.from_pandas, "arrow": pa.Table.from_pandas}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_frame_gives_the_moments_computed_by_hand(kind: str) -> None:
    frame = events()
    one = experiment(Mean("cost"), Proportion("success"), Ratio("cost", "calls"))
    snapshot = collect(one, Source.frame(FRAMES[kind](frame), unit="unit"), now=NOW)
    assert snapshot.units == frame.groupby("variant")["unit"].nunique().to_dict()
    assert snapshot.rows == frame.groupby("variant").size().to_dict()
    for name, numerator, denominator in (
        ("cost", "cost", None),
        ("success", "success", None),
        ("cost_per_calls", "cost", "calls"),
    ):
        value, se = by_hand(frame, numerator, denominator)
        np.testing.assert_allclose(levels(snapshot, name).value, value, rtol=1e-12)
        np.testing.assert_allclose(levels(snapshot, name).se, se, rtol=1e-9)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_every_file_format_and_a_glob_give_the_same(tmp_path: Path, suffix: str) -> None:
    frame = events()
    for place, part in enumerate((frame[:50], frame[50:])):
        name = tmp_path / f"part{place}{suffix}"
        part.to_parquet(name) if suffix == ".parquet" else part.to_csv(name, index=False)
    read = Source.parquet if suffix == ".parquet" else Source.csv
    one = experiment(Mean("cost"), Quantile("cost", 0.5))
    from_files = collect(one, read(tmp_path / f"part*{suffix}", unit="unit", time="at"), now=NOW)
    from_frame = collect(one, Source.frame(frame, unit="unit", time="at"), now=NOW)
    for name in ("cost", "cost_p50"):
        np.testing.assert_allclose(levels(from_files, name).value, levels(from_frame, name).value, rtol=1e-12)
        np.testing.assert_allclose(levels(from_files, name).se, levels(from_frame, name).se, rtol=1e-9)
    assert from_files.as_of == from_frame.as_of == f"{frame['at'].max():%Y-%m-%dT%H:%M:%SZ}"
    assert from_files.fingerprint.startswith("sha256:")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["at", "qualify", "select", "x,y%", 'say "so"', "a:b", "$1"])
def test_a_column_may_be_called_what_sql_means_something_by(tmp_path: Path, suffix: str, name: str) -> None:
    frame = events().rename(columns={"at": "when"}).rename(columns={"cost": name})
    path = tmp_path / f"rows{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
    read = Source.parquet if suffix == ".parquet" else Source.csv
    found = collect(experiment(Mean(name)), read(path, unit="unit", segments=[name]), now=NOW)
    expected = frame.groupby("variant")[name].mean()
    np.testing.assert_allclose(levels(found, name).value, expected, rtol=1e-12)


def test_without_a_unit_every_row_is_one() -> None:
    frame = events()
    snapshot = collect(experiment(Mean("cost")), Source.frame(frame), now=NOW)
    grouped = frame.groupby("variant")["cost"]
    np.testing.assert_allclose(levels(snapshot, "cost").value, grouped.mean(), rtol=1e-12)
    np.testing.assert_allclose(levels(snapshot, "cost").se, grouped.sem(), rtol=1e-12)


def test_paired_units_stand_side_by_side() -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(5, 1, 40)
    frame = pd.concat(
        pd.DataFrame({"variant": name, "unit": range(40), "score": base + shift + rng.normal(0, 0.3, 40)})
        for name, shift in (("a", 0), ("b", 0.4), ("c", 1))
    )
    source = Source.frame(pd.concat([frame, frame[:1].assign(unit=99)]), unit="unit", design="paired")
    snapshot = collect(experiment(Mean("score"), variants=("a", "b", "c")), source, now=NOW)
    assert (snapshot.total_units, snapshot.incomplete_units) == (40, 1)
    wide = frame.pivot(index="unit", columns="variant", values="score")
    got = levels(snapshot, "score")
    np.testing.assert_allclose(got.value, wide.mean(), rtol=1e-12)
    np.testing.assert_allclose(got.covariance[0], wide.cov() / 40, rtol=1e-9)


def test_a_quantile_is_the_one_of_numpy_and_its_variance_is_clustered() -> None:
    frame = events(units=200)
    snapshot = collect(experiment(Quantile("cost", 0.9)), Source.frame(frame, unit="unit"), now=NOW)
    expected = frame.groupby("variant")["cost"].quantile(0.9)
    np.testing.assert_allclose(levels(snapshot, "cost_p90").value, expected, rtol=1e-12)
    assert (levels(snapshot, "cost_p90").se > 0).all()


def test_a_quantile_with_too_few_rows_is_refused_with_the_number_needed() -> None:
    snapshot = collect(experiment(Mean("cost"), Quantile("cost", 0.99)), Source.frame(events()), now=NOW)
    refused = snapshot.metrics["cost_p99"]
    assert isinstance(refused, NotCollected)
    assert "p99 needs at least" in refused.reason


def test_units_seen_in_two_variants_are_left_out_and_counted() -> None:
    frame = events()
    stray = frame[frame["unit"] == "000"].assign(variant="b")
    snapshot = collect(experiment(Mean("cost")), Source.frame(pd.concat([frame, stray]), unit="unit"), now=NOW)
    assert (snapshot.contaminated_units, snapshot.total_units) == (1, 60)
    value, _ = by_hand(frame[frame["unit"] != "000"], "cost", None)
    np.testing.assert_allclose(levels(snapshot, "cost").value, value, rtol=1e-12)


def test_equal_rows_are_counted() -> None:
    frame = events()
    snapshot = collect(experiment(Mean("cost")), Source.frame(pd.concat([frame, frame[:7]]), unit="unit"), now=NOW)
    assert snapshot.duplicated_rows == 7


def duplicated(frame: Any) -> int | None:
    return collect(experiment(Mean("cost")), Source.frame(frame, unit="unit"), now=NOW).duplicated_rows


def test_equal_hashes_are_not_yet_equal_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = events()
    twice = pd.concat([frame, frame[:7]])
    monkeypatch.setattr(duplicates, "_ROWS_AT_ONCE", 9)
    assert (duplicated(frame), duplicated(twice)) == (0, 7)  # of many parts
    statement = duplicates.hash_rows

    def same(table: FromClause, *others: Any) -> Select[Any]:
        return select(literal(5).label("hash")).select_from(statement(table, *others).subquery())

    monkeypatch.setattr(duplicates, "hash_rows", same)
    assert (duplicated(frame), duplicated(twice)) == (0, 7)


ODD = {
    "zeros": pa.array([0.0, -0.0]),
    "not numbers": pa.array(np.array([0x7FF8000000000001, 0xFFF8000000000002], np.uint64).view(np.float64)),
    "missing": pa.array([None, None], pa.string()),
    "lists": pa.array([[0.0, None], [-0.0, None]]),
    "structures": pa.array([{"x": 0.0}, {"x": -0.0}]),
    "fractions": pa.array([Decimal("1.50"), Decimal("1.5")]),
    "bytes": pa.array([b"\0", b"\0"]),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_equal_has_equal_hashes(kind: str) -> None:
    """DuckDB takes these for equal; hashes that differed would let them pass as two."""
    frame = pa.Table.from_pandas(events(), preserve_index=False).slice(0, 100)
    pair = frame.slice(0, 1).take([0, 0]).append_column("odd", ODD[kind])
    rest = frame.slice(1).append_column("odd", pa.nulls(99, ODD[kind].type))
    assert duplicated(pa.concat_tables([pair, rest])) == 1


@pytest.mark.parametrize("unit", [None, "unit"])
def test_days_cumulate_and_units_that_return_are_counted_once(unit: str | None) -> None:
    frame = events(units=80)
    source = Source.frame(frame, unit=unit, time="at")
    series = collect(experiment(Mean("cost"), Ratio("cost", "calls")), source, now=NOW).series
    assert list(series) == ["cost", "cost_per_calls"]
    days = sorted(frame["at"].unique())
    assert list(series["cost"].days) == [f"{day:%Y-%m-%d}" for day in days]
    moments = series["cost_per_calls"].moments
    daily = delta_method(moments.level, moments.blocks, moments.width)
    for look, day in enumerate(days):
        part = frame[frame["at"] <= day].assign(unit=lambda f: f["unit"] if unit else np.arange(len(f)))
        value, se = by_hand(part, "cost", "calls")
        np.testing.assert_allclose(daily.value[look], value, rtol=1e-10)
        np.testing.assert_allclose(daily.se[look], se, rtol=1e-8)
        assert daily.n[look].sum() == part["unit"].nunique()


def test_as_of_leaves_later_rows_out() -> None:
    frame = events()
    limit = datetime(2026, 1, 4, 23, 59, tzinfo=UTC)
    snapshot = collect(experiment(Mean("cost")), Source.frame(frame, time="at"), now=NOW, as_of=limit)
    assert sum(snapshot.rows.values()) == (frame["at"] <= "2026-01-04 23:59").sum()
    assert snapshot.as_of == "2026-01-04T23:59:00Z"


@pytest.mark.parametrize(("rule", "expected"), [("zero", [2.0, 2.0]), ("drop", [3.0, 2.0])])
def test_missing_values_follow_the_rule(rule: str, expected: list[float]) -> None:
    frame = pd.DataFrame({"variant": list("aaabbb"), "x": [3.0, 3.0, None, 1.0, 2.0, 3.0]})
    snapshot = collect(experiment(Mean("x", missing=rule)), Source.frame(frame), now=NOW)
    np.testing.assert_allclose(levels(snapshot, "x").value, expected)
    assert snapshot.metrics["x"].missing == {"a": 1, "b": 0}
    dropped = snapshot.metrics["x"].blocks[0].n
    assert dropped == (2 if rule == "drop" else 3)


def test_a_dropped_row_counts_neither_in_n_nor_in_the_moments() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"variant": list("ab") * 50, "unit": range(100), "x": rng.normal(7, 2, 100)})
    frame.loc[::3, "x"] = None
    got = collect(experiment(Mean("x", missing="drop")), Source.frame(frame, unit="unit"), now=NOW)
    np.testing.assert_allclose(levels(got, "x").se, frame.dropna().groupby("variant")["x"].sem(), rtol=1e-9)


def test_a_cap_is_pooled_over_variants() -> None:
    frame = events()
    snapshot = collect(experiment(Mean("cost", cap=0.9)), Source.frame(frame), now=NOW)
    clipped = frame.assign(cost=frame["cost"].clip(upper=frame["cost"].quantile(0.9)))
    np.testing.assert_allclose(levels(snapshot, "cost").value, clipped.groupby("variant")["cost"].mean(), rtol=1e-12)
    assert "clipped" in snapshot.metrics["cost"].notes[0]


def test_enormous_offsets_keep_the_variance() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"variant": list("ab") * 500, "unit": np.arange(1000) // 4, "x": 1e8 + rng.normal(0, 1, 1000)})
    frame["variant"] = np.where(frame["unit"] % 2, "a", "b")
    small = frame.assign(x=frame["x"] - 1e8)
    for unit in (None, "unit"):
        large = levels(collect(experiment(Mean("x")), Source.frame(frame, unit=unit), now=NOW), "x")
        usual = levels(collect(experiment(Mean("x")), Source.frame(small, unit=unit), now=NOW), "x")
        np.testing.assert_allclose(large.se, usual.se, rtol=1e-6)


def test_a_value_is_compared_as_text_so_that_leading_zeros_stay(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("variant,unit,x\n01,007,1\n01,7,2\n1,008,3\n1,8,4\n")
    source = Source.csv(tmp_path / "x.csv", unit="unit", variants={"a": "01", "b": "1"})
    assert collect(experiment(Mean("x")), source, now=NOW).units == {"a": 2, "b": 2}


def test_true_and_false_in_a_text_file_are_one_and_zero(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("variant,ok\na,True\na,False\nb,true\nb,TRUE\n")
    snapshot = collect(experiment(Proportion("ok")), Source.csv(tmp_path / "x.csv"), now=NOW)
    np.testing.assert_allclose(levels(snapshot, "ok").value, [0.5, 1.0])


def test_other_variants_are_left_out_and_counted_only_when_values_are_named() -> None:
    frame = events(variants=("a", "b", "c"))
    named = collect(experiment(Mean("cost")), Source.frame(frame, variants={"a": "a", "b": "b"}), now=NOW)
    assert named.rows_left_out == (frame["variant"] == "c").sum()
    with pytest.raises(DataError, match="holds variants that the experiment lacks: 'c'"):
        collect(experiment(Mean("cost")), Source.frame(frame), now=NOW)


def test_rows_of_a_where_filter() -> None:
    frame = events().assign(kind=lambda f: np.where(f["calls"] > 4, "x", "y"))
    snapshot = collect(experiment(Mean("cost")), Source.frame(frame, where={"kind": "x", "success": 1}), now=NOW)
    assert sum(snapshot.rows.values()) == ((frame["calls"] > 4) & (frame["success"] == 1)).sum()


def test_words_of_a_rate_are_answered_with_the_column_to_make() -> None:
    frame = pd.DataFrame({"variant": ["a", "a", "b", "b"], "hit?": ["yes", "no", "no", "yes"]})
    with pytest.raises(DataError, match=r"frame\['hit\?'\] == 'yes'"):
        collect(experiment(Proportion("hit?")), Source.frame(frame), now=NOW)


def test_hostile_column_names_are_names() -> None:
    name = 'x"; DROP TABLE abkit_rows; --'
    frame = events().rename(columns={"cost": name})
    snapshot = collect(experiment(Mean(name)), Source.frame(frame), now=NOW)
    np.testing.assert_allclose(levels(snapshot, name).value, frame.groupby("variant")[name].mean())


BAD = {
    "absent column": ({"x": [1.0] * 4}, "cost", {}, NotFoundError, "lacks columns"),
    "absent column, near miss": ({"costs": [1.0] * 4}, "cost", {}, NotFoundError, "did you mean 'costs'"),
    "decimal commas": ({"cost": ["0,5", "1,5", "2,5", "4,0"]}, "cost", {}, DataError, "decimal=','"),
    "percent signs": ({"cost": ["1%", "2%", "3%", "4%"]}, "cost", {}, DataError, "remove the percent sign"),
    "text": ({"cost": ["1", "2", "oops", "4"]}, "cost", {}, DataError, "'cost': 1 of 4 rows hold text.*'oops'"),
    "nan": (
        {"cost": [1.0, 2, float("nan"), 4]},
        "cost",
        {},
        DataError,
        "'cost': 1 of 4 rows have no value .a 0, b 1.",
    ),
    "infinite": ({"cost": [1.0, 2, float("inf"), 4]}, "cost", {}, DataError, "'cost': 1 of 4 rows are infinite"),
    "no unit": (
        {"cost": [1.0] * 4, "u": ["x", None, "z", "w"]},
        "cost",
        {"unit": "u"},
        DataError,
        "'u': 1 rows have no",
    ),
    "no time": (
        {"cost": [1.0] * 4, "t": ["2026-01-01"] * 3 + ["soon"]},
        "cost",
        {"time": "t"},
        DataError,
        "readable time",
    ),
    "no rows": ({"cost": []}, "cost", {}, NotFoundError, "holds no rows"),
    "no row of a variant": (
        {"cost": [1.0] * 4, "v": ["a"] * 4},
        "cost",
        {"variant": "v"},
        NotFoundError,
        "no rows for a v",
    ),
    "no variant": (
        {"cost": [1.0] * 4, "v": ["a", "b", "b", None]},
        "cost",
        {"variant": "v"},
        DataError,
        "name no variant",
    ),
    "no pair": (
        {"cost": [1.0] * 4, "u": [1, 2, 3, 4]},
        "cost",
        {"unit": "u", "design": "paired"},
        NotFoundError,
        "no pair",
    ),
    "always both": ({"cost": [1.0] * 4, "u": [1, 2, 1, 2]}, "cost", {"unit": "u"}, NotFoundError, "design: paired"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_names_column_and_count_and_the_way_out(case: str) -> None:
    columns, metric, keys, kind, said = BAD[case]
    size = len(next(iter(columns.values())))
    frame = pd.DataFrame({"variant": (["a", "a", "b", "b"])[:size], **columns})
    with pytest.raises(kind, match=said):
        collect(experiment(Mean(metric)), Source.frame(frame, **keys), now=NOW)


def test_a_proportion_with_other_values_is_refused() -> None:
    frame = pd.DataFrame({"variant": list("aabb"), "ok": [0, 1, 2, 1]})
    with pytest.raises(DataError, match="'ok': 1 of 4 rows hold values other than 0 and 1"):
        collect(experiment(Proportion("ok")), Source.frame(frame), now=NOW)


def test_all_kinds_of_problems_are_told_at_once() -> None:
    frame = pd.DataFrame({"variant": list("aabb"), "x": ["1", "n/a", "2", "3"], "ok": [0, 1, 5, None]})
    with pytest.raises(DataError) as raised:
        collect(experiment(Mean("x"), Proportion("ok")), Source.frame(frame), now=NOW)
    assert len(str(raised.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("empty.csv", b"", "empty"), ("header.csv", b"variant,x\n", "no rows"), ("bad.parquet", b"PAR0", "cannot read")],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AbkitError, match=said):
        collect(experiment(Mean("x")), Source.csv(tmp_path / name), now=NOW)


def test_an_absent_file_and_a_strange_name(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("x")
    with pytest.raises(NotFoundError, match=r"did you mean 'runs\.csv'"):
        collect(experiment(Mean("x")), Source.csv(tmp_path / "run.csv"), now=NOW)
    (tmp_path / "runs.xlsx").write_text("x")
    with pytest.raises(DefinitionError, match="expected a name that ends in"):
        collect(experiment(Mean("x")), Source.csv(tmp_path / "runs.xlsx"), now=NOW)
    with pytest.raises(DefinitionError, match="expected a pandas, polars or Arrow frame"):
        Source.frame([1, 2])


def test_the_same_data_gives_the_same_snapshot_to_the_last_bit(tmp_path: Path) -> None:
    events(units=3000).to_parquet(tmp_path / "x.parquet")
    one = experiment(Mean("cost"), Quantile("cost", 0.95))
    first, second = (collect(one, Source.parquet(tmp_path / "x.parquet", unit="unit"), now=NOW) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    for name in first.metrics:
        for left, right in zip(first.metrics[name].blocks, second.metrics[name].blocks, strict=True):
            assert left.mean.tobytes() == right.mean.tobytes()
            assert left.covariance.tobytes() == right.covariance.tobytes()


def test_totals_per_variant_are_what_rows_would_have_been() -> None:
    rng = np.random.default_rng(6)
    rows = pd.DataFrame({"variant": list("ab") * 300, "ok": rng.integers(0, 2, 600), "spend": rng.gamma(2, 3, 600)})
    grouped = rows.groupby("variant")
    totals = pd.DataFrame(
        {"n": grouped.size(), "ok": grouped["ok"].sum(), "m": grouped["spend"].mean(), "v": grouped["spend"].var()}
    ).reset_index()
    one = experiment(Proportion("ok"), Mean("spend"))
    summary = {"n": "n", "sums": {"ok": "ok"}, "means": {"spend": "m"}, "variances": {"spend": "v"}}
    got = collect(one, Source.frame(totals, summary=summary), now=NOW)
    expected = collect(one, Source.frame(rows), now=NOW)
    for name in ("ok", "spend"):
        np.testing.assert_allclose(levels(got, name).value, levels(expected, name).value, rtol=1e-12)
        np.testing.assert_allclose(levels(got, name).se, levels(expected, name).se, rtol=1e-9)
    assert got.units == expected.units


@pytest.mark.parametrize(
    ("n", "ok", "said"),
    [(10, 11, "which cannot be"), (0, 0, "at least 1"), (2.5, 1, "whole number"), (10, -1, "cannot be")],
)
def test_totals_that_cannot_be_are_refused(n: float, ok: float, said: str) -> None:
    totals = pd.DataFrame({"variant": ["a", "b"], "n": [n, 10], "ok": [ok, 5]})
    with pytest.raises(DataError, match=said):
        collect(experiment(Proportion("ok")), Source.frame(totals, summary={"n": "n", "sums": {"ok": "ok"}}), now=NOW)


def test_several_rows_of_totals_are_disjoint_units() -> None:
    totals = pd.DataFrame({"variant": ["a", "a", "b"], "n": [10, 20, 30], "ok": [5, 5, 20]})
    source = Source.frame(totals, summary={"n": "n", "sums": {"ok": "ok"}})
    snapshot = collect(experiment(Proportion("ok")), source, now=NOW)
    flat = np.concatenate([np.ones(10), np.zeros(20)])
    expected = Moments.from_rows(np.stack([flat, np.ones(30)], -1))
    np.testing.assert_allclose(snapshot.metrics["ok"].blocks[0].covariance, expected.covariance, atol=1e-12)


def test_a_covariate_that_one_variant_lacks_is_not_used_and_this_is_said() -> None:
    rng = np.random.default_rng(7)
    before = rng.normal(10, 1, 600)
    frame = pd.DataFrame({"variant": list("ab") * 300, "x": before + rng.normal(0, 0.3, 600), "before": before})
    uneven = frame.assign(before=frame["before"].where((frame["variant"] == "a") | (frame["before"] < 10.2)))
    snapshot = collect(experiment(Mean("x", covariate="before")), Source.frame(uneven), now=NOW)
    moments = snapshot.metrics["x"]
    assert isinstance(moments, MetricMoments)
    assert moments.width == 2
    assert moments.without_covariate["b"] == uneven["before"].isna().sum()
    assert "it is not used" in moments.notes[0]
    even = frame.assign(before=frame["before"].where(np.arange(600) % 10 > 1))
    kept = collect(experiment(Mean("x", covariate="before")), Source.frame(even), now=NOW).metrics["x"]
    assert isinstance(kept, MetricMoments)
    assert kept.width == 4
    assert "the mean stands for them" in kept.notes[0]


def test_quantiles_and_caps_are_read_from_the_units_that_count() -> None:
    rng = np.random.default_rng(8)
    easy, hard = rng.lognormal(0, 0.2, 200), rng.lognormal(2, 0.2, 100)
    a = pd.DataFrame({"variant": "a", "unit": range(300), "t": np.r_[easy, hard]})
    b = pd.DataFrame({"variant": "b", "unit": range(200), "t": easy * 1.02})
    metrics = (Quantile("t", 0.5), Mean("t", cap=0.9, name="capped"))
    source = Source.frame(pd.concat([a, b]), unit="unit", design="paired")
    snapshot = collect(experiment(*metrics), source, now=NOW)
    np.testing.assert_allclose(levels(snapshot, "t_p50").value, [np.median(easy), np.median(easy * 1.02)])
    cap = np.quantile(np.r_[easy, easy * 1.02], 0.9)
    np.testing.assert_allclose(levels(snapshot, "capped").value[0], np.minimum(easy, cap).mean())
    stray = pd.concat([a, b.assign(unit=b["unit"] + 1000), a[:50].assign(variant="b")])
    apart = collect(experiment(*metrics), Source.frame(stray, unit="unit"), now=NOW)
    np.testing.assert_allclose(levels(apart, "t_p50").value[0], np.median(a["t"][50:]))


def test_a_missing_value_that_means_zero_is_zero_in_quantiles_and_caps_too() -> None:
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"variant": list("ab") * 400, "t": rng.lognormal(0, 1, 800)})
    frame.loc[rng.random(800) < 0.3, "t"] = None
    filled = frame.fillna({"t": 0.0})
    metrics = (Quantile("t", 0.6, missing="zero"), Mean("t", cap=0.95, missing="zero", name="capped"))
    snapshot = collect(experiment(*metrics), Source.frame(frame), now=NOW)
    np.testing.assert_allclose(levels(snapshot, "t_p60").value, filled.groupby("variant")["t"].quantile(0.6))
    clipped = filled.assign(t=filled["t"].clip(upper=filled["t"].quantile(0.95)))
    np.testing.assert_allclose(levels(snapshot, "capped").value, clipped.groupby("variant")["t"].mean())


@pytest.mark.parametrize(
    ("draw", "q"),
    [
        (lambda rng: rng.lognormal(2, 0.5, 1000).round(), 0.95),
        (lambda rng: rng.poisson(3, 1000).astype(float), 0.9),
        (lambda rng: rng.poisson(3, 200).astype(float), 0.9),
    ],
)
def test_a_quantile_of_values_that_repeat_is_refused(draw, q: float) -> None:  # type: ignore[no-untyped-def]
    values = draw(np.random.default_rng(10))
    frame = pd.DataFrame({"variant": ["a", "b"] * (len(values) // 2), "t": values})
    refused = collect(experiment(Quantile("t", q)), Source.frame(frame), now=NOW).metrics.popitem()[1]
    assert isinstance(refused, NotCollected)
    assert "share the value" in refused.reason


def test_one_absurd_value_does_not_cost_the_other_variant_its_digits() -> None:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"variant": list("ab") * 500, "x": rng.normal(0.002, 0.0005, 1000)})
    usual = levels(collect(experiment(Mean("x")), Source.frame(frame), now=NOW), "x")
    frame.loc[1, "x"] = 1e15
    absurd = levels(collect(experiment(Mean("x")), Source.frame(frame), now=NOW), "x")
    assert (absurd.value[0], absurd.se[0]) == pytest.approx((usual.value[0], usual.se[0]), rel=1e-9)
    frame.loc[1, "x"] = 1e200
    refused = collect(experiment(Mean("x")), Source.frame(frame), now=NOW).metrics["x"]
    assert isinstance(refused, NotCollected)
    assert "so large" in refused.reason


def test_quotes_that_come_late_are_quotes(tmp_path: Path) -> None:
    lines = ["x,variant", *(f"{i},{'AB'[i % 2]}" for i in range(60_000)), *(f'1000,"{"AB"[i % 2]}"' for i in range(9))]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    source = Source.csv(tmp_path / "x.csv", variants={"a": "A", "b": "B"})
    assert sum(collect(experiment(Mean("x")), source, now=NOW).rows.values()) == 60_009


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_says_what_separates_columns(tmp_path: Path, separator: str) -> None:
    frame = events()
    frame.to_csv(tmp_path / "x.csv", sep=separator, index=False)
    snapshot = collect(experiment(Mean("cost")), Source.csv(tmp_path / "x.csv"), now=NOW)
    assert sum(snapshot.rows.values()) == len(frame)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"variant,x,x\na,1,2\nb,1,2\n", "names the column 'x' twice"),
        ("variant,x,\xe9\na,1,2\n".encode("latin-1"), "is not UTF-8 text"),
        ("variant,x\na,1\nb,2\nä,3\n".encode("latin-1"), r"is not UTF-8 text \(.*4\); save it as UTF-8"),
        ("variant,x\na,1\n".encode("utf-16"), "UTF-8"),
        (b"variant,x\na,1\nb,2,3,4\na,1\n", "mend that line"),
    ],
)
def test_a_malformed_csv_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "runs.csv").write_bytes(content)
    with pytest.raises(DataError, match=said) as raised:
        collect(experiment(Mean("x")), Source.csv(tmp_path / "runs.csv"), now=NOW)
    assert "runs.csv" in str(raised.value)


def test_a_file_whose_name_has_brackets(tmp_path: Path) -> None:
    events().to_csv(tmp_path / "x[1].csv", index=False)
    assert collect(experiment(Mean("cost")), Source.csv(tmp_path / "x[1].csv"), now=NOW).total_units > 0


def test_rows_left_out_include_those_that_filters_drop() -> None:
    frame = events()
    kept = (frame["success"] == 1).sum()
    snapshot = collect(experiment(Mean("cost")), Source.frame(frame, where={"success": 1}), now=NOW)
    assert snapshot.rows_left_out == len(frame) - kept


def test_as_of_without_a_time_is_refused() -> None:
    with pytest.raises(AbkitError, match="name its column with `time`"):
        collect(experiment(Mean("cost")), Source.frame(events()), now=NOW, as_of=NOW)


def test_missing_in_either_column_of_a_ratio_counts_once() -> None:
    frame = pd.DataFrame({"variant": list("ab") * 20, "x": [1.0] * 40, "y": [2.0] * 40})
    frame.loc[:3, "x"] = None
    frame.loc[2:7, "y"] = None
    snapshot = collect(experiment(Ratio("x", "y", missing="drop")), Source.frame(frame), now=NOW)
    assert snapshot.metrics["x_per_y"].missing == {"a": 4, "b": 4}


@pytest.mark.parametrize("metrics", [4, pytest.param(10, marks=pytest.mark.full)])
def test_many_paired_variants_fit_in_memory(metrics: int) -> None:
    rng = np.random.default_rng(12)
    names = tuple(f"v{i:02d}" for i in range(20))
    frame = pd.concat(
        pd.DataFrame({"variant": name, "unit": range(30), **{f"m{i}": rng.normal(5, 1, 30) for i in range(metrics)}})
        for name in names
    )
    one = experiment(*(Mean(f"m{i}") for i in range(metrics)), variants=names)
    snapshot = collect(one, Source.frame(frame, unit="unit", design="paired"), now=NOW)
    wide = frame.pivot(index="unit", columns="variant", values="m3")
    np.testing.assert_allclose(levels(snapshot, "m3").covariance[0], wide.cov() / 30, rtol=1e-9, atol=1e-12)


def test_totals_have_no_covariate_and_no_cap() -> None:
    totals = pd.DataFrame({"variant": ["a", "b"], "n": [10, 10], "m": [1.0, 2.0], "v": [1.0, 1.0]})
    summary = {"n": "n", "means": {"x": "m"}, "variances": {"x": "v"}}
    for metric in (Mean("x", covariate="m"), Mean("x", cap=0.9)):
        with pytest.raises(DataError, match="needs rows"):
            collect(experiment(metric), Source.frame(totals, summary=summary), now=NOW)


def test_a_fingerprint_is_that_of_the_bytes_however_soon_they_change(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    for text in ("variant,cost\na,1\n", "variant,cost\na,2\n", "variant,cost\nb,2\n"):
        file.write_text(text)
        assert Source.csv(file).fingerprint() == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_a_file_that_has_settled_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "runs.csv"
    file.write_text("variant,cost\na,1\n")
    monkeypatch.setattr("abkit.collectors.source._SETTLED", -1)
    first = Source.csv(file).fingerprint()
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", lambda *_, **__: pytest.fail("the file was read again"))
        assert Source.csv(file).fingerprint() == first
    file.write_text("variant,cost\na,2\n")
    os.utime(file, ns=(0, 0))
    assert Source.csv(file).fingerprint() != first
