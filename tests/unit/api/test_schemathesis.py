"""Everything the OpenAPI document promises, tried with requests made from it."""

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from abkit.api import create_app
from abkit.controller.catalog import utc_now
from abkit.controller.experiments import ExperimentController
from abkit.models import Experiment, Mean, Variant
from abkit.store.engine import writing
from abkit.store.keys import SCOPES, create_key

load_all_checks()
folder = tempfile.TemporaryDirectory(prefix="abkit-")  # requests are made from the schema before any fixture is there
app = create_app(f"sqlite:///{folder.name}/store.db")
OK = ["2xx", "401", "403", "404", "409", "412"]  # a version that is not there any more is no mistake of the client
# What no schema can say: traffic sums to 100, cursors come from pages, ends lie ahead, ids are short in bytes.
RULES = (
    "POST /api/v1/experiments",
    "GET /api/v1/experiments",
    "POST /api/v1/experiments/{experiment_id}/complete",
    "GET /api/v1/audit",
    "POST /api/v1/keys",
    "POST /api/v1/observations",
)
LINES = "POST /api/v1/observations/bulk"
CONFIG = {
    "checks": {"positive_data_acceptance": {"expected-statuses": OK}},
    "operations": [
        *(
            {"include-name": name, "checks": {"positive_data_acceptance": {"expected-statuses": [*OK, "422"]}}}
            for name in RULES
        ),
        {"include-name": LINES, "checks": {"negative_data_rejection": {"expected-statuses": ["200", "4xx"]}}},
    ],
}
schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=schemathesis.Config.from_dict(CONFIG))


with ExperimentController(app.state.labs.engine) as lab:
    lab.create(Experiment("demo", [Variant("a", 50, is_control=True), Variant("b", 50)], Mean("score")))
    lab.start("demo")
    lab.record_many(
        [{"user_id": n, "metric_type": "score", "value": n} for n in range(9)], experiment_id="demo", as_new=True
    )


@schema.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Ask for what is there in half of the requests: ids that are made up only show how 404 looks."""
    if path_parameters is None:
        return None
    there = {"experiment_id": "demo", "agent_id": "default"}
    made_up = sum(map(len, map(str, path_parameters.values()))) % 2
    return path_parameters if made_up else {name: there.get(name, given) for name, given in path_parameters.items()}


@schemathesis.serializer("application/x-ndjson")
def serialize(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@pytest.fixture(scope="module")
def key() -> Iterator[str]:
    with writing(app.state.labs.engine) as connection:
        made = create_key(connection, "default", "schemathesis", SCOPES, now=utc_now())
    yield made.text
    app.state.labs.close()
    folder.cleanup()


@schema.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_application_keeps_what_its_document_promises(case: Any, key: str) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS.get_all())
