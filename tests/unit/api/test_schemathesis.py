"""Everything the OpenAPI document promises, tried with requests made from it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from abkit.api import create_app
from abkit.controller.catalog import utc_now
from abkit.store.engine import writing
from abkit.store.keys import SCOPES, create_key

load_all_checks()


@pytest.fixture(scope="module")
def key_and_schema(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    app = create_app(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    with writing(app.state.labs.engine) as connection:
        key = create_key(connection, "default", "schemathesis", SCOPES, now=utc_now()).text
    return key, schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.fixture(scope="module")
def api_schema(key_and_schema: tuple[str, Any]) -> Any:
    return key_and_schema[1]


schema = schemathesis.pytest.from_fixture("api_schema")


@schema.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_application_keeps_what_its_document_promises(case: Any, key_and_schema: tuple[str, Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {key_and_schema[0]}"}, checks=CHECKS.get_all())
