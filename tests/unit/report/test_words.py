"""What every report may and may not say, over all examples and a grid of made-up experiments."""

import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.analyzer.reading import about_looks, meaning
from abkit.analyzer.wording import VERDICTS
from tests.report_page import page_of, words_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NUMBER = r"[+−]?[\d,]*\.?\d+"
FORBIDDEN = {
    "nothing shown is called nothing there": r"(?i)\bno (effect|difference|impact|change)\b",
    "what is not significant has no direction": r"(?i)not significantly (worse|different|lower|higher)",
    "one unit at both ends, percent first": rf"{NUMBER}% ?(to|and) {NUMBER} pp",
    "one unit at both ends, points first": rf"{NUMBER} pp (to|and) {NUMBER}%",
    "a true minus sign": r"(?<![\w.:+-])-\d",
    "no exponents": r"\b\d(\.\d+)?e[+-]?\d",
    "no leaked value": r"\b(nan|inf|None|NaN|Infinity)\b",
    "no p-value of 0": r"p = 0\.000\b|p = 0\b(?!\.)",
    "no power after the fact": r"(?i)\b(observed|post-hoc|achieved) power\b",
    "no belief from a p-value": r"(?i)(chance|probability) that (the null|there is no)",
    "a time has a zone": r"\d{4}-\d\d-\d\dT[\d:.]+(?![\d:.Z+])",
    "a capital after a full stop": r"\.\.(?!\.)",
}
MAY_SAY = ("not told apart from no change", "It is not the chance that there is none")


EFFECTS = [(0.0, 40), (0.0, 4000), (0.003, 60_000), (0.4, 400), (-0.4, 400), (0.05, 900)]
PLANS = ("fixed", "group_sequential", "always_valid")
GRIDS = {
    "in part": [
        *product(
            [*EFFECTS[:2], (0.01, 20_000), *EFFECTS[3:]], zip(("maximize", "minimize", "maximize"), PLANS, strict=True)
        )
    ],
    "in full": [*product(EFFECTS, product(("maximize", "minimize"), PLANS))],
}


def grid(choices: list[tuple[tuple[float, int], tuple[str, str]]]) -> list[ab.Analysis]:
    """Harmful, null and good effects, small and large, precise and not, on every kind of metric and plan."""
    rng = np.random.default_rng(5)
    found = []
    for (effect, units), (goal, inference) in choices:
        arm = np.repeat(["a", "b"], units)
        gain = effect * (arm == "b")
        frame = pd.DataFrame(
            {"variant": arm, "x": rng.normal(1 + gain, 0.3), "r": rng.random(2 * units) < 0.4 + gain / 9}
        )
        frame["t"] = pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(np.arange(2 * units) % 9, unit="D")
        experiment = ab.Experiment(
            "grid",
            [ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
            ab.Mean("x", goal=goal),
            guardrail_metrics=[ab.Proportion("r", margin=0.05), ab.Quantile("x", 0.9, margin=0.02, goal=goal)],
            secondary_metrics=[ab.Mean("r", name="z", goal="minimize")],
            min_sample_size=2000,
            plan=ab.Plan(inference=inference, practical_threshold=None if units == 900 else "mde"),
            id="g",
        )
        source = frame.drop(columns="t") if inference == "fixed" else ab.Source.frame(frame, time="t")
        found.append(ab.analyze(experiment, source, now=NOW, details=True))
    return found


@pytest.fixture(scope="module", params=["in part", pytest.param("in full", marks=pytest.mark.full)])
def analyses(root: Path, request: pytest.FixtureRequest) -> list[ab.Analysis]:
    examples = [ab.Experiment.from_yaml(path) for path in sorted(root.glob("examples/*/*.yml"))]
    return [*(ab.analyze(one, now=NOW, details=True) for one in examples), *grid(GRIDS[request.param])]


@pytest.fixture(scope="module")
def texts(analyses: list[ab.Analysis]) -> list[str]:
    """Pages of all examples and of a sixth of the grid, and what the others say without a figure."""
    shown = [words_of(page_of(one)).partition("How to reproduce")[0] for one in [*analyses[:7], *analyses[7::6]]]
    return [*shown, *(f"{one.to_text()} {said(one)}" for one in analyses)]


def said(analysis: ab.Analysis) -> str:
    decision, plan = analysis.decision, analysis.plan
    parts = [decision.recommendation, about_looks(plan), *(one.text for one in plan.deviations)]
    parts += [reason.text for reason in decision.reasons] + [need.text for need in decision.needs]
    for metric in analysis.metrics:
        parts += [meaning(metric, one, plan.practical_threshold) for one in metric.comparisons]
    return "\n".join(parts)


def test_the_grid_reaches_every_kind_of_answer(analyses: list[ab.Analysis]) -> None:
    assert {one.decision.verdict for one in analyses} == set(VERDICTS)
    everything = "\n".join(map(said, analyses))
    for part in (
        "We cannot tell yet: both",
        "Any effect is likely smaller than ±",
        "Even the low end",
        "Real but small",
        "Better, but how much is open",
        "Worse: the data are compatible",
        "look",
    ):
        assert part in everything, part


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_report_says_what_must_not_be_said(texts: list[str], rule: str) -> None:
    for text in texts:
        for phrase in MAY_SAY:
            text = text.replace(phrase, "")
        bad = re.search(FORBIDDEN[rule], text)
        assert bad is None, f"{rule}: {text[max(0, bad.start() - 80) : bad.end() + 80]!r}"


def test_a_wide_interval_is_never_read_as_small(analyses: list[ab.Analysis]) -> None:
    for analysis in analyses:
        threshold = analysis.plan.practical_threshold
        for one in analysis.primary.comparisons:
            if one.is_significant or threshold is None or one.lift.low is None or one.lift.high is None:
                continue
            is_wide = max(-one.lift.low, one.lift.high) >= threshold
            assert meaning(analysis.primary, one, threshold).startswith("We cannot tell yet") == is_wide
