"""Reads a request's body as strict JSON: what one reader would take so and another otherwise is refused.

Source: RFC 8259, section 8.1 (UTF-8 alone); RFC 7493, section 2.3 (no member twice).
"""

import json
from email.message import Message
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

from backend.core.errors import AppError, InvalidInput, Unsupported

MAX_DEPTH = 32  # of lists and objects in each other; ours have three


class JsonBody(Parser):
    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Raises: Unsupported, InvalidInput; ninja wraps them."""
        _check_media_type(request)
        try:
            parsed = json.loads(request.body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        except (ValueError, RecursionError) as exc:
            raise InvalidInput("The body is not JSON in UTF-8.") from exc
        if not isinstance(parsed, dict):
            raise InvalidInput("The body is not a JSON object.")
        _check_depth(parsed)
        return parsed


def refusal(wrapped: Exception) -> AppError | None:
    """What `JsonBody` raised, inside what ninja made of it."""
    return wrapped.__cause__ if isinstance(wrapped.__cause__, AppError) else None


def _check_media_type(request: HttpRequest) -> None:
    # A browser sends other types from a form of any page, without asking us first.
    sent = Message()
    sent["Content-Type"] = request.headers.get("Content-Type", "").encode("ascii", "replace").decode()
    charset = str(sent.get_param("charset", "utf-8"))
    if (
        "/json" not in sent["Content-Type"]
        or sent.get_content_type() != "application/json"
        or charset.lower() != "utf-8"
    ):
        raise Unsupported("Send the body as application/json, in UTF-8.")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise InvalidInput("A member of a JSON object stands there twice.")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _check_depth(parsed: object) -> None:
    level: list[object] = [parsed]
    for _depth in range(MAX_DEPTH):
        level = [child for part in level for child in _children(part)]
        if not level:
            return
    raise InvalidInput(f"The body has lists and objects more than {MAX_DEPTH} deep.")


def _children(part: object) -> list[object]:
    found = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return [child for child in found if isinstance(child, dict | list)]
