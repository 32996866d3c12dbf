"""Planted biases are found, each by its own check; the real hash is called sound as often as it should be."""

import hashlib
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import abkit as ab
from abkit.assignment import Split, buckets
from abkit.assignment import ramp as ramps
from abkit.assignment.hashing import text_of
from abkit.assignment.ramp import ramp_steps
from abkit.assignment.split_checks import check_buckets, check_order, compare_splits
from abkit.assignment.split_parts import codes_of, points_of
from abkit.assignment.traffic import CHUNK, arrival_weights, users_of
from abkit.stats import srm

N = 20_000


def experiment(*traffic: float, key: str = "demo", **more) -> ab.Experiment:
    traffic = traffic or (50, 50)
    variants = [ab.Variant(f"v{place}", share, is_control=place == 0) for place, share in enumerate(traffic)]
    return ab.Experiment(key, variants, ab.Mean("score"), id=f"id-of-{key}", **more)


@pytest.fixture(scope="module")
def sound() -> SimpleNamespace:
    return ab.simulate_split(experiment(min_sample_size=5000), N, id_change_share=0.01, returning=0.2)


def failed(simulation) -> set[str]:
    return {check.name for check in simulation.failed}


def test_the_real_hash_passes_every_check(sound) -> None:
    assert sound.status == "pass"
    assert {check.name: check.status for check in sound.checks} == {
        **dict.fromkeys(("assigner", "shares", "buckets", "order", "srm", "independence", "ramp"), "pass"),
        "clusters": "not_run",
        "contamination": "pass",
        "duration": "pass",
    }


def ids_of(users) -> list[str]:
    return [str(user) for user in users]


def two_bytes(experiment_id, users):
    """65,536 is no multiple of 10,000: the lower buckets get 7 values, the upper ones 6."""
    digests = (hashlib.sha256(f"{experiment_id}:{user}".encode()).digest() for user in ids_of(users))
    return np.array([int.from_bytes(digest[:2], "big") % 10_000 for digest in digests])


def range_dropped(experiment_id, users):
    """A percent of the buckets is never hit; those users land in the next one, and the shares stay as they were."""
    points = buckets(experiment_id, users).astype(int)
    return np.where((points >= 1200) & (points < 1300), points + 100, points)


def follows_another(experiment_id, users):
    """One user in ten gets the bucket that one fixed salt gives, whatever the experiment."""
    points, other = buckets(experiment_id, users), buckets("id-of-other", users)
    return np.where(buckets("who", users) < 1000, other, points)


def in_turn(experiment_id, users):
    """Modulo of a running number: as even as can be, and the same in every experiment."""
    return np.array([int(user.rpartition(":")[2]) for user in ids_of(users)]) * 37 % 10_000


def without_salt(experiment_id, users):
    return buckets("always the same", users)


