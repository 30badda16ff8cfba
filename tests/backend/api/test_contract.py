"""What the OpenAPI document tells a developer of clients, and the headers of what goes away."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.testing import TestClient

from backend.api.contract import deprecated

DOCUMENT = json.loads((Path(__file__).parents[3] / "frontend-api" / "openapi.json").read_text())
OPERATIONS = [
    pytest.param(method, path, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def test_it_is_openapi_3_1() -> None:
    """And every reference in it leads somewhere."""
    assert DOCUMENT["openapi"] == "3.1.0"
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT)):
        assert resolved({"$ref": reference})


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_each_operation_tells_its_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    """Each error status is a problem with its codes and an example of each."""
    errors = {status: resolved(found) for status, found in operation["responses"].items() if int(status) >= 400}
    assert {"401", "403", "429", "503"} <= errors.keys()
    for status, response in errors.items():
        content = response["content"]["application/problem+json"]
        codes = content["schema"]["properties"]["code"]["enum"]
        assert sorted(content["examples"]) == codes
        assert all(example["value"]["status"] == int(status) for example in content["examples"].values())


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_each_operation_says_what_it_does(method: str, path: str, operation: dict[str, Any]) -> None:
    """A name of its own, a tag, and the headers that its method brings."""
    headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
    expected = {"get": {"If-None-Match"}, "post": {"Idempotency-Key"}}.get(method, set())
    assert expected <= headers
    assert ("If-Match" in headers) == ("412" in operation["responses"])
    assert operation["tags"]


def test_what_is_sent_has_examples() -> None:
    """Each text that a client must write shows one that would be taken."""
    bodies = [
        resolved(operation["requestBody"]["content"]["application/json"]["schema"])
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]
    without = [
        f"{body['title']}.{name}"
        for body in bodies
        for name, field in body["properties"].items()
        if field.get("type") == "string" and not {"examples", "enum", "const", "default"} & field.keys()
    ]
    assert without == []


def test_what_goes_away_says_so() -> None:
    """A deprecated operation answers as before, with the three headers, and is marked in the document."""
    api = NinjaAPI(urls_namespace="deprecated")

    @api.get("/old")
    @deprecated(since=datetime(2026, 11, 1, tzinfo=UTC), sunset=datetime(2027, 5, 1, tzinfo=UTC), instead="/new")
    def old(request: HttpRequest) -> dict[str, int]:
        return {"answer": 42}

    answer = TestClient(api).get("/old")
    assert answer.json() == {"answer": 42}
    assert answer["Deprecation"] == "@1793491200"
    assert answer["Sunset"] == "Sat, 01 May 2027 00:00:00 GMT"
    assert answer["Link"] == '</new>; rel="successor-version"'
    assert api.get_openapi_schema(path_prefix="/")["paths"]["/old"]["get"]["deprecated"] is True
