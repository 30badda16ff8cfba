"""Opens a trace for each HTTP request, logs its end and measures it."""

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from backend.core import metrics, trace

log = structlog.get_logger()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class TraceMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        with (
            trace.continued(request.headers.get("traceparent"), "HTTP", kind="server") as traceparent,
            metrics.HTTP_IN_FLIGHT.track_inprogress(),
        ):
            method = request.method  # as it was asked: a HEAD is answered as a GET
            response = self.get_response(request)
            response["traceresponse"] = traceparent
            self._tell(method or "", request, response, time.perf_counter() - began)
            return response

    def _tell(self, method: str, request: HttpRequest, response: HttpResponse, duration_s: float) -> None:
        match = request.resolver_match
        route, status = match.route if match else "", response.status_code
        if method not in METHODS:  # a stranger may send any: as a label each would be a series that stays for ever
            method = "other"
        metrics.HTTP_DURATION.labels(method, route, status).observe(duration_s)
        if status >= 500:
            metrics.HTTP_SERVER_ERRORS.inc()
        if trace.is_recorded():
            seen: dict[str, trace.Value] = {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
            trace.note(f"{method} {route}", **seen)
        log.info("http.request", method=method, route=route, status=status, duration_ms=round(1000 * duration_s, 1))
