"""Hides what a request, a socket or a stream was let in by, and whether that still holds."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from backend.core import tenancy
from backend.core.errors import NotSignedIn
from backend.workspaces import tokens
from backend.workspaces.limits import limited
from backend.workspaces.models import ApiToken, Person
from backend.workspaces.rights import Limit


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person, and the token that speaks for them, if one does. `until`: when it ends by itself."""

    person_id: uuid.UUID
    token_id: uuid.UUID | None = None
    limit: Limit | None = None
    until: datetime | None = None


def by_token(secret: str) -> tuple[SignedIn, Person]:
    """Who shows this API token. Raises NotSignedIn."""
    token = tokens.use_token(secret)
    return _by(token), token.person


def still(signed_in: SignedIn) -> SignedIn:
    """What it was let in by, as it is now. Needs a transaction of the person. Raises NotSignedIn."""
    if not Person.objects.filter(pk=signed_in.person_id, is_active=True).exists():
        raise NotSignedIn
    if signed_in.token_id is not None:
        return _by(tokens.valid_token(signed_in.token_id))
    return signed_in


@contextmanager
def acting(signed_in: SignedIn) -> Iterator[SignedIn]:
    """One transaction of the person, held to what they are let in by as it is now. Raises NotSignedIn."""
    with tenancy.acting(person_id=signed_in.person_id):
        now = still(signed_in)
        with limited(now.limit):
            yield now


def _by(token: ApiToken) -> SignedIn:
    return SignedIn(token.person_id, token_id=token.id, limit=tokens.limit_of(token), until=token.expires_at)
