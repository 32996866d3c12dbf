from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.errors import AbkitError, DefinitionError, NotFoundError
from abkit.models import Data, Experiment, Mean, Plan, Proportion, Quantile, Ratio, Summary, Variant, presets
from abkit.models.design import design_hash


def two(share: float = 50) -> list[Variant]:
    return [Variant("plain", share, is_control=True), Variant("warming", 100 - share)]


def experiment(**changes: object) -> Experiment:
    return Experiment(**{"key": "warming", "variants": two(), "primary_metric": Proportion("success"), **changes})


names = st.text(min_size=1, max_size=30)
metrics = st.one_of(
    st.builds(
        Mean, names, goal=st.sampled_from(["maximize", "minimize"]), margin=st.floats(0, 5), unit=st.none() | names
    ),
    st.builds(Proportion, names, missing=st.sampled_from(["error", "zero", "drop"])),
    st.builds(Ratio, names, names, cap=st.none() | st.floats(0.6, 0.99)),
    st.builds(Quantile, names, st.floats(0.01, 0.99), covariate=st.none() | names),
)
data = st.builds(
    Data,
    path=st.none() | names,
    unit=names,
    design=st.sampled_from(["randomized", "paired"]),
    where=st.dictionaries(names, st.one_of(names, st.integers(), st.booleans()), max_size=2),
)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    primary, *secondary = draw(st.lists(metrics, min_size=1, max_size=4, unique_by=lambda metric: metric.name))
    plan = draw(st.builds(Plan, power=st.floats(0.1, 0.9), practical_threshold=st.sampled_from(["mde", None, 0.2])))
    return experiment(
        name=draw(names),
        hypothesis=draw(st.text(max_size=50)),
        primary_metric=primary,
        secondary_metrics=secondary,
        confidence_level=draw(st.floats(0.5, 0.999)),
        plan=plan,
        data=draw(st.none() | data),
    )


@given(experiments())
def test_yaml_and_json_hold_the_whole_definition(one: Experiment) -> None:
    assert Experiment.from_yaml(one.to_yaml() + "\n") == one
    assert Experiment.from_dict(one.to_dict()) == one


def test_what_a_metric_is_in_does_not_change_what_was_planned() -> None:
    def hashed(**changes: object) -> str:
        return design_hash(experiment(id="one", **changes).to_dict())

    assert hashed(primary_metric=Mean("price")) == hashed(primary_metric=Mean("price", unit="CHF"))
    assert hashed(primary_metric=Mean("price")) != hashed(primary_metric=Mean("prices"))
    guarded = [[Mean("price", margin=0.1, unit=unit)] for unit in (None, "CHF")]
    assert hashed(guardrail_metrics=guarded[0]) == hashed(guardrail_metrics=guarded[1])
    assert hashed(data=Data(unit="user")) != hashed(data=Data(unit="session"))


def test_a_definition_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        experiment().key = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": two(60)[:1]}, "at least two are needed"),
        ({"variants": [Variant("a", 50), Variant("b", 50)]}, "is_control: true; there is none"),
        ({"variants": [Variant("a", 50, is_control=True), Variant("b", 50, is_control=True)]}, "there are 2 (a, b)"),
        ({"variants": [Variant("a", 40, is_control=True), Variant("b", 50)]}, "must sum to 100, it sums to 90"),
        ({"variants": [Variant("a", 50, is_control=True), Variant("a", 50)]}, "the name 'a' is used 2 times"),
        ({"guardrail_metrics": [Mean("cost")]}, "'cost' needs a margin"),
        ({"secondary_metrics": [Mean("success")]}, "the name 'success' is used 2 times"),
        ({"secondary_metrics": ["latency_p59"]}, "did you mean 'latency_p95'?"),
        ({"data": {"variants": {"warmin": "x"}}}, "'warmin' is not a variant"),
        ({"plan": {"inference": "bayes"}}, "always_valid"),
        ({"guardrail_metrics": [Mean("cost", margin=1.0)]}, "never blocks"),
        ({"variants": [Variant("a", 0, is_control=True), Variant("b", 100)]}, "the control has no traffic"),
        ({"confidence_level": 1.0}, "confidence_level: Input should be less than"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        experiment(**changes)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "key", ["2024_11", "1e5", "Warming", "a b", "-a", "a", "true", "null", "no", "nan", "x" * 64, "../x"]
)
def test_a_key_that_a_tool_could_change_is_refused(key: str) -> None:
    with pytest.raises(DefinitionError, match="key"):
        experiment(key=key)


def test_a_number_as_key_says_what_to_do() -> None:
    text = "key: 202411\nvariants: []\nprimary_metric: success_rate\n"
    with pytest.raises(DefinitionError, match="key: must be text; in YAML, put it in quotes"):
        Experiment.from_yaml(text)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(DefinitionError) as raised:
        experiment(key="X", variants=[Variant("a", 10), Variant("a", 20)], guardrail_metrics=[Mean("cost")])
    assert len(raised.value.problems) == 5


