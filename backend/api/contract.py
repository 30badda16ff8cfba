"""Writes into the OpenAPI document what the conventions add to each operation: headers, every error code, examples.

An operation says `@raises(...)` of the errors that are its own; what the middleware and the checks of input can answer
is known here. `tests/conftest.py` holds every answer of the API in every test against the result.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.decorators import decorate_view
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from backend.api.problems import as_body
from backend.api.schemas import Problem
from backend.core import idempotency
from backend.core.errors import (
    AppError,
    BadRequest,
    Conflict,
    Forbidden,
    HeadersTooLarge,
    InvalidInput,
    KeyReused,
    NotFound,
    NotSignedIn,
    PartUnavailable,
    PreconditionFailed,
    PreconditionRequired,
    RateLimited,
    RequestInProgress,
    RequestTimeout,
    TooLarge,
    Unsupported,
)

View = TypeVar("View", bound=Callable[..., Any])

ALWAYS = (NotSignedIn, Forbidden, RateLimited, HeadersTooLarge, InvalidInput, BadRequest, PartUnavailable)
OF_BODIES = (TooLarge, RequestTimeout, Unsupported)
OF_POSTS = (KeyReused, RequestInProgress, Conflict)
OF_CONDITIONS = (PreconditionFailed, PreconditionRequired)


def raises(*errors: type[AppError], conditional: bool = False) -> Callable[[View], View]:
    """Declare what an operation answers besides what all of its kind do. `conditional`: it checks If-Match."""

    def declare(view: View) -> View:
        own = (*errors, *OF_CONDITIONS) if conditional else errors
        contribute_operation_callback(view, lambda operation: _note(operation, "x-errors", own))
        return view

    return declare


def deprecated(*, since: datetime, sunset: datetime, instead: str) -> Callable[[View], View]:
    """Mark an operation that goes away at `sunset`: its answers say so, and where to go `instead`.

    Source: RFC 9745 (Deprecation), RFC 8594 (Sunset), RFC 5829 (successor-version).
    """
    headers = {
        "Deprecation": f"@{int(since.timestamp())}",
        "Sunset": sunset.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Link": f'<{instead}>; rel="successor-version"',
    }

    def with_headers(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(run)
        def answer(request: HttpRequest, *args: Any, **path: Any) -> HttpResponse:
            response = run(request, *args, **path)
            for name, value in headers.items():
                response[name] = value
            return response

        return answer

    def declare(view: View) -> View:
        contribute_operation_callback(view, lambda operation: setattr(operation, "deprecated", True))
        return decorate_view(with_headers)(view)

    return declare


def _note(operation: Operation, name: str, value: object) -> None:
    operation.openapi_extra = {**(operation.openapi_extra or {}), name: value}


class AtelierAPI(NinjaAPI):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._documents: dict[str, OpenAPISchema] = {}  # by the prefix of their paths; making one takes a while

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        if prefix not in self._documents:
            self._documents[prefix] = self._document(prefix)
        return self._documents[prefix]

    def _document(self, prefix: str) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=prefix)
        components: dict[str, Any] = schema["components"]
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        components["responses"], components["headers"] = {}, _HEADERS
        for path in schema["paths"].values():
            for method, operation in path.items():
                _complete(method, operation, components["responses"])
        _give_examples(schema)
        return schema


def _complete(method: str, operation: dict[str, Any], shared: dict[str, Any]) -> None:
    own: Iterable[type[AppError]] = operation.pop("x-errors", ())
    errors: set[type[AppError]] = {*ALWAYS, *own}
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        errors.add(NotFound)
    if "requestBody" in operation:
        errors.update(OF_BODIES)
    if method == "post":
        errors.update(OF_POSTS)
        operation["parameters"].append(_KEY)
    if PreconditionFailed in errors:
        operation["parameters"].append(_IF_MATCH)
    if method == "get":
        operation["parameters"].append(_IF_NONE_MATCH)
        operation["responses"].setdefault(304, {"description": "What you have is still right."})
    for status, response in operation["responses"].items():
        response.setdefault("headers", {}).update(_headers(int(status), method))
    for status in sorted({error.status for error in errors}):
        by_code = {error.code: error for error in errors if error.status == status}
        name = ".".join([str(status), *sorted(by_code)])
        shared[name] = _problem({code: by_code[code] for code in sorted(by_code)})
        operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def _problem(by_code: dict[str, type[AppError]]) -> dict[str, Any]:
    content = {
        "schema": {
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "properties": {"code": {"enum": list(by_code)}},
        },
        "examples": {code: {"value": as_body(error())} for code, error in by_code.items()},
    }
    described = "; ".join(f"`{code}`: {error.title}" for code, error in by_code.items())
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMITS}
    return {"description": f"{described}.", "headers": headers, "content": {"application/problem+json": content}}


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


_KEY = {
    "in": "header",
    "name": idempotency.HEADER,
    "required": False,
    "description": "Send the request again under the same key, and it has one effect and the same answer for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-+\\-\\.-:<-~]{1,255}$"},
    "example": "01m88w2n-4vew",
}
_IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "description": "The ETag of what you read, so that you don't undo somebody else's change; `*` for any.",
    "schema": {"type": "string", "pattern": r'^(\*|"[!#-~]*")$'},
    "example": '"3"',
}
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "The ETag of what you have: 304 if it is still right.",
    "schema": {"type": "string"},
    "example": '"3"',
}
_LIMITS = ("RateLimit", "RateLimit-Policy")
_HEADERS = {
    "RateLimit-Policy": _header("How often you may ask: q requests in w seconds.", '"person";q=3000;w=60'),
    "RateLimit": _header("What is left of it, and the seconds until it is whole.", '"person";r=2999;t=1'),
    "ETag": _header("The version of what is shown.", '"3"'),
    "Idempotency-Replayed": _header("`true` where an earlier answer is given again.", "true"),
}


def _headers(status: int, method: str) -> dict[str, Any]:
    names = [*_LIMITS]
    if status != 204:
        names.append("ETag")
    if method == "post":
        names.append("Idempotency-Replayed")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# By name where the name says what it holds, else by form.
_EXAMPLES: dict[str, Any] = {
    "name": "Night Market",
    "filename": "fish-stall.jpg",
    "email": "ada@example.org",
    "colour": "#1971c2",
    "media_type": "image/jpeg",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "url": "/api/v1/assets/ast_01m88w2n4qeerszgh84bzknfkf/renditions/web",
    "thumbnail_url": "/api/v1/assets/ast_01m88w2n4qeerszgh84bzknfkf/renditions/thumbnail",
    "task": "enhance",
    "title": "Enhance ×2",
    "reason": "You often use it after Rectangle.",
    "date-time": "2026-11-25T08:00:00Z",
}


def _give_examples(schema: OpenAPISchema) -> None:
    for name, component in schema["components"]["schemas"].items():
        for field, described in component.get("properties", {}).items():
            if name != "Problem" and not {"examples", "example", "enum", "const", "$ref"} & described.keys():
                found = _example(field, described)
                if found is not None:
                    described["examples"] = [found]


def _example(field: str, described: dict[str, Any]) -> Any:
    forms = [described, *described.get("anyOf", [])]
    for form in forms:
        prefix = str(form.get("pattern", ""))[1:5]
        if prefix.endswith("_") and prefix[:3].islower():  # a typed id
            return f"{prefix}01m88w2n4qeerszgh84bzknfkf"
        if form.get("format") in _EXAMPLES:
            return _EXAMPLES[form["format"]]
        if form.get("type") == "string" and field in _EXAMPLES:
            return _EXAMPLES[field]
    return None
