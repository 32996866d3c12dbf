"""The blocks of the plan's notebook: complete, escaped, and there for a plan without a size, too."""

import ast
from dataclasses import replace

import matplotlib.figure
import nbformat
import pytest

import abkit as ab
from abkit.report import plan_blocks

BLOCKS = ("plan_card", "metric_table", "power_curve", "size_table", "runtime_table")
HOSTILE = '"><img src=x onerror=alert(1)>$\\frac$'


def plan_of(name="success", level=0.3, **options):
    experiment = ab.Experiment(
        key="planned",
        variants=[ab.Variant("plain", 50, is_control=True), ab.Variant(HOSTILE, 50)],
        primary_metric=ab.Proportion("success", name=name),
        guardrail_metrics=[ab.Mean("cost", goal="minimize", margin=0.1, covariate="before")],
        plan=ab.Plan(practical_threshold=None),
    )
    return ab.plan(experiment, {name: level, "cost": ab.Baseline(2.0, sd=3.0, correlation=0.5)}, **options)


def test_a_name_from_outside_stays_text():
    plan = plan_of(HOSTILE, daily_units=1000)
    for block in BLOCKS:
        page = getattr(plan_blocks, block)(plan)._repr_html_()
        assert "<img src=x" not in page
    assert "&lt;img src=x" in plan_blocks.metric_table(plan)._repr_html_()


def test_every_block_says_why_there_is_no_size():
    plan = plan_of(level=0.99)
    assert plan.units is None
    for block in BLOCKS:
        assert getattr(plan_blocks, block)(plan)._repr_html_()
    assert "would exceed 100 %" in plan_blocks.plan_card(plan)._repr_html_()
    with pytest.raises(ab.AbkitError, match="no power curve"):
        ab.plots.power_curve(plan)


def test_the_curve_marks_target_and_sizes_and_says_them():
    plan = plan_of()
    drawn = ab.plots.power_curve(plan, matplotlib.figure.Figure().subplots())
    texts = [text.get_text() for text in drawn.texts]
    assert texts == ["target 80%", f"{plan.units:,} needed", "1,000 as planned now"]
    line = drawn.lines[-1]
    words = ab.plots.describe_power_curve(plan)
    assert f"{plan.units:,} units: at least" in words
    labels = [one.get_label() for one in drawn.lines if not one.get_label().startswith("_")]
    assert labels == ["success", "cost", "decision, at least"]
    assert line is not None


def test_a_plan_says_what_monitoring_covariates_and_time_do():
    plan = plan_of(daily_units=1000)
    page = plan_blocks.metric_table(plan)._repr_html_()
    assert "What covariates save (CUPED)" in page
    assert "group sequential" in page
    assert f"plan {plan.runtime.weeks} full weeks" in plan_blocks.runtime_table(plan)._repr_html_()
    assert replace(plan, warnings=()) != plan


def test_cells_of_the_notebook_are_short_and_only_call(root):
    notebook = nbformat.read(root / "notebooks/plan.ipynb", as_version=4)
    for cell in notebook.cells:
        assert len(cell.source.splitlines()) <= 10
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert cell.outputs == []
        assert not any(
            isinstance(node, ast.If | ast.For | ast.FunctionDef) for node in ast.walk(ast.parse(cell.source))
        )
