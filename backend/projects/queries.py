"""Reads projects and documents, and is the only door to one: `access_project`, `access_document`."""

import uuid
from collections.abc import Iterable
from typing import Any

from backend.core import ids, tenancy, times
from backend.core.errors import NotFound
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.core.rows import by_id
from backend.projects.models import Document, Project
from backend.workspaces.models import Workspace
from backend.workspaces.queries import check_right
from backend.workspaces.rights import Act

_SORTS = {"created_at": "created_at", "name": "folded"}
_PROJECTS = Listing(_SORTS, {**CREATED, "created_by": "created_by_id", "q": "folded__holds"})
_DOCUMENTS = Listing(_SORTS, {**_PROJECTS.filters, "kind": "kind"})


def access_project(person_id: uuid.UUID, project_id: uuid.UUID, act: Act, *, lock: bool = False) -> Project:
    """The project, with the open transaction bound to its workspace; with `lock` its row is the transaction's.

    Raises:
        NotFound: no such project, or the person is no member.
        Forbidden: the person's role does not allow `act`.
    """
    project = by_id(Project, project_id)
    if project is None:
        raise NotFound("There is no such project, or it is not yours to see.")
    check_right(person_id, project.workspace_id, act)
    tenancy.enter_workspace(project.workspace_id)
    return Project.objects.select_for_update().get(pk=project_id) if lock else project


def access_document(person_id: uuid.UUID, document_id: uuid.UUID, act: Act, *, lock: bool = False) -> Document:
    """As `access_project`, for a document."""
    document = Document.objects.filter(pk=document_id).select_related("project").first()
    if document is None:
        raise NotFound("There is no such document, or it is not yours to see.")
    check_right(person_id, document.workspace_id, act)
    tenancy.enter_workspace(document.workspace_id)
    return Document.objects.select_for_update().get(pk=document_id) if lock else document


def projects_in(workspace: Workspace, ask: Ask) -> Page[Project]:
    return page(Project.objects.filter(workspace=workspace), ask, _PROJECTS)


def documents_in(project: Project, ask: Ask) -> Page[Document]:
    return page(Document.objects.filter(project=project), ask, _DOCUMENTS)


def present_project(project: Project) -> dict[str, Any]:
    """The project as the API and live messages show it."""
    return {
        "id": ids.show("prj", project.id),
        "workspace_id": ids.show("wsp", project.workspace_id),
        "name": project.name,
        "created_at": times.show(project.created_at),
    }


def present_document(document: Document) -> dict[str, Any]:
    """The document as the API and live messages show it."""
    return {
        "id": ids.show("doc", document.id),
        "project_id": ids.show("prj", document.project_id),
        "kind": document.kind,
        "name": document.name,
        "epoch": document.epoch,
        "created_at": times.show(document.created_at),
    }


def presented_projects(project_ids: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
    """Those of the projects that the open transaction may see."""
    return [present_project(project) for project in Project.objects.filter(pk__in=set(project_ids))]


def presented_documents(document_ids: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
    """Those of the documents that the open transaction may see."""
    return [present_document(document) for document in Document.objects.filter(pk__in=set(document_ids))]
