"""Blocks on parts of the data: what they say, and that a value from outside stays text."""

import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.errors import DataError
from abkit.report import daily_blocks, distribution_blocks, segment_blocks, tenure_blocks
from tests.report_page import page_of

HOSTILE = "<script>alert(1)</script> $x$"
BLOCKS = (segment_blocks.segments, daily_blocks.daily_units, distribution_blocks.distributions, tenure_blocks.tenure)


def analyze(variants: int = 2, **keys: object) -> ab.Analysis:
    rng = np.random.default_rng(8)
    unit = np.repeat(np.arange(300), 4)
    frame = pd.DataFrame(
        {
            "unit": unit,
            "variant": np.array(["a", "b", "c"])[unit % variants],
            HOSTILE: np.array([HOSTILE, "de", None], dtype=object)[unit % 5 % 3],
            "at": pd.Timestamp("2026-03-01") + pd.to_timedelta(np.tile(range(4), 300) * 24 + unit % 3, "h"),
            "latency": rng.lognormal(0, 1.5, unit.size),
            "good": rng.integers(0, 2, unit.size),
        }
    )
    frame.loc[unit < 5, HOSTILE] = "tiny"
    one = ab.Experiment(
        key="demo",
        variants=[ab.Variant(name, 100 / variants, is_control=name == "a") for name in "abc"[:variants]],
        primary_metric=ab.Proportion("good"),
        secondary_metrics=[ab.Mean("latency", goal="minimize")],
        plan=ab.Plan(inference="fixed"),
    )
    source = ab.Source.frame(frame, **{"unit": "unit", "time": "at", "segments": [HOSTILE], **keys})
    return ab.analyze(one, source, details=True)


@pytest.mark.parametrize("variants", [2, 3])
def test_every_block_has_its_figure_with_words_and_a_table(variants: int) -> None:
    analysis = analyze(variants)
    pages = [str(block(analysis).html) for block in BLOCKS]
    for page in pages:
        assert page.count("<img") == 1
        assert "The same as a table" in page
        assert "<script" not in page
        assert page.count("<table") == page.count("<caption")
    assert "&lt;script&gt;" in pages[0]
    assert "too few units" in pages[0]
    assert "nor that it is the same everywhere" in pages[0]
    assert "(missing)" in pages[0]
    words = [
        ab.plots.describe_segments(analysis, HOSTILE, "good"),
        ab.plots.describe_daily_units(analysis),
        ab.plots.describe_distribution(analysis, "latency"),
        ab.plots.describe_tenure(analysis),
    ]
    assert all(len(text) > 40 for text in words)
    assert "too few units: no interval" in words[0]
    assert "no effect" not in "".join(pages)


def test_what_there_is_none_of_says_so() -> None:
    analysis = analyze(time=None, unit=None, segments=[])
    segments, daily, _, tenure = (str(block(analysis).html) for block in BLOCKS)
    assert "No segment was planned" in segments
    assert "has no time" in daily
    assert "Not available" in tenure
    for draw in (
        lambda: ab.plots.segments(analysis, "x", "good"),
        lambda: ab.plots.daily_units(analysis),
        lambda: ab.plots.distribution(analysis, "good"),
        lambda: ab.plots.tenure(analysis),
    ):
        with pytest.raises(DataError):
            draw()


def test_a_skewed_column_is_drawn_on_a_logarithmic_axis() -> None:
    analysis = analyze()
    assert ab.plots.distribution(analysis, "latency").get_xscale() == "log"


def test_fifty_metrics_in_ten_segments_stay_small() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"m{i}": rng.gamma(2.0, size=2000) for i in range(50)})
    frame["variant"] = np.where(rng.random(2000) < 0.5, "a", "b")
    frame["country"] = rng.integers(0, 10, 2000).astype(str)
    experiment = ab.Experiment(
        key="wide",
        variants=[ab.Variant("a", 50, is_control=True), ab.Variant("b", 50)],
        primary_metric=ab.Mean("m0"),
        guardrail_metrics=[ab.Mean(f"m{i}", goal="minimize", margin=0.1) for i in range(1, 20)],
        secondary_metrics=[ab.Mean(f"m{i}") for i in range(20, 50)],
        plan=ab.Plan(inference="fixed"),
    )
    analysis = ab.analyze(experiment, ab.Source.frame(frame, segments=["country"]), details=True)
    assert (len(analysis.segments[0].segments), len(analysis.segments[0].comparisons)) == (10, 50)
    assert len(page_of(analysis).encode()) < 3_000_000
