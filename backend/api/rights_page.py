"""Renders the table of rights, role × act, as it stands in the code."""

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join

from backend.api.docs_page import docs_page
from backend.workspaces.rights import MEANING, RIGHTS, SCOPES, Role


def rights_page(request: HttpRequest) -> HttpResponse:
    rows = (
        format_html(
            "<tr id={}><th scope=row><code>{}</code></th><td>{}</td>{}<td>{}</td></tr>",
            act,
            act,
            meaning,
            format_html_join("", "<td>{}</td>", (("yes" if role in RIGHTS[act] else "",) for role in Role.values)),
            "yes" if act in SCOPES else "",
        )
        for act, meaning in MEANING.items()
    )
    words = (
        "A member of a workspace has one role. An API token has scopes, which are acts of this table: it may never do "
        "more than its person's role and its scopes both allow. Who is no member sees nothing: answers are 404."
    )
    return docs_page("Rights", words, ["act", "meaning", *Role.values, "scope of a token"], rows)
