"""Who asks: a browser by its session, kept apart from other sites by the CSRF token, or a program by an API token."""

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer
from ninja.security import SessionAuth as NinjaSessionAuth

from backend.api.problems import DATABASE_AWAY, database_away, problem
from backend.core.errors import Forbidden, NotSignedIn
from backend.workspaces import signed_in
from backend.workspaces.limits import limited
from backend.workspaces.models import Person
from backend.workspaces.signed_in import SignedIn


class Request(HttpRequest):
    """A request whose person is known."""

    user: Person
    person_id: uuid.UUID
    signed_in: SignedIn


class TokenMiddleware:
    """Lets an API token speak for its person under /api/, for this request and within its scopes.

    Who shows a token is judged by it alone, whatever cookies come along: a refused token is 401, also beside a session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not request.path.startswith("/api/"):
            return self.get_response(request)
        try:
            found, person = signed_in.by_token(secret.strip())
        except NotSignedIn as exc:
            response = problem(exc)
            response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response
        except DATABASE_AWAY:
            return problem(database_away())
        request.user, request.signed_in = person, found  # type: ignore[attr-defined]  # declared on Request above
        request.token_id = found.token_id  # type: ignore[attr-defined]  # what the rate limits count by
        with limited(found.limit):
            return self.get_response(request)


class TokenAuth(HttpBearer):
    """An API token, which the middleware has looked up."""

    openapi_name = "token"

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        found = _token_of(request)
        if found is not None:
            request.person_id = found.person_id  # type: ignore[attr-defined]  # declared on Request above
        return found


class SessionAuth(NinjaSessionAuth):
    """The session's cookie. Alone on a route, it is for people: a token is refused there."""

    def __call__(self, request: HttpRequest) -> Any:
        if _token_of(request) is not None:
            raise Forbidden("This needs a person who is signed in: a token can't do it.", reason="session_needed")
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        if not request.user.is_authenticated:
            return None
        request.person_id = request.user.pk  # type: ignore[attr-defined]  # declared on Request above
        request.signed_in = SignedIn(  # type: ignore[attr-defined]  # declared on Request above
            request.user.pk,
            session_id=request.session.row_id,  # type: ignore[attr-defined]  # our own store's
            until=request.session.until,  # type: ignore[attr-defined]  # as above
        )
        return request.user


def _token_of(request: HttpRequest) -> SignedIn | None:
    found: SignedIn | None = getattr(request, "signed_in", None)
    return found if found is not None and found.token_id is not None else None


token = TokenAuth()
session = SessionAuth()
