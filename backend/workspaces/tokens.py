"""API tokens, by which programs act for a person: made and shown once, known by their digest, used, revoked.

    atl_ + 30 random characters (178 bits) + 6 characters of checksum

The prefix lets scanners of secrets find one, the checksum lets them (and us) tell a real one from a look-alike.
"""

import hashlib
import re
import secrets
import string
import uuid
import zlib
from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from backend.core import events, ids, statements, tenancy
from backend.core.errors import Conflict, NotFound, NotSignedIn
from backend.core.pagination import Ask, Listing, Page, page
from backend.workspaces.models import ApiToken, Person, Workspace
from backend.workspaces.queries import role_in
from backend.workspaces.rights import Act, Limit
from backend.workspaces.services import tell_access_changed

log = structlog.get_logger()

PREFIX = "atl_"
MAX_TOKENS = 100  # of a person
_TOKENS = Listing({"created_at": "created_at"}, {})
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(r"atl_[0-9A-Za-z]{36}")

# The token's row is found by a function that sees all of them, for nothing is known of the person yet; it also notes
# the use, at most once a minute.
_USE = """
    SELECT token.id, token.workspace_id, token.scopes, token.expires_at, person.id, person.email, person.name,
        person.colour
    FROM app_use_token(%s) token JOIN workspaces_person person ON person.id = token.person_id
    WHERE person.is_active
"""


def make_token(
    person_id: uuid.UUID, *, name: str, scopes: set[Act], days: int, workspace: Workspace | None = None
) -> tuple[str, ApiToken]:
    """A new token and its secret, which nobody can show again. To read is part of every scope.

    `workspace` binds it to that workspace; the caller has shown the right READ there. Raises Conflict: too many.
    """
    if ApiToken.objects.filter(person_id=person_id).count() >= MAX_TOKENS:
        raise Conflict(f"A person may have {MAX_TOKENS} tokens. Revoke those that are not used any more.")
    secret = _new_secret()
    token = ApiToken.objects.create(
        person_id=person_id,
        workspace=workspace,
        name=name.strip(),
        scopes=sorted(scopes | {Act.READ}, key=list(Act).index),
        digest=digest(secret),
        hint=secret[-4:],
        expires_at=timezone.now() + timedelta(days=min(days, settings.TOKEN_MAX_DAYS)),
    )
    if workspace is not None:
        _record("token.created", token, workspace.id)
    log.info("token.created", token_id=ids.show("tok", token.id))
    return secret, token


def tokens_of(person_id: uuid.UUID, ask: Ask) -> Page[ApiToken]:
    return page(ApiToken.objects.filter(person_id=person_id), ask, _TOKENS)


def revoke_token(person_id: uuid.UUID, token_id: uuid.UUID) -> None:
    """What it opened ends within a second. Raises NotFound."""
    token = ApiToken.objects.select_for_update().filter(pk=token_id, person_id=person_id).first()
    if token is None:
        raise NotFound("There is no such token, or it is not yours.")
    if token.workspace_id is not None and role_in(person_id, token.workspace_id) is not None:
        tenancy.enter_workspace(token.workspace_id)
        _record("token.revoked", token, token.workspace_id)
    log.info("token.revoked", token_id=ids.show("tok", token.id))
    token.delete()
    tell_access_changed(person_id=person_id)


def use_token(secret: str) -> ApiToken:
    """The token that `secret` is, with its person. Raises NotSignedIn, also where the person was switched off."""
    row = None
    if is_well_formed(secret):
        with statements.cursor() as cursor:
            cursor.execute(_USE, [digest(secret)])
            row = cursor.fetchone()
    if row is None:
        raise NotSignedIn("This token is not valid: it may have expired, or been revoked.")
    token_id, workspace_id, scopes, expires_at, person_id, email, name, colour = row
    person = Person(id=person_id, email=email, name=name, colour=colour)
    return ApiToken(id=token_id, person=person, workspace_id=workspace_id, scopes=scopes, expires_at=expires_at)


def valid_token(token_id: uuid.UUID) -> ApiToken:
    """The token with its person, as it is now. Needs a transaction of that person. Raises NotSignedIn."""
    rows = ApiToken.objects.filter(pk=token_id, expires_at__gt=timezone.now(), person__is_active=True)
    token = rows.select_related("person").first()
    if token is None:
        raise NotSignedIn("This token has expired, or been revoked.")
    return token


def limit_of(token: ApiToken) -> Limit:
    return Limit(frozenset(Act(scope) for scope in token.scopes), token.workspace_id)


def is_well_formed(text: str) -> bool:
    """Whether the checksum is right: costs no look at the database."""
    return bool(_FORM.fullmatch(text)) and text[-6:] == _checksum(text[:-6])


def digest(secret: str) -> bytes:
    """A fast hash is enough, for the secret has too much randomness to be guessed."""
    return hashlib.sha256(secret.encode()).digest()


def _new_secret() -> str:
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(30))
    return body + _checksum(body)


def _checksum(body: str) -> str:
    rest, shown = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, index = divmod(rest, len(_ALPHABET))
        shown = _ALPHABET[index] + shown
    return shown


def _record(kind: str, token: ApiToken, workspace_id: uuid.UUID) -> None:
    """An event of the workspace that the token is bound to; one bound to none leaves a line in the log alone."""
    shown = ids.show("tok", token.id)
    events.record(
        kind,
        workspace_id=workspace_id,
        resource=shown,
        person_id=token.person_id,
        data={"token_id": shown, "scopes": list(token.scopes)},
    )
