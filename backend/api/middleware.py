"""One request under /api/ is one transaction, bound to the person who asks; an answer of 400 or above undoes it."""

import re
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from psycopg_pool import PoolTimeout

from backend.api.problems import problem
from backend.core import tenancy
from backend.core.errors import PartUnavailable

log = structlog.get_logger()

# These wait for S3 between short transactions of their own; finishing an upload also keeps its refusal, a 4xx.
OWN_TRANSACTIONS = re.compile(r"/api/v1/(?:uploads/[^/]+/finish|assets/[^/]+/renditions/[^/]+)")


class TransactionMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        try:
            person_id = request.user.pk if request.user.is_authenticated else None
            if OWN_TRANSACTIONS.fullmatch(request.path):
                return self.get_response(request)
            with tenancy.acting(person_id=person_id):
                response = self.get_response(request)
                if response.status_code >= 400:
                    transaction.set_rollback(True)
                return response
        except (OperationalError, InterfaceError, PoolTimeout):
            log.exception("database.away")
            return problem(PartUnavailable("The database is away for now. Try again in some seconds.", part="database"))