def test_unknown_keys_are_errors_with_a_suggestion() -> None:
    plain = {**experiment().to_dict(), "min_sampel_size": 3}
    with pytest.raises(DefinitionError, match="min_sampel_size: unknown key; did you mean 'min_sample_size'"):
        Experiment.from_dict(plain)
    with pytest.raises(DefinitionError, match="gaol: unknown key; did you mean 'goal'"):
        Mean("x", gaol="minimize")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": ["plain", "warming"]}, "variants.0: must be a Variant, or a mapping of its keys (got 'plain')"),
        ({"variants": {"plain": 50, "warming": 50}}, "variants: must be a list"),
        ({"primary_metric": "Solved?"}, "Proportion('Solved?'), in a file {kind: proportion, column: Solved?}"),
    ],
)
def test_what_newcomers_write_is_answered_with_what_to_write(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        experiment(**changes)
    assert said in str(caught.value)


def test_a_preset_may_be_renamed_and_pointed_elsewhere() -> None:
    one = experiment(secondary_metrics=["latency_p95", {"preset": "latency_p50", "column": "latency_s", "name": "p50"}])
    assert one.secondary_metrics[0] == presets.latency_p95
    assert one.secondary_metrics[1] == replace(presets.latency_p50, column="latency_s", name="p50")
    assert set(vars(presets)) == {
        "success_rate",
        "latency_p50",
        "latency_p95",
        "cost_per_execution",
        "user_satisfaction",
        "task_completion_rate",
    }


def test_an_id_is_a_uuid4_and_a_file_without_one_keeps_the_same(tmp_path) -> None:
    assert experiment().id != experiment().id
    assert experiment().id[14] == "4"
    text = "\n".join(line for line in experiment().to_yaml().splitlines() if not line.startswith("id:"))
    (tmp_path / "one.yml").write_text(text)
    first, second = (Experiment.from_yaml(tmp_path / "one.yml") for _ in range(2))
    assert first.id == second.id
    assert first.id[14] == "4"


def test_the_practical_threshold_is_the_mde_unless_the_plan_says_otherwise() -> None:
    assert experiment(min_detectable_effect=0.07).practical_threshold == 0.07
    assert experiment(plan=Plan(practical_threshold=0.01)).practical_threshold == 0.01
    assert experiment(plan=Plan(practical_threshold=None)).practical_threshold is None


@pytest.mark.parametrize(
    "keys",
    [
        {"design": "paired"},
        {"summary": {"n": "users"}},
        {"summary": {"n": "users", "means": {"a": "m"}}},
        {"summary": {"n": "users", "sums": {"a": "m"}}, "unit": "user"},
        {"variants": {"a": "x", "b": "x"}},
        {"segment": ["country"]},
    ],
)
def test_data_that_cannot_be_meant_is_refused(keys: dict[str, object]) -> None:
    from abkit.models.definition import validate

    with pytest.raises(DefinitionError):
        validate(Data, keys)


def test_summary_columns_of_means_come_with_variances() -> None:
    assert Summary("n", means={"spend": "m"}, variances={"spend": "v"}).means == {"spend": "m"}


@pytest.mark.parametrize(
    ("content", "kind"), [(b"- a\n- b\n", DefinitionError), (b"a: [", DefinitionError), (b"\xff\xfe", DefinitionError)]
)
def test_a_file_that_is_no_experiment_is_refused(tmp_path, content: bytes, kind: type[AbkitError]) -> None:
    (tmp_path / "x.yml").write_bytes(content)
    with pytest.raises(kind):
        Experiment.from_yaml(tmp_path / "x.yml")


def test_a_missing_file_is_not_found(tmp_path) -> None:
    with pytest.raises(NotFoundError, match="no experiment file"):
        Experiment.from_yaml(tmp_path / "absent.yml")


def test_the_bundled_examples_are_found_from_any_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = Experiment.from_yaml("examples/agents/warming.yml")
    assert one.key == "warming"
    with pytest.raises(NotFoundError):
        Experiment.from_yaml("examples/agents/nothing.yml")


def test_a_key_that_is_there_twice_is_refused() -> None:
    text = experiment().to_yaml() + "confidence_level: 0.9\n"
    with pytest.raises(DefinitionError, match="'confidence_level' is there twice, in lines"):
        Experiment.from_yaml(text)


def test_text_that_yaml_takes_for_a_list_is_answered_with_quotes() -> None:
    with pytest.raises(DefinitionError, match="in quotes"):
        Experiment.from_yaml("key: warming\nprimary_metric: {kind: mean, column: Answer time [s]}\n")


def test_a_file_nested_too_deep_is_refused() -> None:
    with pytest.raises(DefinitionError, match="nested too deep"):
        Experiment.from_yaml("\n" + "[" * 5000)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ({"name": "solved"}, "primary_metric: a metric needs a kind .mean, .*as in {kind: proportion, column: solved}"),
        ({"kind": "proportion"}, "primary_metric.column: is required"),
        (
            {"kind": "mean", "column": "cost", "gaol": "minimize"},
            "primary_metric.gaol: unknown key; did you mean 'goal'",
        ),
    ],
)
def test_what_is_wrong_with_a_metric_is_said_in_the_words_of_the_file(metric: dict[str, str], said: str) -> None:
    variants = [{"name": name, "traffic_percentage": 50, "is_control": name == "a"} for name in "ab"]
    with pytest.raises(DefinitionError, match=said):
        Experiment.from_dict({"key": "e1", "variants": variants, "primary_metric": metric})


def test_a_key_that_is_called_like_a_kind_of_metric_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"means\.ratio: must be text"):
        Summary("n", means={"ratio": 5}, variances={})
