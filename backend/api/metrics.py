"""Shows the web process's metrics to those who may see them, and the page that names each metric of all processes."""

import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from backend.api.problems import problem
from backend.core import metrics
from backend.core.errors import Forbidden

LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")


@require_GET
@never_cache
def scrape(request: HttpRequest) -> HttpResponse:
    """With METRICS_TOKEN to whoever bears it; without, to this machine alone."""
    if not _may_scrape(request):
        return problem(Forbidden("Metrics are for this machine, or for who sends METRICS_TOKEN as a bearer token."))
    body, media_type = metrics.render(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=media_type)


def _may_scrape(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return secrets.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    # Behind a proxy of this machine everybody comes from the loopback address, so what was passed on is a stranger's.
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not any(name in request.headers for name in FORWARDED)


@require_GET
def metrics_page(request: HttpRequest) -> HttpResponse:
    rows = format_html_join(
        "",
        '<tr id="{0}"><td><code>{0}</code></td><td>{1}</td><td>{2}</td><td>{3}</td><td>{4}</td></tr>',
        ((one.name, one.kind, one.unit, ", ".join(one.labels), one.meaning) for one in metrics.DECLARED),
    )
    head = mark_safe(
        "<!doctype html><meta charset=utf-8><title>Atelier: metrics</title><h1>Metrics</h1>"
        "<p>The web process answers at <code>/metrics</code>; worker, relay and learner on their "
        "<code>METRICS_PORT</code>. Each counts for itself: add up over processes.</p>"
        "<table><tr><th>name<th>kind<th>unit<th>labels<th>meaning"
    )
    return HttpResponse(format_html("{}{}</table>", head, rows))
