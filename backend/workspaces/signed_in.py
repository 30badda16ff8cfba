"""Hides what a request, a socket or a stream was let in by, and whether that still holds."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import cast

from django.contrib.auth import get_user
from django.http import HttpRequest

from backend.core import tenancy
from backend.core.errors import NotSignedIn
from backend.workspaces import sessions, tokens
from backend.workspaces.limits import limited
from backend.workspaces.models import ApiToken, Person
from backend.workspaces.queries import active_person
from backend.workspaces.rights import Limit
from backend.workspaces.session_store import SessionStore


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person, and the session or the API token that speaks for them. `until`: when that ends by itself.

    With neither of the two (a ticket that the house itself gave out) it holds as long as the person does.
    """

    person_id: uuid.UUID
    session_id: uuid.UUID | None = None
    token_id: uuid.UUID | None = None
    limit: Limit | None = None
    until: datetime | None = None


def by_token(secret: str) -> tuple[SignedIn, Person]:
    """Who shows this API token. Raises NotSignedIn."""
    token = tokens.use_token(secret)
    return _by(token), token.person


def by_session(key: str) -> SignedIn:
    """Whose session has this key. Raises NotSignedIn."""
    store = SessionStore(key)
    # get_user also compares the password's hash, so that a changed password ends the session.
    person = get_user(cast(HttpRequest, SimpleNamespace(session=store)))
    if not person.is_authenticated:
        raise NotSignedIn
    return SignedIn(person.pk, session_id=store.row_id, until=store.until)


def still(signed_in: SignedIn) -> tuple[SignedIn, Person]:
    """What it was let in by, as it is now. Needs a transaction of the person. Raises NotSignedIn."""
    if signed_in.token_id is not None:
        token = tokens.valid_token(signed_in.token_id)
        return _by(token), token.person
    if signed_in.session_id is not None:
        row, person = sessions.valid_session(signed_in.person_id, signed_in.session_id)
        return SignedIn(person.id, session_id=row.id, until=row.expires_at), person
    found = active_person(signed_in.person_id)
    if found is None:
        raise NotSignedIn
    return signed_in, found


@contextmanager
def acting(signed_in: SignedIn) -> Iterator[tuple[SignedIn, Person]]:
    """One transaction of the person, held to what they are let in by as it is now. Raises NotSignedIn."""
    with tenancy.acting(person_id=signed_in.person_id):
        now, person = still(signed_in)
        with limited(now.limit):
            yield now, person


def _by(token: ApiToken) -> SignedIn:
    return SignedIn(token.person_id, token_id=token.id, limit=tokens.limit_of(token), until=token.expires_at)
