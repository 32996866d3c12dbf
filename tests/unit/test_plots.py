from pathlib import Path

import matplotlib.figure
import pytest

import abkit as ab


@pytest.fixture(scope="module")
def analyses(root: Path) -> dict[str, ab.Analysis]:
    names = ("agents/debugging", "bandit/bandit-policy")
    return {name: ab.analyze(ab.Experiment.from_yaml(root / "examples" / f"{name}.yml")) for name in names}


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
