"""Opens a trace for each HTTP request and logs its end."""

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from backend.core import trace

log = structlog.get_logger()


class TraceMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        with trace.continued(request.headers.get("traceparent")) as traceparent:
            response = self.get_response(request)
            response["traceresponse"] = traceparent
            match = request.resolver_match
            log.info(
                "http.request",
                method=request.method,
                route=match.route if match else "",
                status=response.status_code,
                duration_ms=round(1000 * (time.perf_counter() - began), 1),
            )
            return response
