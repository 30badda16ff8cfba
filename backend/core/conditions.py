"""Hides how a change is kept from undoing somebody else's: a thing's version as its ETag, and If-Match.

Source: RFC 9110, sections 8.8.3 and 13.1.1; RFC 6585, section 3.
"""

import re

from django.http import HttpRequest
from django.utils.http import parse_etags

from backend.core.errors import BadRequest, PreconditionFailed, PreconditionRequired

_TAG = r'(?:W/)?"[!#-~]*"'
_IF_MATCH = re.compile(rf"\s*(?:\*|{_TAG}(?:\s*,\s*{_TAG})*)\s*")  # also of several headers, which come as one list


def etag(version: int) -> str:
    """The entity tag of a thing whose row has been written `version` times."""
    return f'"{version}"'


def is_known(request: HttpRequest, tag: str) -> bool:
    """Whether the client says, by If-None-Match, that it has what `tag` names; a weak tag will do to read."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return known == ["*"] or tag in (one.removeprefix("W/") for one in known)


def check_match(request: HttpRequest, version: int) -> None:
    """Let a change go on only if the client has seen `version`. Call it with the row locked.

    Raises:
        PreconditionRequired: no If-Match. BadRequest: a malformed one.
        PreconditionFailed: it names other versions; a weak tag names none.
    """
    header = request.headers.get("If-Match")
    if header is None:
        raise PreconditionRequired("Send the ETag of what you read as If-Match; `*` changes it whatever it is now.")
    tags = parse_etags(header) if _IF_MATCH.fullmatch(header) else []
    if not tags:
        raise BadRequest(
            'If-Match holds entity tags in double quotes, such as "3", or is a single *.', field="If-Match"
        )
    if tags != ["*"] and etag(version) not in tags:
        raise PreconditionFailed("Somebody changed it since you read it. Read it again.")
