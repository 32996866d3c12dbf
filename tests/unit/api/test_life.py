import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from abkit.api.schemas import NewPlan, PresetMetric
from abkit.models import Plan, presets
from abkit.store.engine import writing
from abkit.store.observation_tables import observations

EXPERIMENTS = "/api/v1/experiments"
WEEK_AGO = (datetime.now(UTC) - timedelta(days=7)).isoformat()


def lines(rows: list[dict[str, Any]]) -> dict[str, Any]:
    text = "\n".join(json.dumps(row) for row in rows)
    return {"content": text.encode(), "headers": {"Content-Type": "application/x-ndjson"}}


def observe(client: Any, experiment_id: str, better_by: float, users: int = 300) -> None:
    rows = []
    for place in range(users):
        question = {"agent_id": "writer", "user_id": f"user-{place}"}
        if place < 20:  # one by one, then in bulk: recording assigns whoever is new
            assert client("POST", "/api/v1/assignments", json=question).json()["experiment_id"] == experiment_id
        rows.append({"user_id": f"user-{place}", "event_id": f"e{place}", "metric_type": "score", "value": place % 7})
        rows[-1]["observed_at"] = WEEK_AGO
    sent = client("POST", f"/api/v1/observations/bulk?experiment_id={experiment_id}", **lines(rows))
    assert (sent.status_code, sent.json()["added"]) == (200, users), sent.text
    again = client("POST", f"/api/v1/observations/bulk?experiment_id={experiment_id}", **lines(rows))
    assert (again.json()["added"], again.json()["repeated"]) == (0, users)
    extra = []
    for place in range(users):
        question = {"agent_id": "writer", "user_id": f"user-{place}"}
        if place % 50 == 0:
            assert client("POST", "/api/v1/assignments", json=question).json()["variant"] in {"plain", "warming"}
        extra.append(question["user_id"])
    lab = client.app.state.labs._labs["ours"]
    given = lab.assign_batch("writer", extra).variant
    rows = [
        {
            "user_id": name,
            "event_id": f"more-{name}",
            "metric_type": "score",
            "value": better_by if variant == "warming" else 0.0,
        }
        for name, variant in zip(extra, given, strict=True)
    ]
    for metric in ("cost_per_execution", "success"):
        rows += [
            {"user_id": name, "event_id": f"{metric}-{name}", "metric_type": metric, "value": place % 2}
            for place, name in enumerate(extra)
        ]
    sent = client("POST", f"/api/v1/observations/bulk?experiment_id={experiment_id}", **lines(rows))
    assert sent.json()["added"] == 3 * users, sent.text


def test_results_by_the_recorded_codes_of_a_segment(client: Any, body: dict[str, Any]) -> None:
    clash = client("POST", f"{EXPERIMENTS}/", json=body | {"segments": ["score"]})
    assert clash.status_code == 422
    assert "segment 'score' is what 'score' measures" in clash.text
    made = client("POST", f"{EXPERIMENTS}/", json=body | {"segments": ["tier"]}).json()["id"]
    client("POST", f"{EXPERIMENTS}/{made}/start")
    rows = [
        {"user_id": f"user-{place}", "event_id": f"{name}-{place}", "metric_type": name, "value": value}
        for place in range(60)
        for name, value in (("score", place % 7), ("tier", place % 3))
    ]
    assert client("POST", f"/api/v1/observations/bulk?experiment_id={made}", **lines(rows)).json()["added"] == 120
    (found,) = client("GET", f"{EXPERIMENTS}/{made}/results").json()["analysis"]["segments"]
    assert found["column"] == "tier"
    assert {part["value"]: sum(part["units"].values()) for part in found["segments"]} == {"0": 20, "1": 20, "2": 20}


