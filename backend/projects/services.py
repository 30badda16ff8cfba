"""Writes projects, documents and tickets. The caller has shown the right, so the transaction is in the workspace."""

import hashlib
import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from backend.core import events, ids, live
from backend.projects.models import Document, DocumentKind, Project, Ticket
from backend.workspaces.models import Workspace


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
    shown, topic = ids.show("doc", document.id), ids.show("prj", project.id)
    events.record(
        "document.created",
        workspace_id=project.workspace_id,
        resource=shown,
        person_id=by,
        data={"project_id": topic, "document_id": shown, "kind": kind},
    )
    live.publish(topic, "document", {"id": shown, "name": document.name, "kind": kind})
    return document


def issue_ticket(document: Document, *, person_id: uuid.UUID) -> tuple[str, Ticket]:
    """A secret that opens the document's socket once, within TICKET_EXPIRES_S. Only its hash is kept."""
    secret = secrets.token_urlsafe(32)
    Ticket.objects.filter(workspace_id=document.workspace_id, expires_at__lt=timezone.now()).delete()
    ticket = Ticket.objects.create(
        digest=digest(secret),
        workspace_id=document.workspace_id,
        person_id=person_id,
        document=document,
        expires_at=timezone.now() + timedelta(seconds=settings.TICKET_EXPIRES_S),
    )
    return secret, ticket


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
