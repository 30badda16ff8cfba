"""Renders the page that every problem's `type` points to: each code, when it comes, and what it becomes on a socket."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from backend.api.docs_page import docs_page
from backend.core.errors import AppError


def error_page(request: HttpRequest) -> HttpResponse:
    rows = (
        format_html(
            '<tr id="{}"><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}. {}</td></tr>',
            kind.code,
            kind.code,
            kind.status,
            kind.close_code,
            kind.title,
            kind.__doc__ or "",
        )
        for kind in sorted(set(_tree(AppError)), key=lambda kind: (kind.status, kind.code))
    )
    words = "Every error is an RFC 9457 problem. Decide by its code: it is stable."
    return docs_page("Errors", words, ["code", "HTTP", "socket", "meaning"], rows)


def _tree(kind: type[AppError]) -> Iterator[type[AppError]]:
    if "code" in vars(kind):
        yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