def test_from_draft_to_shipped_over_http(client: Any, body: dict[str, Any]) -> None:
    put = client("PUT", "/api/v1/agents/writer", json={"config": {"model": "m", "temperature": 1}, "reason": "first"})
    assert (put.status_code, put.headers["etag"]) == (200, '"2"'), put.text
    made = client("POST", EXPERIMENTS, json=body)
    assert made.status_code == 201
    stored = made.json()
    assert (stored["key"], stored["status"], stored["definition"]["organization_id"]) == (
        "warming-or-plain",
        "draft",
        "ours",
    )
    assert made.headers["location"] == f"{EXPERIMENTS}/{stored['id']}"
    assert client("POST", EXPERIMENTS, json=body).json()["key"] == "warming-or-plain-2"
    at = f"{EXPERIMENTS}/{stored['id']}"
    assert client("GET", f"{EXPERIMENTS}/writer/active").status_code == 404
    for step, status in (("start", "running"), ("pause", "paused"), ("resume", "running")):
        moved = client("POST", f"{at}/{step}", json={"reason": "because"})
        assert (moved.status_code, moved.json()["status"]) == (200, status)
    assert client("GET", f"{EXPERIMENTS}/writer/active").json()["id"] == stored["id"]
    observe(client, stored["id"], better_by=4.0)
    status = client("GET", f"{at}/status").json()
    assert (status["total"], status["target"], status["status"]) == (300, 20, "running")
    assert sum(variant["users"] for variant in status["variants"]) == 300
    assert status["analysis"]["decision"]["winner"] == "warming"
    done = client("POST", f"{at}/complete?ship_winner=true", json={"reason": "shown"})
    assert (done.status_code, done.json()["winner"]) == (200, "warming"), done.text
    agent = client("GET", "/api/v1/agents/writer").json()
    assert agent["config"] == {"model": "m", "temperature": "rising"}
    results = client("GET", f"{at}/results").json()
    assert results["analysis"]["decision"]["should_ship"]
    assert results["analysis"]["series"]
    assert sum(day["n"] for day in results["daily"] if day["metric_type"] == "score") == 600
    assert {"mean", "std", "variance", "sum_sq"} <= results["cumulative"][0].keys()
    back = client("POST", "/api/v1/agents/writer/rollback", json={"reason": "a doubt"}).json()
    assert back["config"] == {"model": "m", "temperature": 1}
    audit = client("GET", f"/api/v1/audit?experiment_id={stored['id']}").json()["items"]
    assert [entry["action"] for entry in audit] == ["create", "start", "pause", "resume", "complete", "ship"]
    assert {entry["actor"].partition(" ")[0][:4] for entry in audit} == {"key:"}
    assert audit[1]["reason"] == "because"


def test_metrics_are_presets_means_or_objects(client: Any, body: dict[str, Any]) -> None:
    body |= {"primary_metric": "latency_p95", "primary_metric_goal": None}
    made = client("POST", EXPERIMENTS, json=body).json()["definition"]
    primary, (cost, success) = made["primary_metric"], made["secondary_metrics"]
    assert (primary["kind"], primary["q"], primary["goal"]) == ("quantile", 0.95, "minimize")
    assert (cost["kind"], cost["goal"], success["kind"]) == ("mean", "minimize", "proportion")
    body |= {"primary_metric": "tokens", "primary_metric_goal": "minimize", "secondary_metrics": []}
    primary = client("POST", EXPERIMENTS, json=body).json()["definition"]["primary_metric"]
    assert (primary["kind"], primary["column"], primary["goal"]) == ("mean", "tokens", "minimize")


def test_a_plan_and_guardrails_are_drafted_as_they_are_sent(client: Any, body: dict[str, Any]) -> None:
    plan = {"inference": "group_sequential", "looks": 3.0, "planned_units": 400, "min_runtime_days": 0}
    guardrails = [
        {"preset": "latency_p95", "margin": 0.25, "column": "latency_s"},
        {"kind": "mean", "column": "tokens", "goal": "minimize", "margin": 0.1},
    ]
    made = client("POST", EXPERIMENTS, json={**body, "plan": plan, "guardrail_metrics": guardrails})
    assert made.status_code == 201, made.text
    found = made.json()["definition"]
    assert found["plan"] == {**TypeAdapter(Plan).dump_python(Plan()), **plan}
    latency, tokens = found["guardrail_metrics"]
    assert latency == {**presets.latency_p95.to_dict(), "column": "latency_s", "margin": 0.25}
    assert (tokens["kind"], tokens["name"], tokens["margin"]) == ("mean", "tokens", 0.1)
    assert client("POST", EXPERIMENTS, json=body).json()["definition"]["plan"]["min_runtime_days"] == 3.0


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"plan": {"looks": True}}, "body.plan.looks"),
        ({"plan": {"power": "0.8"}}, "body.plan.power"),
        ({"plan": {"inference": "soon"}}, "body.plan.inference"),
        ({"plan": {"days": 3}}, "body.plan.days"),
        ({"plan": None}, "body.plan"),
        ({"guardrail_metrics": ["latency_p95"]}, "'latency_p95' needs a margin"),
        ({"guardrail_metrics": [{"preset": "latency_p95", "margin": 11}]}, "body.guardrail_metrics.0.preset.margin"),
        ({"guardrail_metrics": [{"preset": "speed", "margin": 0.1}]}, "body.guardrail_metrics.0.preset.preset"),
    ],
)
def test_plans_and_guardrails_that_are_none_are_told_once(
    client: Any, body: dict[str, Any], sent: dict[str, Any], said: str
) -> None:
    refused = client("POST", EXPERIMENTS, json={**body, **sent})
    assert refused.status_code == 422
    (problem,) = refused.json()["problems"]
    assert said in problem


