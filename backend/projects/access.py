"""Answers co-editing's question "who may do what on this document?": implements the port `collab.ports.Access`."""

import uuid
from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from backend.core import tenancy
from backend.core.errors import AppError, NotSignedIn
from backend.projects.models import Document
from backend.projects.queries import access_document
from backend.projects.services import digest
from backend.workspaces import signed_in
from backend.workspaces.models import Person
from backend.workspaces.queries import has_right
from backend.workspaces.rights import Act
from backend.workspaces.signed_in import SignedIn
from collab.ports import Credential, Grant, Mode, Origin


class DocumentAccess:
    def redeem(self, credential: Credential, document_id: uuid.UUID) -> Grant:
        """Raises NotSignedIn, NotFound, Forbidden. A ticket is used up by this."""
        match credential.kind:
            case "session":
                who = signed_in.by_session(credential.secret)
            case "token":
                who, _ = signed_in.by_token(credential.secret)
            case "ticket":
                who = _redeem(credential.secret, document_id)
        with signed_in.acting(who) as (now, person):
            document = access_document(person.id, document_id, Act.READ)
            return _grant(now, person, document, _mode(person, document.workspace_id) or "read")

    def refresh(self, grants: Sequence[Grant]) -> list[Grant | None]:
        """Grants of one person by one origin, each as it is now; None where the person may no longer read the document,
        or is not let in any more. The same few queries for any number of documents.
        """
        try:
            with signed_in.acting(_who(grants[0])) as (now, person):
                documents = Document.objects.in_bulk({grant.document_id for grant in grants})
                workspaces = {document.workspace_id for document in documents.values()}
                modes = {workspace_id: _mode(person, workspace_id) for workspace_id in workspaces}
                fresh = {
                    document.id: _grant(now, person, document, mode)
                    for document in documents.values()
                    if (mode := modes[document.workspace_id]) is not None
                }
        except AppError:
            fresh = {}
        return [fresh.get(grant.document_id) for grant in grants]


def _who(grant: Grant) -> SignedIn:
    by = grant.origin
    return SignedIn(
        grant.person_id,
        session_id=by.id if by and by.kind == "session" else None,
        token_id=by.id if by and by.kind == "token" else None,
        until=grant.until,
    )


def _grant(now: SignedIn, person: Person, document: Document, mode: Mode) -> Grant:
    return Grant(
        person_id=person.id,
        name=person.name or person.email,
        colour=person.colour,
        workspace_id=document.workspace_id,
        document_id=document.id,
        epoch=document.epoch,
        mode=mode,
        until=now.until,
        origin=_origin(now),
    )


def _mode(person: Person, workspace_id: uuid.UUID) -> Mode | None:
    modes: Sequence[tuple[Act, Mode]] = ((Act.EDIT, "write"), (Act.COMMENT, "comment"), (Act.READ, "read"))
    return next((mode for act, mode in modes if has_right(person.id, workspace_id, act)), None)


def _origin(who: SignedIn) -> Origin | None:
    if who.token_id is not None:
        return Origin("token", who.token_id)
    return Origin("session", who.session_id) if who.session_id is not None else None


def _redeem(secret: str, document_id: uuid.UUID) -> SignedIn:
    """One use: whoever deletes the row has it, also when two try at once."""
    hashed = digest(secret)
    with tenancy.acting(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.ticket', %s, true)", [hashed.hex()])
        cursor.execute(
            "DELETE FROM projects_ticket WHERE digest = %s "
            "RETURNING person_id, document_id, expires_at, session_id, token_id",
            [hashed],
        )
        row = cursor.fetchone()
    if row is None or row[1] != document_id or row[2] < timezone.now():
        raise NotSignedIn("This ticket is not valid for the document. Fetch a new one before each connection.")
    return SignedIn(row[0], session_id=row[3], token_id=row[4])