def in_runs(experiment_id, users):
    """Users who come one after the other get one bucket: shares are fine, weeks are not."""
    return buckets(experiment_id, (np.arange(len(users)) // 50).astype(str))


PLANTED = {
    "modulo bias": (two_bytes, {"shares", "buckets", "srm"}),
    "one bucket range dropped": (range_dropped, {"buckets"}),
    "correlated with another experiment's salt": (follows_another, {"independence"}),
    "in turn": (in_turn, {"order", "independence"}),
    "without salt": (without_salt, {"independence"}),
    "in runs": (in_runs, {"order"}),
    "constant": (lambda experiment_id, users: np.full(len(users), 7), {"shares", "buckets", "order", "srm"}),
    "tilted by three percent": (
        lambda experiment_id, users: np.minimum(buckets(experiment_id, users) * 0.97, 9999).astype(int),
        {"shares", "buckets"},
    ),
}


@pytest.mark.parametrize("bias", PLANTED)
def test_a_planted_bias_is_found_by_the_checks_that_are_there_for_it(bias: str) -> None:
    hash_points, expected = PLANTED[bias]
    simulation = ab.simulate_split(
        experiment(), N, id_shape="integer", others=[experiment(key="other")], hash_points=hash_points
    )
    assert expected <= failed(simulation)
    assert simulation.check("assigner").status == "not_run"
    assert "not ready" in simulation.headline


def test_a_planted_bias_that_leaves_shares_and_salts_alone_trips_nothing_else() -> None:
    simulation = ab.simulate_split(experiment(), N, hash_points=range_dropped)
    assert failed(simulation) == {"buckets"}


def test_a_hash_that_gives_no_buckets_is_refused() -> None:
    for wrong in (lambda e, u: np.full(len(u), 10_000), lambda e, u: np.zeros(3, int), lambda e, u: np.zeros(len(u))):
        with pytest.raises(ab.AbkitError, match="the hash gave"):
            ab.simulate_split(experiment(), 1000, hash_points=wrong)


def p_values_of_sound_splits(salts: int, users: int) -> dict[str, np.ndarray]:
    ids = np.arange(users)
    other = buckets("another", ids)
    other_codes = codes_of(Split.of(experiment(30, 70)), other)
    found = {"shares": [], "buckets": [], "order": [], "table": [], "correlation": []}
    for salt in range(salts):
        points = buckets(f"salt {salt}", ids)
        codes = codes_of(Split.of(experiment()), points)
        found["shares"].append(srm(np.bincount(codes), [1, 1]).p_value)
        found["buckets"].append(check_buckets(points).p_value)
        found["order"].append(check_order(codes, [0.5, 0.5]).p_value)
        _, table, correlation = compare_splits(points, codes, other, other_codes)
        found["table"].append(table)
        found["correlation"].append(correlation)
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("salts", [60, pytest.param(1000, marks=pytest.mark.full)])
def test_the_real_hash_raises_as_many_alarms_as_chance_does(salts: int) -> None:
    for name, values in p_values_of_sound_splits(salts, 5000).items():
        for level in (0.05, 0.5):
            band = 3.3 * np.sqrt(level * (1 - level) / salts)
            rate = np.mean(values < level)
            assert rate < level + band, name
            assert rate > level - band or name == "buckets", name  # the smaller of two p-values, doubled
        assert (values < 0.001).sum() <= 2 + 0.003 * salts, name


@pytest.mark.parametrize(("runs", "most"), [(5, 1), pytest.param(50, 2, marks=pytest.mark.full)])
def test_a_sound_split_is_hardly_ever_called_broken(runs: int, most: int) -> None:
    """Six checks at 0.001: at most 0.6 % of simulations, so 3 of 50 would be astonishing, as would 2 of 5."""
    bad = [failed(ab.simulate_split(experiment(key=f"demo-{run}"), 5000, seed=run)) for run in range(runs)]
    assert sum(map(bool, bad)) <= most


@settings(max_examples=5, deadline=None)
@given(
    st.integers(2, 1500),
    st.lists(st.integers(1, 50), min_size=2, max_size=5),
    st.sampled_from(["uuid", "integer", "email"]),
    st.integers(0, 2**32),
)
def test_shares_add_up_and_the_same_seed_gives_the_same_result(users, weights, shape, seed) -> None:
    traffic = [round(100 * weight / sum(weights), 6) for weight in weights]
    one = experiment(*traffic)
    run = partial(ab.simulate_split, one, users, id_shape=shape, seed=seed, id_change_share=0.2, returning=0.1)
    simulation = run()
    assert sum(share.share for share in simulation.variants) == pytest.approx(1)
    assert sum(share.planned_share for share in simulation.variants) == pytest.approx(1)
    assert sum(share.users for share in simulation.variants) == users == simulation.arrivals[-1].users
    assert sum(simulation.ramp.shares_after.values()) == pytest.approx(1)
    for share in simulation.variants:
        assert share.low_999 <= share.low_95 <= share.planned_share + 1 / users
        assert share.high_999 >= share.high_95 >= share.planned_share - 1 / users
    assert run() == simulation
    json.dumps(simulation.to_dict(), allow_nan=False)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=5), st.lists(st.floats(0.1, 99), min_size=1, unique=True))
