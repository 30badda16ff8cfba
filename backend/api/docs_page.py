"""The frame of the pages that document the API from its own code: a heading, some words, one table."""

from collections.abc import Iterable

from django.http import HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

_STYLE = mark_safe(
    "<style>:root{color-scheme:light dark;font:16px/1.5 Inter,system-ui,sans-serif}"
    "body{max-width:62rem;margin:3rem auto;padding:0 1.5rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.5rem .75rem;border-bottom:1px solid #8884}"
    "th{font-weight:600;white-space:nowrap}tr:target{background:#f5c51833}"
    "code{font:.875em ui-monospace,monospace}</style>"
)


def docs_page(title: str, words: str, columns: Iterable[str], rows: Iterable[SafeString]) -> HttpResponse:
    """`rows`: each a whole `<tr>`."""
    return HttpResponse(
        format_html(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            "<title>Atelier: {}</title>{}<h1>{}</h1><p>{}</p>"
            "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>",
            title.lower(),
            _STYLE,
            title,
            words,
            format_html_join("", "<th scope=col>{}</th>", ((column,) for column in columns)),
            format_html_join("", "{}", ((row,) for row in rows)),
        )
    )