def test_plans_and_presets_are_the_same_over_http() -> None:
    def bare(schema: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {key: part for key, part in field.items() if key != "description"}
            for name, field in schema["properties"].items()
        }

    sent, kept = bare(NewPlan.model_json_schema()), bare(TypeAdapter(Plan).json_schema())
    assert sent["planned_units"]["anyOf"][0].pop("maximum") == 10**12
    assert sent == kept
    assert set(get_args(PresetMetric.model_fields["preset"].annotation)) == set(vars(presets))


def test_lists_come_in_pages_with_filters(client: Any, body: dict[str, Any]) -> None:
    made = [client("POST", EXPERIMENTS, json={**body, "agent_id": f"agent-{n % 2}"}).json()["id"] for n in range(5)]
    client("POST", f"{EXPERIMENTS}/{made[0]}/cancel")
    found: list[str] = []
    cursor = None
    while True:
        page = client("GET", EXPERIMENTS, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == made[::-1]
    cancelled = client("GET", f"{EXPERIMENTS}/?status=cancelled").json()["items"]
    assert [item["id"] for item in cancelled] == made[:1]
    assert len(client("GET", EXPERIMENTS, params={"agent_id": "agent-0"}).json()["items"]) == 3
    assert [agent["id"] for agent in client("GET", "/api/v1/agents").json()["items"]] == ["agent-0", "agent-1"]
    page = client("GET", "/api/v1/audit?limit=4").json()
    rest = client("GET", f"/api/v1/audit?limit=4&cursor={page['next_cursor']}").json()
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 2, None)


def test_single_observations_are_stored_once_and_refusals_are_told(client: Any, running: str) -> None:
    row = {"experiment_id": running, "user_id": "u", "metric_type": "score", "value": 1.5, "event_id": "e"}
    first, second = (client("POST", "/api/v1/observations", json=row) for _ in range(2))
    assert (first.status_code, first.json()["added"], second.json()["repeated"]) == (201, 1, 1)
    other = client("POST", "/api/v1/observations", json={**row, "value": 2})
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    variant = client("POST", "/api/v1/assignments", json={"agent_id": "writer", "user_id": "u"}).json()["variant"]
    wrong = {"plain": "warming", "warming": "plain"}[variant]
    assert client("POST", "/api/v1/observations", json={**row, "event_id": "f", "variant_id": wrong}).status_code == 422
    del row["event_id"]
    assert all(client("POST", "/api/v1/observations", json=row).json()["added"] == 1 for _ in range(2))