def test_a_ramp_never_moves_a_user_who_stays_inside(weights, steps) -> None:
    one = experiment(*(round(100 * weight / sum(weights), 6) for weight in weights))
    simulated = ramps.simulate_ramp(
        found := ramp_steps(one, sorted(steps)),
        users := users_of(400, "uuid", 1),
        points_of(buckets, one.id, users),
        first=[place * 400 // len(found) for place in range(len(found))],
        days=[1] * len(found),
    )
    assert simulated.moved == 0
    assert sum(simulated.shares_after.values()) == pytest.approx(1)
    if len(weights) == 2:  # the hash alone takes nobody out of the only treatment either, it just adds to it
        assert all(step.moved_out_of_treatment == 0 for step in simulated.steps)


def test_an_assigner_that_forgets_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(ramps.TrafficAssigner):
        def __init__(self, read_running, read, write, **more) -> None:
            super().__init__(read_running, lambda _, users: {}, lambda _, variants, at: dict(variants), **more)

    monkeypatch.setattr(ramps, "TrafficAssigner", Forgetful)
    check = ab.simulate_split(experiment(), N).check("ramp")
    assert check.status == "fail"
    assert check.value > 1000


def test_a_ramp_tells_what_the_hash_alone_would_move(sound) -> None:
    assert [step.treatment_share for step in sound.ramp.steps] == [0.01, 0.05, 0.1, 0.25, 0.5]
    for before, step in zip(sound.ramp.steps, sound.ramp.steps[1:], strict=False):
        added = step.treatment_share - before.treatment_share
        assert step.moved_by_hash == pytest.approx(step.users_before * added, rel=0.2)
    assert sound.ramp.shares_after["v1"] == pytest.approx(0.91 / 5, abs=0.02)
    assert "judge the split by those who come after the last step" in sound.check("ramp").message
    three = ab.simulate_split(experiment(34, 33, 33), N)
    assert sum(step.moved_out_of_treatment for step in three.ramp.steps) > 100
    assert ab.simulate_split(experiment(99, 1), N, ramp=(1, 5)).check("ramp").status == "not_run"


def test_own_ids_are_counted_once_whatever_holds_them() -> None:
    ids = [f"user-{number}" for number in range(3000)]
    told = [
        ab.simulate_split(experiment(), given)
        for given in (ids, np.array(ids), pd.Series(ids, index=range(7, 3007)), pl.Series(ids), [*ids, *ids[:10]])
    ]
    assert all(one.variants == told[0].variants and one.users == 3000 for one in told)
    assert [one.repeated for one in told] == [0, 0, 0, 0, 10]
    split = Split.of(experiment())
    assert told[0].variants[0].users == sum(split.variant(user) == "v0" for user in ids)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"users": 1}, "at least two"),
        ({"users": ["a", None]}, "NoneType"),
        ({"users": ["a", "a"]}, "of one"),
        ({"users": []}, "no ids"),
        ({"users": "abc"}, "a number, or a sequence"),
        ({"users": [1.5, 2.5]}, "float"),
        ({"id_shape": "uid"}, "did you mean 'uuid'"),
        ({"arrival": "weekley"}, "did you mean 'weekly'"),
        ({"arrival": [1, 2], "days": 3}, "leave one of them out"),
        ({"arrival": [1, -2]}, "not negative"),
        ({"days": 0}, "1 to 1,000"),
        ({"returning": 1}, "0 to 1"),
        ({"id_change_share": 2}, "id_change_share"),
        ({"ramp": (5, 1)}, "rising"),
        ({"clusters": ["a"]}, "pass the ids"),
        ({"users": ["a", "b"], "clusters": ["x"]}, "one for each id"),
        ({"users": ["a", "b"], "clusters": ["x", "x"]}, "all users are in one"),
        ({"users": ["a", "b"], "clusters": ["x", None]}, "1 users have none"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, said) -> None:
    with pytest.raises(ab.AbkitError, match=said):
        ab.simulate_split(experiment(), **{"users": 100, **wrong})


@pytest.mark.parametrize("shape", ["uuid", "integer", "email"])
def test_made_up_ids_differ_are_ids_and_do_not_depend_on_how_many_are_made(shape) -> None:
    few, many = users_of(1000, shape, 5), users_of(CHUNK + 1000, shape, 5)
    texts = [text_of(text) for text in many.texts(CHUNK + 1000).to_pylist()]
    assert len(set(texts)) == CHUNK + 1000
    assert few.texts(1000).to_pylist() == texts[:1000]


