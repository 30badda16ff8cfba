"""Writes projects, documents and tickets. The caller has shown the right, so the transaction is in the workspace."""

import hashlib
import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from backend.core import events, ids, live
from backend.projects import queries
from backend.projects.models import Document, DocumentKind, Project, Ticket
from backend.workspaces.models import Workspace
from backend.workspaces.signed_in import SignedIn


def create_project(workspace: Workspace, *, name: str, by: uuid.UUID) -> Project:
    project = Project.objects.create(workspace=workspace, name=name.strip(), created_by_id=by)
    shown = ids.show("prj", project.id)
    events.record(
        "project.created", workspace_id=workspace.id, resource=shown, person_id=by, data={"project_id": shown}
    )
    return project


def create_document(project: Project, *, kind: DocumentKind, name: str, by: uuid.UUID) -> Document:
    document = Document.objects.create(
        workspace_id=project.workspace_id, project=project, kind=kind, name=name.strip(), created_by_id=by
    )
    _tell("document.created", document, by)
    return document


def rename_project(project: Project, *, name: str, by: uuid.UUID) -> Project:
    """The caller has locked the row and shown the right EDIT. A name that it has already changes nothing."""
    if project.name == name.strip():
        return project
    project.name, project.version = name.strip(), project.version + 1
    project.save(update_fields=["name", "version"])
    shown = ids.show("prj", project.id)
    event_id = events.record(
        "project.renamed", workspace_id=project.workspace_id, resource=shown, person_id=by, data={"project_id": shown}
    )
    live.publish(shown, "project", queries.present_project(project), event_id=event_id)
    return project


def rename_document(document: Document, *, name: str, by: uuid.UUID) -> Document:
    """As `rename_project`, for a document."""
    if document.name == name.strip():
        return document
    document.name, document.version = name.strip(), document.version + 1
    document.save(update_fields=["name", "version"])
    _tell("document.renamed", document, by)
    return document


def _tell(kind: str, document: Document, by: uuid.UUID) -> None:
    shown, project = ids.show("doc", document.id), ids.show("prj", document.project_id)
    event_id = events.record(
        kind,
        workspace_id=document.workspace_id,
        resource=shown,
        person_id=by,
        data={"project_id": project, "document_id": shown, "kind": document.kind},
    )
    live.publish(project, "document", queries.present_document(document), event_id=event_id)


def issue_ticket(document: Document, *, person_id: uuid.UUID, signed_in: SignedIn | None = None) -> tuple[str, Ticket]:
    """A secret that opens the document's socket once, within TICKET_EXPIRES_S. Only its hash is kept.

    `signed_in`: by what the person asks; the socket may no more than that, and ends with it.
    """
    secret = secrets.token_urlsafe(32)
    Ticket.objects.filter(workspace_id=document.workspace_id, expires_at__lt=timezone.now()).delete()
    ticket = Ticket.objects.create(
        digest=digest(secret),
        workspace_id=document.workspace_id,
        person_id=person_id,
        document=document,
        session_id=signed_in.session_id if signed_in else None,
        token_id=signed_in.token_id if signed_in else None,
        expires_at=timezone.now() + timedelta(seconds=settings.TICKET_EXPIRES_S),
    )
    return secret, ticket


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