@pytest.mark.parametrize("moment", [1.8e9, 1_800_000_000, "1800000000", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z"])
def test_times_are_text_of_the_years_that_the_document_names(client: Any, running: str, moment: Any) -> None:
    row = {"experiment_id": running, "user_id": "u", "metric_type": "score", "value": 1.5, "observed_at": moment}
    refused = client("POST", "/api/v1/observations", json=row)
    assert refused.status_code == 422
    assert "observed_at: Value error, not a time in the years 1970 to 2199" in refused.json()["problems"][0]
    key = {"name": "k", "scopes": ["read"], "expires_at": moment}
    assert "1970 to 2199" in client("POST", "/api/v1/keys", json=key).json()["problems"][0]


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00+14:00", "2199-12-31T23:59:59-12:00"])
def test_the_first_and_the_last_time_are_taken(client: Any, running: str, moment: str) -> None:
    row = {"experiment_id": running, "user_id": "u", "metric_type": "score", "value": 1.5, "observed_at": moment}
    assert client("POST", "/api/v1/observations", json=row).json()["added"] == 1
    assert client("GET", f"{EXPERIMENTS}/{running}/results").status_code == 200


def test_a_metric_whose_name_is_long_in_bytes_is_recorded(client: Any, running: str) -> None:
    row = {"experiment_id": running, "user_id": "u", "metric_type": "é" * 200, "value": 1.5}
    assert client("POST", "/api/v1/observations", json=row).json()["added"] == 1
    refused = client("POST", "/api/v1/observations", json={**row, "metric_type": "é" * 201})
    assert refused.status_code == 422


@pytest.mark.parametrize("value", [1.1e150, -1.1e150])
@pytest.mark.parametrize("others", [0, 3])
def test_both_routes_refuse_values_whose_squares_cannot_be_added_up(
    client: Any, running: str, value: float, others: int
) -> None:
    row = {"experiment_id": running, "user_id": "u", "metric_type": "score", "event_id": "e"}
    one = client("POST", "/api/v1/observations", json={**row, "value": value})
    assert (one.status_code, len(one.json()["problems"])) == (422, 1)
    rows = [{**row, "value": value}, *({**row, "value": 1e150, "event_id": f"e{n}"} for n in range(others))]
    many = client("POST", "/api/v1/observations/bulk", **lines(rows))
    assert many.status_code == 200
    assert (many.json()["added"], many.json()["rejected"]) == (others, 1)
    assert "value: " in many.json()["examples"][0]
    assert "could not be added up" in many.json()["examples"][0]
    largest = {**row, "value": 1e150 if value > 0 else -1e150, "event_id": "largest"}
    assert client("POST", "/api/v1/observations", json=largest).json()["added"] == 1


def test_stored_values_too_large_to_add_up_are_told_and_hide_nothing_else(client: Any, running: str) -> None:
    row = {"experiment_id": running, "metric_type": "score", "value": 1}
    stored = lines([{**row, "user_id": user, "event_id": f"{user}{n}"} for user in "uvwxyz" for n in range(2)])
    assert client("POST", "/api/v1/observations/bulk", **stored).status_code == 200
    with writing(client.app.state.labs.engine) as connection:  # as older versions took them
        connection.execute(observations.update().values(value=1.7e308))
    found = client("GET", f"{EXPERIMENTS}/{running}/results")
    assert found.status_code == 200
    assert {one["sum"] for one in found.json()["daily"]} <= {None}
    seen = client("GET", f"{EXPERIMENTS}/{running}/status")
    assert seen.status_code == 200
    assert "large" in seen.text or "out of range" in seen.text


def test_whole_numbers_may_have_a_point(client: Any, body: dict[str, Any]) -> None:
    assert client("POST", EXPERIMENTS, json={**body, "min_sample_size": 20.0}).status_code == 201
    assert client("POST", EXPERIMENTS, json={**body, "min_sample_size": 20.5}).status_code == 422
    assert client("POST", EXPERIMENTS, json={**body, "min_sample_size": "20"}).status_code == 422


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ({"column": "x"}, "a metric is a name, or an object whose `kind` is mean, proportion, ratio or quantile"),
        (5, "a metric is a name, or an object whose `kind` is"),
        ({"kind": "ratio", "numerator": "a" * 150, "denominator": "b" * 150}, "set `name`"),
    ],
)
def test_a_metric_that_is_none_is_told_once(client: Any, body: dict[str, Any], metric: Any, said: str) -> None:
    found = client("POST", EXPERIMENTS, json={**body, "primary_metric": metric, "secondary_metrics": []})
    assert found.status_code == 422
    (problem,) = found.json()["problems"]
    assert said in problem


def test_bulk_says_which_lines_were_refused(client: Any, running: str) -> None:
    good = {"user_id": "u", "metric_type": "score", "value": 1, "event_id": "e"}
    sent = lines([good, {**good, "event_id": "f", "value": "much"}, {**good, "event_id": "g\0"}])
    sent["content"] += b"\n{not json}\n"
    done = client("POST", f"/api/v1/observations/bulk?experiment_id={running}", **sent).json()
    assert (done["rows"], done["added"], done["rejected"]) == (4, 1, 3)
    assert done["examples"][0].startswith("line 2: value")
    assert (
        client("POST", "/api/v1/observations/bulk", content=b"a,b", headers={"Content-Type": "text/csv"}).status_code
        == 415
    )
    missing = client("POST", "/api/v1/observations/bulk?experiment_id=nothing", **lines([good]))
    assert missing.status_code == 404


def test_nothing_runs_nothing_is_assigned(client: Any) -> None:
    answer = client("POST", "/api/v1/assignments", json={"agent_id": "nobody", "user_id": "u"})
    assert (answer.status_code, answer.json()) == (200, {"experiment_id": None, "variant": None})


def test_results_without_data_say_why(client: Any, running: str) -> None:
    found = client("GET", f"{EXPERIMENTS}/{running}/results").json()
    assert (found["analysis"], found["daily"]) == (None, [])
    assert found["reason"]


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
def test_open_without_a_key(client: Any, path: str) -> None:
    client.key = None
    assert client("GET", path).status_code == 200
