"""The one place where an error becomes an HTTP answer: problem details by RFC 9457."""

from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from psycopg_pool import PoolTimeout

from backend.api import json_body
from backend.core import metrics
from backend.core.errors import AppError, Forbidden, InvalidInput, NotFound, NotSignedIn, PartUnavailable, TooLarge

log = structlog.get_logger()

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)


def as_body(error: AppError) -> dict[str, object]:
    return {
        "type": f"/docs/errors#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **error.extra,
    }


def problem(error: AppError) -> JsonResponse:
    response = JsonResponse(as_body(error), status=error.status, content_type="application/problem+json")
    if error.status == 503:
        metrics.PART_AWAY.labels(str(error.extra.get("part", ""))).inc()
    response["Cache-Control"] = "no-store"
    wait_s = error.extra.get("retry_after_s", 5 if error.status == 503 else None)
    if wait_s is not None:
        response["Retry-After"] = str(wait_s)
    return response


def register(api: NinjaAPI) -> None:
    """Let every exception of `api` answer as a problem."""

    def answer(kind: type[Exception], make: Any) -> None:
        api.exception_handler(kind)(lambda _request, exc: problem(make(exc)))

    answer(AppError, lambda exc: exc)
    answer(RequestDataTooBig, lambda exc: TooLarge(f"A body may have {settings.MAX_BODY_BYTES} bytes."))
    answer(Http404, lambda exc: NotFound())
    answer(AuthenticationError, lambda exc: NotSignedIn())
    answer(ValidationError, _invalid)
    answer(HttpError, _http_error)
    answer(DataError, lambda exc: InvalidInput("A text holds a NUL character, or a number is out of range."))
    for away in DATABASE_AWAY:
        answer(away, lambda exc: database_away())


def _http_error(exc: HttpError) -> AppError:
    refused = json_body.refusal(exc)
    return refused or (InvalidInput(str(exc)) if exc.status_code == 400 else Forbidden(str(exc)))


def database_away() -> AppError:
    """For each of DATABASE_AWAY, in its handler."""
    log.exception("database.away")
    return PartUnavailable("The database is away for now. Try again in some seconds.", part="database")


def _invalid(exc: ValidationError) -> AppError:
    """What is wrong and where; never the value itself, which may be private."""
    return InvalidInput.of((tuple(part for part in e["loc"][1:] if part != "payload"), e["msg"]) for e in exc.errors)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problem(
        Forbidden("Send the value of the cookie `csrftoken` as the header `X-CSRFToken`.", reason="csrf_failed")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    return problem(AppError("This is our fault, and it is logged."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(NotFound())
