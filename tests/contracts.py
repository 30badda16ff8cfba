"""Holds an answer against the OpenAPI document: its status, its type and its code must be told there."""

import re
from functools import cache
from typing import Any

Told = dict[int, dict[str, set[str]]]  # status -> media type -> codes


@cache
def _operations() -> list[tuple[re.Pattern[str], str, Told]]:
    from backend.api.api import api  # the settings come first: conftest makes them

    schema = api.get_openapi_schema(path_prefix="/api/v1/")
    shared = schema["components"]["responses"]
    found = []
    for path, methods in schema["paths"].items():
        pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path))
        for method, operation in methods.items():
            told: Told = {}
            for status, response in operation["responses"].items():
                response = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                told[int(status)] = {kind: _codes(content) for kind, content in response.get("content", {}).items()}
            found.append((pattern, method, told))
    return found


def _codes(content: dict[str, Any]) -> set[str]:
    return set(content["schema"].get("properties", {}).get("code", {}).get("enum", []))


def check_answer(answer: Any) -> None:
    """Raises AssertionError where a client that trusts the document would be surprised by `answer`."""
    method, path = answer.request["REQUEST_METHOD"].lower(), answer.request["PATH_INFO"]
    method = "get" if method == "head" else method
    told = next((told for pattern, of, told in _operations() if of == method and pattern.fullmatch(path)), None)
    if told is None:
        return
    what = f"{method.upper()} {path} answered {answer.status_code}"
    assert answer.status_code in told, f"{what}, which openapi.json does not tell of: {answer.content[:300]!r}"
    media_type = answer.get("Content-Type", "").partition(";")[0]
    kinds = told[answer.status_code]
    assert not kinds or media_type in kinds or "image/*" in kinds, f"{what} as {media_type!r}, not as {sorted(kinds)}"
    if answer.status_code >= 400:
        code = answer.json()["code"]
        assert code in kinds[media_type], f"{what} with the code {code!r}, not one of {sorted(kinds[media_type])}"
