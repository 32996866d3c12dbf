import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from abkit.controller.connection import connect
from abkit.controller.experiments import ExperimentController
from abkit.errors import ConflictError, DefinitionError, NotFoundError, ParameterError
from abkit.models import Experiment, Mean, Plan, Variant
from abkit.models.lifecycle import TRANSITIONS
from abkit.store.engine import open_engine, writing
from abkit.store.tables import experiments

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
VARIANTS = [
    Variant("plain", 50, is_control=True, config={"temperature": 0}),
    Variant("warming", 50, config={"temperature": "rising", "retry": {"times": 3}}),
]


def experiment(key: str = "demo", **changes: Any) -> Experiment:
    """A fixed id: the split follows from it, and a chance difference must not come and go."""
    own = {"min_sample_size": 20, "plan": Plan(inference="fixed", min_runtime_days=0), "agent_id": "writer"}
    given = {**own, "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, key)), **changes}
    return Experiment(key, VARIANTS, **{"primary_metric": Mean("score"), **given})


@pytest.fixture
def lab(store: Engine) -> Iterator[ExperimentController]:
    with ExperimentController(store, clock=lambda: NOW) as opened:
        yield opened


def observe(lab: ExperimentController, key: str, better_by: float, users: int = 200) -> None:
    """Record one value for each user; recording assigns whoever is new."""
    names = [f"user-{place}" for place in range(users)]
    given = lab.assign_batch(lab.get(key).agent_id, names).variant
    rows = [
        {
            "user_id": name,
            "metric_type": "score",
            "value": 1 + place % 7 + (better_by if given[place] == "warming" else 0),
        }
        for place, name in enumerate(names)
    ]
    assert lab.record_many(rows, experiment_id=key, as_new=True).added == users


def running(lab: ExperimentController, better_by: float = 3.0, key: str = "demo") -> None:
    lab.create(experiment(key), agent={"model": "m", "retry": {"times": 1, "wait": 2}})
    lab.start(key)
    observe(lab, key, better_by)


def test_a_window_is_refused_where_nothing_could_keep_it(lab: ExperimentController) -> None:
    with pytest.raises(DefinitionError, match="'score': a window counts days of events in a table"):
        lab.create(experiment(primary_metric=Mean("score", window=7)))


def test_from_draft_to_shipped_and_back(lab: ExperimentController) -> None:
    running(lab)
    before = lab.agent("writer").config
    status = lab.status("demo")
    assert (status.total, status.target) == (200, 20)
    assert sum(variant.users for variant in status.variants) == 200
    assert status.analysis is not None
    assert status.analysis["decision"]["verdict"] == "ship"
    done = lab.complete("demo", ship_winner=True, actor="ana", reason="clear")
    assert (done.status, done.winner, done.ended_at) == ("completed", "warming", NOW)
    shipped = lab.agent("writer")
    assert shipped.config == {"model": "m", "temperature": "rising", "retry": {"times": 3, "wait": 2}}
    assert shipped.previous_config == before
    assert lab.rollback("writer", actor="bo", reason="complaints").config == before
    with pytest.raises(ConflictError, match="no earlier configuration"):
        lab.rollback("writer")
    whole = lab.audit(agent_id="writer").items
    assert {entry.action for entry in whole} == {"create", "start", "complete", "ship", "rollback"}
    trail = lab.audit("demo").items
    assert [(one.action, one.from_status, one.to_status) for one in trail] == [
        ("create", None, "draft"),
        ("start", "draft", "running"),
        ("complete", "running", "completed"),
        ("ship", None, None),
    ]
    assert (trail[2].actor, trail[2].reason, trail[2].at) == ("ana", "clear", NOW)
    final = lab.status("demo")
    assert final.analysis is not None
    assert final.analysis["decision"]["winner"] == "warming"


def test_every_step_from_every_status(lab: ExperimentController) -> None:
    paths: dict[str, list[str]] = {
        "draft": [],
        "running": ["start"],
        "paused": ["start", "pause"],
        "completed": ["start", "complete"],
        "cancelled": ["cancel"],
    }
    for status, path in paths.items():
        for action in ("start", "pause", "resume", "complete", "cancel"):
            key = f"{status}-{action}"
            lab.create(experiment(key, agent_id=key))
            for step in path:
                getattr(lab, step)(key)
            expected = TRANSITIONS.get((status, action))  # type: ignore[call-overload]
            if expected is None:
                before = (lab.get(key), lab.audit(key))
                with pytest.raises(ConflictError, match=f"cannot {action} an experiment that is {status}"):
                    getattr(lab, action)(key)
                assert (lab.get(key), lab.audit(key)) == before
            else:
                assert getattr(lab, action)(key).status == expected
                assert lab.audit(key).items[-1].to_status == expected


def test_an_agent_has_one_running_experiment(lab: ExperimentController) -> None:
    lab.create(experiment("first"))
    lab.create(experiment("second"))
    lab.start("first")
    with pytest.raises(ConflictError, match="cannot start 'second': the experiment 'first' runs on the agent 'writer'"):
        lab.start("second")
    lab.pause("first")
    lab.start("second")
    with pytest.raises(ConflictError, match="cannot resume 'first': the experiment 'second'"):
        lab.resume("first")
    assert lab.audit("first").items[-1].action == "pause"


def race(count: int, action: Callable[[int], Any]) -> list[Any]:
    outcomes: list[Any] = [None] * count
    barrier = threading.Barrier(count)

    def run(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = action(place)
        except Exception as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.fixture
def labs(store_url: str, lab: ExperimentController) -> Iterator[list[ExperimentController]]:
    """Sixteen controllers with connections of their own, as sixteen processes would have."""
    engines = [open_engine(store_url) for _ in range(16)]
    yield [ExperimentController(engine, clock=lambda: NOW) for engine in engines]
    for engine in engines:
        engine.dispose()


def test_of_16_experiments_that_start_together_one_runs(labs: list[ExperimentController]) -> None:
    for place in range(16):
        labs[0].create(experiment(f"e{place}"))
    outcomes = race(16, lambda place: labs[place].start(f"e{place}"))
    lost = [one for one in outcomes if isinstance(one, ConflictError)]
    assert len(lost) == 15, outcomes
    assert len(labs[0].list(status="running").items) == 1
    assert all("runs on the agent" in str(error) for error in lost)


def test_an_experiment_that_is_started_16_times_starts_once(labs: list[ExperimentController]) -> None:
    labs[0].create(experiment())
    outcomes = race(16, lambda place: labs[place].start("demo"))
    assert sum(isinstance(one, ConflictError) for one in outcomes) == 15, outcomes
    assert [entry.action for entry in labs[0].audit("demo").items] == ["create", "start"]


def test_16_first_requests_of_one_user_agree(labs: list[ExperimentController]) -> None:
    labs[0].create(experiment())
    labs[0].start("demo")
    for user in range(5):
        outcomes = race(16, lambda place, user=user: labs[place].assign("writer", f"user-{user}"))
        assert len(set(outcomes)) == 1, outcomes
    assert labs[0].status("demo", live=False).total == 5


def test_only_a_running_experiment_assigns(lab: ExperimentController) -> None:
    lab.create(experiment())
    assert lab.assign("writer", "user-1").variant is None
    lab.start("demo")
    variant = lab.assign("writer", "user-1").variant
    assert variant in {"plain", "warming"}
    lab.pause("demo")
    assert lab.assign("writer", "user-1").variant is None
    lab.resume("demo")
    assert lab.assign("writer", "user-1").variant == variant
    lab.complete("demo")
    assert lab.assign("writer", "user-1").experiment_id is None
    assert lab.assign("\0", "user-1").variant is None
    assert lab.active("writer") is None


def test_what_should_not_ship_does_not(lab: ExperimentController) -> None:
    running(lab, better_by=0.0)
    before = lab.get("demo")
    with pytest.raises(ConflictError, match="the analysis does not say to ship"):
        lab.complete("demo", ship_winner=True)
    with pytest.raises(ConflictError, match="the analysis does not say to ship 'warming'"):
        lab.complete("demo", ship_winner=True, variant="warming", override_reason="  ")
    with pytest.raises(ParameterError, match="did you mean 'warming'"):
        lab.complete("demo", ship_winner=True, variant="warning", override_reason="because")
    with pytest.raises(ParameterError, match="say which variant to ship"):
        lab.complete("demo", ship_winner=True, override_reason="because")
    with pytest.raises(ParameterError, match="ship_winner=True"):
        lab.complete("demo", override_reason="because")
    assert lab.get("demo") == before
    assert lab.agent("writer").previous_config is None
    done = lab.complete("demo", ship_winner=True, variant="warming", override_reason="it is cheaper", actor="ana")
    assert done.winner is None
    assert lab.agent("writer").config["temperature"] == "rising"
    entry = lab.audit("demo").items[-1]
    assert (entry.action, entry.actor, entry.reason) == ("ship", "ana", "it is cheaper")
    assert entry.details["override"] is True


def test_shipping_later_and_twice_keeps_the_way_back(lab: ExperimentController) -> None:
    running(lab)
    with pytest.raises(ConflictError, match="only a completed experiment ships"):
        lab.ship("demo")
    before = lab.agent("writer").config
    lab.complete("demo")
    assert lab.agent("writer").config == before
    shipped = lab.ship("demo")
    assert lab.ship("demo") == shipped
    assert shipped.previous_config == before


def test_without_data_an_experiment_ends_but_ships_nothing(lab: ExperimentController) -> None:
    lab.create(experiment())
    lab.start("demo")
    status = lab.status("demo")
    assert status.analysis is None
    assert status.reason
    with pytest.raises(ConflictError, match="there is no data to analyze"):
        lab.complete("demo", ship_winner=True)
    assert lab.complete("demo").status == "completed"
    assert lab.status("demo").analysis is None


def test_a_plan_that_changed_after_the_start_invalidates(lab: ExperimentController) -> None:
    running(lab)
    assert lab.analyze("demo").check("plan_changed").status == "pass"
    changed = lab.get("demo").definition | {"min_sample_size": 2}
    with writing(lab.engine) as connection:
        connection.execute(update(experiments).values(definition=changed))
    analysis = lab.analyze("demo")
    assert analysis.check("plan_changed").status == "fail"
    assert (analysis.decision.verdict, analysis.decision.should_ship, analysis.decision.winner) == (
        "invalid",
        False,
        None,
    )
    assert "the plan was changed after the start" in analysis.decision.recommendation
    with pytest.raises(ConflictError, match="does not say to ship"):
        lab.complete("demo", ship_winner=True)


def test_a_request_on_an_older_version_is_refused(lab: ExperimentController) -> None:
    version = lab.create(experiment()).version
    lab.start("demo", if_version=version)
    with pytest.raises(ConflictError, match="it is at version 2, the request was made on version 1"):
        lab.pause("demo", if_version=version)
    with pytest.raises(ConflictError, match="made on version 1"):
        lab.complete("demo", if_version=version)
    agent = lab.configure("writer", {"a": 1})
    with pytest.raises(ConflictError, match="made on version 1"):
        lab.configure("writer", {"a": 2}, if_version=agent.version - 1)


def test_taken_keys_and_known_agents(lab: ExperimentController) -> None:
    first = lab.create(experiment(), agent={"model": "m"})
    with pytest.raises(ConflictError, match="the key 'demo'"):
        lab.create(experiment())
    with pytest.raises(ConflictError, match="is there already"):
        lab.create(experiment("other", id=first.id))
    with pytest.raises(ConflictError, match="known with another configuration"):
        lab.create(experiment("other"), agent={"model": "n"})
    lab.create(experiment("other"), agent={"model": "m"})
    assert [stored.key for stored in lab.list().items] != []
    assert len(lab.list(agent_id="writer", status="draft").items) == 2
    assert [agent.id for agent in lab.agents()] == ["writer"]


def test_a_mapping_gets_a_key_that_reads_like_its_name(lab: ExperimentController) -> None:
    given = experiment().to_dict() | {"key": None, "name": "Rising temperature", "id": ""}
    assert lab.create(given).key == "rising-temperature"
    assert lab.create(given).key == "rising-temperature-2"
    with pytest.raises(DefinitionError, match="name: is required"):
        lab.create(given | {"name": ""})


def test_everything_that_is_wrong_is_told_at_once(lab: ExperimentController) -> None:
    variants = [
        {"name": "a", "traffic_percentage": 60, "config": {"p": "x"}},
        {"name": "a", "traffic_percentage": 50},
    ]
    given = {"key": "Bad Key", "variants": variants, "primary_metric": "success_rate"}
    with pytest.raises(DefinitionError) as raised:
        lab.create(given)
    said = str(raised.value)
    for part in ("Bad Key", "is_control", "sum to 100", "used 2 times"):
        assert part in said
    assert lab.list().items == ()


STRANGE = [
    "'; DROP TABLE experiments; --",
    '" OR 1=1 --',
    "../../etc/passwd",
    "\u202ereversed",
    "x" * 10_000,
    "%s %(a)s :name {0}",
    "line\nbreak\ttab",
    "\x1b[31mred",
]
REFUSED = ["a\0b", "\ud800"]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_text_comes_back_as_it_went_in(lab: ExperimentController, text: str) -> None:
    variants = [Variant("a", 50, is_control=True, config={text: [text]}), Variant(text[:200], 50, description=text)]
    short = text[:200]
    draft = Experiment("demo", variants, Mean(short), name=text[:500], hypothesis=text, agent_id=short)
    stored = lab.create(draft, actor=short, agent={text: text})
    assert stored.experiment == draft
    assert lab.get("demo").experiment == draft
    lab.start("demo", reason=text)
    assert lab.assign(short, text[:1000]).variant in {"a", short}
    assert lab.audit("demo").items[-1].reason == text
    assert lab.agent(short).config == {text: text}
    assert lab.active(short) == lab.get("demo")
    with pytest.raises(NotFoundError):
        lab.get(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_database_can_keep_is_refused_in_every_field(lab: ExperimentController, text: str) -> None:
    for change in (
        {"name": text},
        {"hypothesis": text},
        {"agent_id": text},
        {"description": text},
        {"id": text},
        {"variants": [Variant("a", 50, is_control=True), Variant("b", 50, config={"x": [{text: 1}]})]},
        {"variants": [Variant("a", 50, is_control=True), Variant("b", 50, config={"x": [text]})]},
    ):
        with pytest.raises(DefinitionError):
            lab.create(Experiment(**{"key": "demo", "variants": VARIANTS, "primary_metric": Mean("score"), **change}))
    lab.create(experiment())
    with pytest.raises(ParameterError):
        lab.create(experiment("other"), agent={"x": text})
    with pytest.raises(ParameterError):
        lab.start("demo", actor=text)
    with pytest.raises(ParameterError):
        lab.start("demo", reason=text)
    with pytest.raises(ParameterError):
        lab.configure(text, {})
    with pytest.raises(ParameterError):
        lab.configure("writer", {"x": text})
    with pytest.raises(ParameterError):
        ExperimentController(lab.engine, text)
    for read in (lab.get, lab.status, lab.analyze, lab.agent, lab.audit):
        with pytest.raises(NotFoundError):
            read(text)
    assert lab.list(agent_id=text).items == ()
    assert lab.active(text) is None
    assert lab.get("demo").status == "draft"


@pytest.mark.parametrize("text", REFUSED)
def test_a_reason_to_ship_that_cannot_be_kept_is_refused(lab: ExperimentController, text: str) -> None:
    lab.create(experiment())
    lab.start("demo")
    with pytest.raises(ParameterError, match="override_reason"):
        lab.complete("demo", ship_winner=True, variant="warming", override_reason=text)
    assert lab.get("demo").status == "running"
    lab.complete("demo")
    with pytest.raises(ParameterError, match="override_reason"):
        lab.ship("demo", variant="warming", override_reason=text)


def test_two_users_are_too_few_and_no_warning_is_given(lab: ExperimentController) -> None:
    lab.create(experiment())
    lab.start("demo")
    lab.record_many([{"user_id": "u1", "metric_type": "score", "value": 1, "event_id": "e"}], experiment_id="demo")
    lab.record_many([{"user_id": "u4", "metric_type": "score", "value": 2, "event_id": "f"}], experiment_id="demo")
    assert lab.status("demo").total == 2  # warnings are errors here


def test_organizations_do_not_see_each_other(store: Engine) -> None:
    mine, theirs = ExperimentController(store, "acme"), ExperimentController(store, "umbrella")
    stored = mine.create(experiment(), agent={"secret": 1})
    mine.start("demo")
    assert theirs.create(experiment(id="")).agent_id == "writer"
    assert theirs.agent("writer").config == {}
    assert theirs.assign("writer", "user-1").variant is None
    for name in (stored.id,):
        for read in (theirs.get, theirs.status, theirs.analyze, theirs.audit, theirs.cancel, theirs.pause):
            with pytest.raises(NotFoundError):
                read(name)
    with pytest.raises(DefinitionError, match="belongs to the organization 'acme'"):
        theirs.create(mine.get("demo").experiment)
    assert mine.get("demo").status == "running"


def test_another_process_is_noticed_within_the_time_to_live(store: Engine) -> None:
    first = ExperimentController(store, time_to_live=0.05)
    second = ExperimentController(store, time_to_live=0.05)
    first.create(experiment())
    assert second.assign("writer", "user-1").variant is None
    first.start("demo")
    deadline = datetime.now(UTC) + timedelta(seconds=5)
    while second.assign("writer", "user-1").variant is None:
        assert datetime.now(UTC) < deadline


def test_connecting_creates_the_store(sqlite_url: str) -> None:
    with connect(sqlite_url) as lab:
        lab.create(experiment())
    with connect(sqlite_url) as lab:
        assert lab.get("demo").status == "draft"


def test_recording_one_by_one_is_seen_by_the_analysis(lab: ExperimentController) -> None:
    lab.create(experiment())
    lab.start("demo")
    for place in range(40):
        lab.record("demo", f"user-{place}", "score", place % 5, event_id=f"event-{place}")
        lab.record("demo", f"user-{place}", "score", place % 5, event_id=f"event-{place}")
    analysis = lab.analyze("demo")
    assert (analysis.data.units, lab.flush().added, lab.flush().repeated) == (40, 40, 40)
    assert sum(metric.n for metric in lab.daily_metrics("demo")) == 40
    assert lab.status("demo", live=False).total == 40


def test_recording_refuses_what_does_not_fit(lab: ExperimentController) -> None:
    stored = lab.create(experiment())
    with pytest.raises(NotFoundError, match="did you mean 'demo'"):
        lab.record("dem", "user-1", "score", 1)
    lab.record("demo", "user-1", "score", 1)
    assert lab.flush().rejected == 1  # a draft gives no variants
    lab.start("demo")
    variant = lab.assign("writer", "user-1").variant
    other = {"plain": "warming", "warming": "plain"}[str(variant)]
    lab.record(stored.id, "user-1", "score", 1, variant_id=other)
    lab.record(stored.id, "user-1", "score", 1, variant_id=variant)
    assert (lab.flush().rejected, lab.flush().added) == (2, 1)
    row = {"user_id": "user-2", "metric_type": "score", "value": 1, "event_id": "e"}
    with pytest.raises(NotFoundError, match="name it so"):
        lab.record_many([{**row, "experiment_id": "demo"}])
    assert lab.record_many([{**row, "experiment_id": stored.id}]).added == 1
    with pytest.raises(ParameterError):
        lab.record("demo", "", "score", 1)


def test_other_organizations_experiments_take_no_observations(store: Engine) -> None:
    mine, theirs = ExperimentController(store, "acme"), ExperimentController(store, "umbrella")
    stored = mine.create(experiment())
    mine.start("demo")
    with pytest.raises(NotFoundError):
        theirs.record(stored.id, "user-1", "score", 1)
    row = {"user_id": "user-1", "metric_type": "score", "value": 1, "event_id": "e", "experiment_id": stored.id}
    with pytest.raises(NotFoundError):
        theirs.record_many([row])


def test_what_waits_is_stored_when_the_store_is_closed(sqlite_url: str) -> None:
    with connect(sqlite_url) as lab:
        lab.create(experiment())
        lab.start("demo")
        lab.record("demo", "user-1", "score", 1)
    with connect(sqlite_url) as lab:
        assert [metric.n for metric in lab.daily_metrics("demo", cumulative=True)] == [1]
