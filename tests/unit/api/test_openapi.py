import json
from pathlib import Path

from fastapi import FastAPI

from abkit.api import create_app


def text_of(app: FastAPI) -> str:
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def test_the_document_that_is_published_is_the_one_that_is_served(root: Path) -> None:
    app = create_app("sqlite://")
    published = root / "docs" / "openapi.json"
    assert text_of(app) == published.read_text(encoding="utf-8"), (
        "docs/openapi.json is not what the application serves; write text_of(create_app('sqlite://')) into it"
    )


def test_every_operation_is_described_and_protected(root: Path) -> None:
    document = json.loads((root / "docs" / "openapi.json").read_text(encoding="utf-8"))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"].endswith("."), (method, path)
            assert ("security" in operation) == path.startswith("/api/"), (method, path)
            for status, answer in operation["responses"].items():
                assert (list(answer["content"]) == ["application/problem+json"]) == (status >= "400"), (method, path)
