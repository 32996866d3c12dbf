"""Everything that abkit hands out shows itself: as text, HTML, Markdown, plain data and a frame, and hurts nobody."""

import copy
import dataclasses
import functools
import html.parser
import inspect
import json
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import markdown_it
import numpy as np
import pandas as pd
import pytest

import abkit as ab
from abkit.controller.experiments import ExperimentController
from abkit.display import Card, Displayed, Table, cell, to_html, to_markdown, to_short_text, to_text
from abkit.errors import NotFoundError
from abkit.named import Named
from abkit.store.keys import NewKey

HOSTILE = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) `c` **b** $x$ | a\nb\x1b[31m \u202ez https://x.y"


def made(key: str = "demo", text: str = "plain") -> ab.Experiment:
    return ab.Experiment(
        key,
        [ab.Variant(text, 50, is_control=True, description=text), ab.Variant(f"t {text}", 50)],
        ab.Proportion("success", name=f"success {text}"),
        name=text,
        hypothesis=text,
        guardrail_metrics=[ab.Mean("cost", name=f"cost {text}", goal="minimize", margin=0.2)],
        secondary_metrics=[ab.Mean("cost", name=f"{i} {text}", goal="minimize") for i in range(12)],
        min_sample_size=400,
        plan=ab.Plan(inference="fixed"),
    )


def rows(text: str = "plain") -> pd.DataFrame:
    rng = np.random.default_rng(5)
    arm = np.repeat([text, f"t {text}"], 200)
    success = rng.random(400) < np.where(arm == text, 0.4, 0.6)
    return pd.DataFrame({"variant": arm, "success": success.astype(float), "cost": rng.gamma(3, 1, 400)})


def results(text: str) -> Iterator[Any]:
    """What the calls of a session return."""
    experiment, frame = made(text=text), rows(text)
    yield experiment
    yield ab.analyze(experiment, frame, now="2026-11-22", details=True)
    yield ab.robustness(experiment, frame, now="2026-11-22")
    yield ab.plan(experiment, frame, daily_units=50)
    yield ab.simulate_split(experiment, 2000)
    yield ab.operating_characteristics(experiment, frame, runs=20)
    yield ab.aa_validation(experiment, frame, runs=20)
    yield from (ab.sample_size(0.05, rate=0.2), ab.mde(1000, rate=0.2), ab.srm([50, 60], [1, 1]))
    yield ab.Baseline(0.3)
    yield from stored(experiment)


def stored(experiment: ab.Experiment) -> Iterator[Any]:
    with ab.connect("sqlite://", clock=lambda: datetime(2026, 11, 22, tzinfo=UTC)) as lab:
        yield lab.create(experiment, agent={"model": experiment.name})
        yield lab.start(experiment.key, reason=experiment.name)
        users = [f"user-{number}" for number in range(40)]
        yield lab.assign("default", "user-7")
        yield lab.assign_batch("default", users)
        names = {metric.name for metric, _ in experiment.metrics}
        found = [{"user_id": u, "metric_type": n, "value": float(i % 2)} for i, u in enumerate(users) for n in names]
        yield lab.record_many(found, experiment_id=experiment.key)
        yield from lab.daily_metrics(experiment.key)
        yield from (lab.status(experiment.key), lab.status(experiment.key, live=False), lab.agent("default"))
        yield from (lab.list(), lab.audit(), lab.get(experiment.key))
        yield lab.complete(experiment.key)


def inside(value: Any) -> Iterator[Displayed]:
    """The object and every one within it."""
    if isinstance(value, Displayed):
        yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from inside(part)


@pytest.fixture(
    scope="module", params=["plain", HOSTILE.replace("\n", " ").replace("\x1b", "")], ids=["plain", "hostile"]
)
def shown(request: pytest.FixtureRequest) -> list[Displayed]:
    found: dict[type, Displayed] = {}
    for result in results(request.param):
        for one in inside(result):
            found.setdefault(type(one), one)
    return list(found.values())


def test_every_object_shows_itself_in_every_way(shown: list[Displayed]) -> None:
    assert len(shown) > 45
    for one in shown:
        text = repr(one)
        assert 1 <= len(text.splitlines()) <= 10, text
        bundle = one._repr_mimebundle_()
        (kind,) = set(bundle) - {"text/plain", "text/html", "text/markdown"}
        assert kind.startswith("application/vnd.abkit.")
        assert json.loads(json.dumps(bundle[kind], allow_nan=False)) == one.to_dict()
        assert isinstance(one.to_frame(), pd.DataFrame)
        assert len(one.to_frame()) >= (type(one).__name__ != "Page")
        assert one.to_text()
        assert "<" not in one.to_markdown().replace("&lt;", "")


class Tags(html.parser.HTMLParser):
    seen: set[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert {name for name, _ in attrs} <= {"class", "scope", "style", "data-label"}


def test_no_text_becomes_markup(shown: list[Displayed]) -> None:
    for one in shown:
        tags = Tags()
        tags.seen = set()
        tags.feed(one._repr_html_())
        assert tags.seen <= {"div", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        page = markdown_it.MarkdownIt("commonmark").enable("table").render(one.to_markdown())
        tags.seen = set()
        tags.feed(page.replace(' style="text-align:left"', ""))
        assert tags.seen <= {"p", "strong", "em", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_hostile_card_stays_on_its_lines() -> None:
    card = Card(HOSTILE, [HOSTILE], [Table((HOSTILE, "n"), [(HOSTILE, HOSTILE)], HOSTILE)])
    text = to_text(card)
    assert len(text.splitlines()) == 4
    assert text.replace("\n", "").isprintable()
    assert len(to_short_text(dataclasses.replace(card, lines=[HOSTILE] * 99)).splitlines()) == 10
    assert "<img" not in to_html(card)
    markdown = to_markdown(card)
    assert len(markdown.splitlines()) == 9
    assert "://" not in markdown


def test_whatever_a_public_call_returns_is_among_them(shown: list[Displayed]) -> None:
    names = {type(one).__name__ for one in shown}
    calls = [getattr(ab, name) for name in ab.__all__ if inspect.isfunction(getattr(ab, name))]
    calls += [call for name, call in inspect.getmembers(ExperimentController, callable) if not name.startswith("_")]
    told = {re.split(r"[\[ ]", str(inspect.signature(call).return_annotation))[0] for call in calls}
    not_results = {"None", "ExperimentController", "Sequence", "tuple", "Report"}
    assert told - not_results <= names


def test_every_public_class_of_statistics_and_definitions_shows_itself() -> None:
    for name in (*ab.__all__, *[f"stats.{name}" for name in ab.stats.__all__]):
        found: Any = functools.reduce(getattr, name.split("."), ab)
        if dataclasses.is_dataclass(found) and isinstance(found, type):
            assert issubclass(found, Displayed) or name in {"Source", "Scenario", "stats.Scenario"}, name
    assert not issubclass(NewKey, Displayed), "a key is told once, by the one who made it"


def test_metrics_are_found_by_key_by_attribute_and_by_tab() -> None:
    analysis = ab.analyze(made(), rows(), now="2026-11-22", details=True)
    assert analysis["success plain"] is analysis.metrics[0] is analysis.metrics["success plain"]
    assert analysis.checks.srm is analysis.check("srm")
    assert "srm" in dir(analysis.checks)
    assert "success plain" in analysis._ipython_key_completions_()
    assert analysis.metrics._ipython_key_completions_() == [metric.name for metric in analysis.metrics]
    with pytest.raises(NotFoundError, match=r"no metric 'sucess plain'; did you mean 'success plain'\?"):
        analysis["sucess plain"]
    with pytest.raises(NotFoundError, match=r"did you mean 'srm'\?"):
        analysis.check("srn")
    with pytest.raises(AttributeError, match=r"did you mean 'srm'\?"):
        _ = analysis.checks.srn
    assert not hasattr(analysis.metrics, "_repr_html_")
    assert pickle.loads(pickle.dumps(analysis)) == analysis == copy.deepcopy(analysis)
    assert isinstance(pickle.loads(pickle.dumps(analysis.metrics)), Named)


def test_every_lookup_by_a_wrong_name_suggests_the_right_one() -> None:
    plan, frame = ab.plan(made(), rows(), daily_units=50), rows()
    for lookup, name in (
        (plan.metric, "sucess plain"),
        (ab.aa_validation(made(), frame, runs=5).metric, "sucess plain"),
        (ab.operating_characteristics(made(), frame, runs=5).scenario, "no efect"),
        (ab.simulate_split(made(), 100).check, "share"),
    ):
        with pytest.raises(NotFoundError, match="did you mean"):
            lookup(name)


def test_experiments_in_a_store_are_found_by_key_and_by_tab() -> None:
    with ab.connect("sqlite://") as lab:
        lab.create(made("warming"))
        assert lab["warming"].status == "draft"
        assert lab._ipython_key_completions_() == ["warming"]
        with pytest.raises(NotFoundError, match="did you mean 'warming'"):
            lab["wraming"]


def test_cells_are_short() -> None:
    assert cell(np.arange(1000)).endswith("…")
    assert len(cell({"a": "b" * 500})) == 120
    assert cell((ab.Variant("a", 50),)) == "1: a"
