from pathlib import Path

import matplotlib.figure
import pytest

import abkit as ab
from abkit.assignment.split_result import SplitSimulation


@pytest.fixture(scope="module")
def analyses(root: Path) -> dict[str, ab.Analysis]:
    names = ("agents/debugging", "bandit/bandit-policy")
    return {
        name: ab.analyze(ab.Experiment.from_yaml(root / "examples" / f"{name}.yml"), details=True) for name in names
    }


def axes() -> matplotlib.axes.Axes:
    return matplotlib.figure.Figure().subplots()


def test_the_forest_has_a_row_per_comparison_and_its_words_name_each(analyses: dict[str, ab.Analysis]) -> None:
    analysis = analyses["agents/debugging"]
    drawn = ab.plots.forest(analysis, axes())
    assert len(drawn.get_yticks()) == 9
    words = ab.plots.describe_forest(analysis)
    assert all(f"in {name}" in words for name in ("retry", "warming", "debugger"))


def test_the_plot_over_time_has_a_point_per_day(analyses: dict[str, ab.Analysis]) -> None:
    drawn = ab.plots.lift_over_time(analyses["bandit/bandit-policy"], axes())
    assert len(drawn.lines[0].get_xdata()) == 7
    assert "2019-11-24 to 2019-11-30" in ab.plots.describe_series(analyses["bandit/bandit-policy"])


def test_without_a_time_there_is_no_plot_over_time(analyses: dict[str, ab.Analysis]) -> None:
    with pytest.raises(ab.AbkitError, match="no time series"):
        ab.plots.lift_over_time(analyses["agents/debugging"], axes())


def simulation(*traffic: float, users: int = 2000, **more: object) -> SplitSimulation:
    variants = [ab.Variant(f"v{place} $", share, is_control=place == 0) for place, share in enumerate(traffic)]
    return ab.simulate_split(ab.Experiment("demo", variants, ab.Mean("x"), id="e1"), users, **more)


def test_the_split_has_a_row_per_variant_and_marks_the_one_that_is_off() -> None:
    drawn = ab.plots.split(simulation(40, 30, 30), axes())
    assert len(drawn.get_yticks()) == 3
    assert [line.get_marker() for line in drawn.lines if line.get_marker() != "None"] == ["o", "o", "o"]
    off = simulation(50, 50, hash_points=lambda _, users: [7] * len(users))
    drawn = ab.plots.split(off, axes())
    assert [line.get_marker() for line in drawn.lines if line.get_marker() != "None"] == ["X", "X"]
    assert "v0 $: 100.00%, planned 50.00%" in ab.plots.describe_split(off)


def test_arrivals_show_visits_only_where_users_return() -> None:
    alone, back = (simulation(50, 50, returning=share) for share in (0.0, 0.2))
    assert [len(ab.plots.arrivals(one, axes()).lines) for one in (alone, back)] == [2, 3]
    assert "2,000 by day 14" in ab.plots.describe_arrivals(alone)


def test_verdicts_fill_each_scenario_to_the_whole() -> None:
    from tests.unit.analyzer.populations import experiment, past

    found = ab.operating_characteristics(experiment(units=300, guardrail_metrics=[]), past(), runs=40)
    drawn = ab.plots.verdicts(found, axes())
    by_scenario: dict[float, float] = {}
    for bar in drawn.patches:
        by_scenario[bar.get_y()] = by_scenario.get(bar.get_y(), 0.0) + bar.get_width()
    assert list(by_scenario.values()) == pytest.approx([100.0] * len(found.scenarios))
    assert "no_effect: ships in" in ab.plots.describe_verdicts(found)


def test_p_values_of_every_metric_rise_to_one() -> None:
    from tests.unit.analyzer.populations import experiment, past

    found = ab.aa_validation(experiment(), past(), runs=60)
    drawn = ab.plots.p_values(found, axes())
    curves = [line for line in drawn.lines if line.get_label() in {one.name for one in found.metrics}]
    assert len(curves) == 5
    assert all(curve.get_ydata()[-1] == 1.0 for curve in curves)
    assert "success: " in ab.plots.describe_p_values(found)


def test_cost_against_success_has_both_intervals_of_every_variant_and_a_line_of_the_unbeaten(
    analyses: dict[str, ab.Analysis],
) -> None:
    analysis = analyses["agents/debugging"]
    drawn = ab.plots.cost_against_success(analysis, ax=axes())
    assert len(drawn.containers) == 4
    assert all(point.has_xerr and point.has_yerr for point in drawn.containers)
    assert ab.plots.unbeaten(analysis) == ["single-call", "warming", "debugger"]
    line = next(one for one in drawn.lines if one.get_label() == "not beaten on both")
    assert list(line.get_xdata()) == sorted(line.get_xdata())
    assert len(line.get_xdata()) == 3
    assert "retry: cost_usd 0.02406, success 88.78%" in ab.plots.describe_cost_against_success(analysis)
    with pytest.raises(ab.AbkitError, match="did you mean 'cost_usd'"):
        ab.plots.cost_against_success(analysis, "cost_us")


def test_a_saved_figure_is_the_same_file_at_each_time(analyses: dict[str, ab.Analysis], tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "c.png"):
        ab.plots.save(ab.plots.forest(analyses["agents/debugging"], axes()), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">success" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ab.AbkitError, match="no kind of figure 'pgn'; did you mean 'png'"):
        ab.plots.save(ab.plots.forest(analyses["agents/debugging"], axes()), tmp_path / "d.pgn")
