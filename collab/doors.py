"""Hides who may open a document's socket: what a client shows, and what it is granted for that."""

from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.http.request import validate_host

from backend.core.errors import AppError, NotSignedIn
from collab import bridge
from collab.errors import AccessLost, ForeignOrigin, RoomUnavailable
from collab.hub import Hub
from collab.ports import Credential, Grant

log = structlog.get_logger()


async def sign_in(hub: Hub, credential: Credential, document_id: UUID) -> Grant:
    """Raises: NotSignedIn, NotFound, Forbidden; RoomUnavailable when nobody can be asked."""
    changes = hub.access_changes
    try:
        grant: Grant | None = await bridge.redeem(credential, document_id)
        while grant is not None and hub.access_changes != changes:
            changes = hub.access_changes  # a right changed while we asked: nobody would tell us again
            (grant,) = await bridge.refresh([grant])
    except AppError:
        raise
    except Exception as exc:  # the port's edge: what lies behind it is away
        log.warning("collab.sign_in_failed", error=type(exc).__name__)
        raise RoomUnavailable from exc
    if grant is None:
        raise AccessLost
    return grant


def credential_of(scope: dict[str, Any], *, ticket: str = "") -> Credential:
    """The ticket, if there is one; a program's token; the session's cookie, which only our own pages may use.

    Raises: NotSignedIn, ForeignOrigin.
    """
    if ticket:
        return Credential("ticket", ticket)
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, secret = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":  # no page of a browser can set this header on a socket
        return Credential("token", secret.strip())
    cookies: SimpleCookie = SimpleCookie()
    with suppress(CookieError):
        cookies.load(headers.get(b"cookie", ""))
    morsel = cookies.get(settings.SESSION_COOKIE_NAME)
    if morsel is None or not morsel.value:
        raise NotSignedIn
    if not _is_our_page(headers.get(b"origin", ""), headers.get(b"host", "")):
        raise ForeignOrigin
    return Credential("session", morsel.value)


def _is_our_page(origin: str, host: str) -> bool:
    if origin in (settings.ATELIER_URL, *settings.CSRF_TRUSTED_ORIGINS):
        return True
    page = urlsplit(origin)
    return bool(host) and page.netloc == host and validate_host(page.hostname or "", settings.ALLOWED_HOSTS)
