"""Renders the page that every problem's `type` points to: each code, when it comes, and what it becomes on a socket."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from backend.core.errors import AppError


def error_page(request: HttpRequest) -> HttpResponse:
    rows = format_html_join(
        "",
        '<tr id="{}"><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}. {}</td></tr>',
        (
            (kind.code, kind.code, kind.status, kind.close_code, kind.title, kind.__doc__ or "")
            for kind in sorted(set(_tree(AppError)), key=lambda kind: (kind.status, kind.code))
        ),
    )
    head = mark_safe(
        "<!doctype html><meta charset=utf-8><title>Atelier: errors</title><h1>Errors</h1>"
        "<p>Every error is an RFC 9457 problem. Decide by <code>code</code>: it is stable.</p>"
        "<table><tr><th>code<th>HTTP<th>socket<th>meaning"
    )
    return HttpResponse(format_html("{}{}</table>", head, rows))


def _tree(kind: type[AppError]) -> Iterator[type[AppError]]:
    if "code" in vars(kind):
        yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
