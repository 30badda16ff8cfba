"""Answers co-editing's question "who may do what on this document?": implements the port `collab.ports.Access`."""

import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from backend.core import tenancy
from backend.core.errors import AppError, NotSignedIn
from backend.projects.models import Document
from backend.projects.queries import access_document
from backend.projects.services import digest
from backend.workspaces.models import Person
from backend.workspaces.queries import role_in
from backend.workspaces.rights import Act, Role, may
from collab.ports import Credential, Grant, Mode


class DocumentAccess:
    def redeem(self, credential: Credential, document_id: uuid.UUID) -> Grant:
        """Raises NotSignedIn, NotFound, Forbidden. A ticket is used up by this."""
        person_id = _signed_in(credential.secret) if credential.kind == "session" else _redeem(credential, document_id)
        with tenancy.acting(person_id=person_id):
            document = access_document(person_id, document_id, Act.READ)
            return _grant(person_id, document)

    def refresh(self, grant: Grant) -> Grant | None:
        """The grant as it is now; None where the person may no longer read the document."""
        with tenancy.acting(person_id=grant.person_id):
            try:
                document = access_document(grant.person_id, grant.document_id, Act.READ)
            except AppError:
                return None
            return replace(_grant(grant.person_id, document), until=grant.until)


def _grant(person_id: uuid.UUID, document: Document) -> Grant:
    person = Person.objects.filter(pk=person_id, is_active=True).first()
    role = role_in(person_id, document.workspace_id)
    if person is None or role is None:
        raise NotSignedIn
    return Grant(
        person_id=person_id,
        name=person.name or person.email,
        colour=person.colour,
        workspace_id=document.workspace_id,
        document_id=document.id,
        epoch=document.epoch,
        mode=_mode(role),
        until=None,
    )


def _mode(role: Role) -> Mode:
    if may(role, Act.EDIT):
        return "write"
    return "comment" if may(role, Act.COMMENT) else "read"


def _signed_in(session_key: str) -> uuid.UUID:
    # get_user also compares the password's hash, so that a changed password ends the session.
    person = get_user(cast(HttpRequest, SimpleNamespace(session=SessionStore(session_key))))
    if not person.is_authenticated:
        raise NotSignedIn
    return person.id


def _redeem(credential: Credential, document_id: uuid.UUID) -> uuid.UUID:
    """One use: whoever deletes the row has it, also when two try at once."""
    hashed = digest(credential.secret)
    with tenancy.acting(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.ticket', %s, true)", [hashed.hex()])
        cursor.execute(
            "DELETE FROM projects_ticket WHERE digest = %s RETURNING person_id, document_id, expires_at", [hashed]
        )
        row = cursor.fetchone()
    if row is None or row[1] != document_id or row[2] < timezone.now():
        raise NotSignedIn("This ticket is not valid for the document. Fetch a new one before each connection.")
    return cast(uuid.UUID, row[0])
