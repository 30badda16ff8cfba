"""Who asks: the session of the browser, kept apart from other sites by the CSRF token."""

import uuid
from typing import Any

from django.http import HttpRequest
from ninja.security import SessionAuth as NinjaSessionAuth


class Request(HttpRequest):
    """A request whose person is known."""

    person_id: uuid.UUID


class SessionAuth(NinjaSessionAuth):
    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        if not request.user.is_authenticated:
            return None
        request.person_id = request.user.pk  # type: ignore[attr-defined]  # declared on Request above
        return request.user


session = SessionAuth()
