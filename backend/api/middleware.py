"""The conventions of requests under /api/: who asks, how often, in one transaction, once under one key, with ETags.

An answer of 400 or above undoes the transaction. The order is the point: a request is counted before it costs anything,
and its answer is kept in the transaction of its effect.
"""

import hashlib
import re
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from backend.api.problems import DATABASE_AWAY, database_away, problem
from backend.core import conditions, idempotency, rate_limits, tenancy
from backend.core.errors import AppError, Conflict, MethodNotAllowed, TooLarge

log = structlog.get_logger()

# These wait for S3 between short transactions of their own. Finishing an upload also keeps its refusal, a 4xx, and is
# the same however often it is said, key or not.
OWN_TRANSACTIONS = re.compile(r"/api/v1/(?:uploads/[^/]+/finish|assets/[^/]+/renditions/[^/]+)")

GetResponse = Callable[[HttpRequest], HttpResponse]


class ApiMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        asked_head = request.method == "HEAD"
        if asked_head:
            request.method = "GET"
        with rate_limits.counting() as spent:
            response = self._answer(request)
            if response.status_code == 405:
                response = _not_allowed(response["Allow"])
            for name, value in spent.headers().items():
                response[name] = value
        if not response.streaming:
            _revalidate(request, response)
        return HttpResponse(status=response.status_code, headers=response.headers) if asked_head else response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            person_id = request.user.pk if request.user.is_authenticated else None
            token_id = getattr(request, "token_id", None)
            if person_id is not None:
                rate_limits.take({"person": person_id, "token": token_id})
            repeatable = None
            if request.method == "POST" and person_id is not None:
                repeatable = idempotency.of(request, person_id, token_id)
            if OWN_TRANSACTIONS.fullmatch(request.path):
                return self.get_response(request)
            if person_id is None:
                return self.get_response(request)  # 401, or what is public and opens its own
            with tenancy.acting(person_id=person_id):
                return self._answer_once(request, repeatable) if repeatable else self._answer_or_undo(request)
        except AppError as refusal:
            return problem(refusal)
        except RequestDataTooBig:
            return problem(TooLarge(f"A body may have {settings.MAX_BODY_BYTES} bytes."))
        except IntegrityError:  # at the commit: what was pointed at went meanwhile
            log.warning("request.clashed", exc_info=True)
            return problem(Conflict())
        except DATABASE_AWAY:
            return problem(database_away())

    def _answer_or_undo(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400:
            transaction.set_rollback(True)
        return response

    def _answer_once(self, request: HttpRequest, repeatable: idempotency.Request) -> HttpResponse:
        replay = repeatable.begin()
        if replay is not None:
            return replay
        response = self._answer_or_undo(request)
        if response.status_code < 400:
            repeatable.keep(response)
        return response


def _not_allowed(methods: str) -> HttpResponse:
    allowed = set(methods.split(", "))
    response = problem(MethodNotAllowed())
    response["Allow"] = ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))
    return response


def _revalidate(request: HttpRequest, response: HttpResponse) -> None:
    """Give each answer to GET an ETag, and 304 to those who have it. Source: RFC 9110, section 13.1.2."""
    if request.method != "GET" or response.status_code != 200:
        return
    if "ETag" not in response:
        response["ETag"] = f'"{hashlib.blake2b(response.content, digest_size=12).hexdigest()}"'
    if "Cache-Control" not in response:
        response["Cache-Control"] = "private, no-cache"  # keep it, but ask each time
    patch_vary_headers(response, ("Cookie", "Authorization"))
    if conditions.is_known(request, response["ETag"]):
        response.status_code = 304
        response.content = b""
        for name in ("Content-Type", "Content-Length"):
            response.headers.pop(name, None)