def test_few_users_are_said_to_be_few() -> None:
    simulation = ab.simulate_split(experiment(99.5, 0.5), 100)
    statuses = {check.name: check.status for check in simulation.checks}
    assert {statuses[name] for name in ("shares", "buckets", "order", "srm")} == {"not_enough_data"}
    assert statuses["duration"] == "fail"
    tiny = ab.simulate_split(experiment(min_sample_size=2), 10)
    assert tiny.status == "not_enough_data"
    assert tiny.headline == "demo: … too little to tell: buckets, order"


def test_clusters_are_counted_and_a_giant_is_seen() -> None:
    ids = [f"user-{number}" for number in range(6000)]
    teams = [number % 300 for number in range(6000)]
    even = ab.simulate_split(experiment(), ids, clusters=teams, icc=0.1).clusters
    assert (even.clusters, even.effective_clusters, even.mixed_clusters) == (300, 300, 300)
    assert even.design_effect == pytest.approx(1 + 19 * 0.1)
    assert even.effective_users == pytest.approx(6000 / 2.9)
    giant = ab.simulate_split(experiment(), ids, clusters=["big"] * 3000 + teams[3000:])
    assert giant.check("clusters").status == "not_enough_data"
    assert giant.clusters.largest_share == 0.5
    doubled = ab.simulate_split(experiment(), [*ids, "user-0"], clusters=[*teams, 5])
    assert doubled.clusters.clusters == 300


def test_changed_ids_are_contamination(sound) -> None:
    told = sound.contamination
    assert told.expected_share == pytest.approx(0.005)
    assert told.mixed_users / told.users == pytest.approx(0.005, abs=0.002)
    worse = ab.simulate_split(experiment(), N, id_change_share=0.1)
    assert failed(worse) == {"contamination"}
    assert worse.contamination.attenuation == pytest.approx(1 / 1.1)


def test_time_to_size_counts_people_and_not_visits() -> None:
    simulation = ab.simulate_split(experiment(min_sample_size=9000), 10_000, days=10, returning=0.3)
    duration = simulation.duration
    assert duration.reached_day == 9 or duration.reached_day == 10
    assert duration.day_by_visits < 7
    assert "partly the same people" in simulation.check("duration").message
    short = ab.simulate_split(experiment(min_sample_size=20_000), 10_000, days=10)
    assert failed(short) == {"duration"}
    assert short.duration.expected_days == pytest.approx(20, abs=1)
    assert ab.simulate_split(experiment(), arrival=[500, 300, 400]).users == 1200


def test_arrivals_have_the_shapes_they_are_named_for() -> None:
    assert arrival_weights("weekly", 14)[5] / arrival_weights("weekly", 14)[0] == pytest.approx(0.75 / 1.1)
    decaying = arrival_weights("decaying", 11)
    assert decaying[5] / decaying[0] == pytest.approx(0.5)
    for name in ("uniform", "weekly", "decaying"):
        assert arrival_weights(name, 30).sum() == pytest.approx(1)


def test_a_paired_design_has_no_split(root: Path) -> None:
    with pytest.raises(ab.AbkitError, match="is paired"):
        ab.simulate_split(ab.Experiment.from_yaml(root / "examples/agents/warming.yml"), 1000)


def test_a_running_experiment_is_not_its_own_rival() -> None:
    one = experiment()
    told = ab.simulate_split(one, N, others=[one, experiment(20, 80, key="other")])
    assert [other.key for other in told.others] == ["other"]
    assert told.check("independence").status == "pass"


def test_it_says_itself(sound) -> None:
    assert len(repr(sound).splitlines()) <= 10
    assert repr(sound).startswith("demo: ✓ ready to launch")
    broken = ab.simulate_split(
        experiment(key="demo"), 400, hash_points=lambda e, u: np.full(len(u), 7), id_change_share=0.9
    )
    assert len(repr(broken).splitlines()) <= 10
    hostile = ab.Experiment(
        "demo", [ab.Variant("<b>", 50, is_control=True), ab.Variant("<i>", 50)], ab.Mean("x"), id="e"
    )
    page = ab.simulate_split(hostile, 1000)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert list(sound.to_frame().name) == ["v0", "v1"]
    assert len(sound.to_frame("arrivals")) == 14
    assert sound.to_dict()["schema"] == "abkit.split/1"
    with pytest.raises(ab.AbkitError, match="did you mean 'shares'"):
        sound.check("share")
