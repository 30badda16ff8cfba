"""Keeps Django's sessions in a table of ours: known by the digest of their key, and seen by their own person.

Django's own table has the keys themselves, which open every session to whoever reads a backup, and no person, so that
nobody can be shown their sessions. allauth's app for that writes a second row at each request. Here one function finds
the row, with one round trip as before, and notes at most once a minute when and from where it was seen.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest

from backend.core import ids, statements
from backend.workspaces.models import Session
from backend.workspaces.services import tell_access_changed
from backend.workspaces.tokens import digest

DEVICE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Client:
    """From where a session is used."""

    address: str | None = None
    device: str = ""


class SessionStore(SessionBase):
    """`row_id` and `until` are those of the row that was loaded or made."""

    def __init__(self, session_key: str | None = None, client: Client | None = None) -> None:
        super().__init__(session_key)
        self.client = client or Client()
        self.row_id: uuid.UUID | None = None
        self.until: datetime | None = None

    def load(self) -> dict[str, Any]:
        row = None
        if self.session_key:
            with statements.cursor() as cursor:
                cursor.execute(
                    "SELECT id, data, expires_at FROM app_use_session(%s, %s, %s)",
                    [digest(self.session_key), self.client.address, self.client.device],
                )
                row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        self.row_id, data, self.until = row
        found: dict[str, Any] = self.decode(data)
        return found

    def exists(self, session_key: str) -> bool:
        with _bearer(session_key):
            return Session.objects.filter(digest=digest(session_key)).exists()

    def create(self) -> None:
        self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # the base's own, not in the stubs
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Raises UpdateError where the session was ended meanwhile: Django then answers 400."""
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # as above
        self.until = self.get_expiry_date()
        fields = {"data": self.encode(data), "expires_at": self.until, "person_id": person_of(data)}
        with _bearer(self.session_key):
            if must_create:
                self._insert(fields)
            elif not Session.objects.filter(digest=digest(self.session_key)).update(**fields):
                raise UpdateError
        return None

    def _insert(self, fields: Mapping[str, Any]) -> None:
        self.row_id = ids.new_id()
        try:
            with transaction.atomic():
                Session.objects.create(
                    id=self.row_id,
                    digest=digest(self.session_key or ""),
                    address=self.client.address,
                    device=self.client.device,
                    **fields,
                )
        except IntegrityError as exc:
            raise CreateError from exc

    def cycle_key(self) -> None:
        """A new key. Who was signed in before keeps the row, so that what it opened stays open."""
        key = self.session_key
        if key is None or person_of(self._session) is None:  # type: ignore[attr-defined]  # as above
            return super().cycle_key()
        self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # as above
        with _bearer(key, self.session_key):
            if not Session.objects.filter(digest=digest(key)).update(digest=digest(self.session_key or "")):
                raise UpdateError
        self.modified = True
        return None

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is None:
            return
        with _bearer(key), connection.cursor() as cursor:
            cursor.execute("DELETE FROM workspaces_session WHERE digest = %s RETURNING person_id", [digest(key)])
            row = cursor.fetchone()
            if row is not None and row[0] is not None:
                tell_access_changed(person_id=row[0])

    @classmethod
    def clear_expired(cls) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app_drop_expired_sessions()")


class SessionMiddleware(DjangoSessionMiddleware):
    """Tells the store from where the session is used."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.session.client = Client(  # type: ignore[attr-defined]  # the store above
            _address(request.META.get("REMOTE_ADDR", "")),
            request.headers.get("User-Agent", "").replace("\x00", "")[:DEVICE_CHARACTERS],
        )


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:  # a socket file, or what a proxy made up
        return None


def person_of(data: Mapping[str, Any]) -> uuid.UUID | None:
    """Whose session it is that holds `data`; None before sign-in."""
    return uuid.UUID(data[SESSION_KEY]) if SESSION_KEY in data else None


@contextmanager
def _bearer(*session_keys: str | None) -> Iterator[None]:
    """A transaction that sees the rows of these keys, and no other."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.session', %s, true)", [",".join(digest(key or "").hex() for key in session_keys)]
        )
        yield
