"""Projects, their documents, and tickets to a document's socket."""

from datetime import datetime
from typing import Annotated

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.lists import ByTimeOrName, CreatedQuery, Search, shown
from backend.api.schemas import Body, DocumentId, Name, PageOf, ProjectId, WorkspaceId
from backend.core import conditions
from backend.projects import queries, services
from backend.projects.models import Document, DocumentKind, Project
from backend.workspaces.queries import access_workspace
from backend.workspaces.rights import Act

router = Router(tags=["projects"])


class ProjectQuery(CreatedQuery):
    sort: ByTimeOrName = "-created_at"
    q: Search | None = None


class DocumentQuery(ProjectQuery):
    kind: DocumentKind | None = None


class ProjectIn(Body):
    name: Name


class ProjectOut(Schema):
    id: ProjectId
    workspace_id: WorkspaceId
    name: str
    created_at: datetime


class DocumentIn(Body):
    name: Name
    kind: DocumentKind = DocumentKind.BOARD


class DocumentOut(Schema):
    id: DocumentId
    project_id: ProjectId
    kind: DocumentKind
    name: str
    epoch: Annotated[int, Field(description="Raised when history is cut; part of the key of a local copy.")]
    created_at: datetime


class RenameIn(Body):
    name: Name


class TicketOut(Schema):
    ticket: Annotated[str, Field(description="Good for one connection, as `?ticket=…` of the document's socket.")]
    expires_at: datetime


@router.get("/workspaces/{workspace_id}/projects", response={200: PageOf[ProjectOut]}, operation_id="list_projects")
def list_projects(request: Request, workspace_id: WorkspaceId, query: Query[ProjectQuery]) -> HttpResponse:
    """The projects of a workspace."""
    workspace = access_workspace(request.person_id, workspace_id, Act.READ)
    return shown(queries.projects_in(workspace, query.ask(request)), queries.present_project)


@router.post("/workspaces/{workspace_id}/projects", response={201: ProjectOut}, operation_id="create_project")
def create_project(
    request: Request, response: HttpResponse, workspace_id: WorkspaceId, payload: ProjectIn
) -> Status[Project]:
    workspace = access_workspace(request.person_id, workspace_id, Act.EDIT)
    project = services.create_project(workspace, name=payload.name, by=request.person_id)
    response["ETag"] = conditions.etag(project.version)
    return Status(201, project)


@router.get("/projects/{project_id}", response={200: ProjectOut}, operation_id="get_project")
def get_project(request: Request, response: HttpResponse, project_id: ProjectId) -> Project:
    project = queries.access_project(request.person_id, project_id, Act.READ)
    response["ETag"] = conditions.etag(project.version)
    return project


@router.patch("/projects/{project_id}", response={200: ProjectOut}, operation_id="rename_project")
@raises(conditional=True)
def rename_project(request: Request, response: HttpResponse, project_id: ProjectId, payload: RenameIn) -> Project:
    project = queries.access_project(request.person_id, project_id, Act.EDIT, lock=True)
    conditions.check_match(request, project.version)
    services.rename_project(project, name=payload.name, by=request.person_id)
    response["ETag"] = conditions.etag(project.version)
    return project


@router.get("/projects/{project_id}/documents", response={200: PageOf[DocumentOut]}, operation_id="list_documents")
def list_documents(request: Request, project_id: ProjectId, query: Query[DocumentQuery]) -> HttpResponse:
    """The documents of a project."""
    project = queries.access_project(request.person_id, project_id, Act.READ)
    return shown(queries.documents_in(project, query.ask(request)), queries.present_document)


@router.post("/projects/{project_id}/documents", response={201: DocumentOut}, operation_id="create_document")
def create_document(
    request: Request, response: HttpResponse, project_id: ProjectId, payload: DocumentIn
) -> Status[Document]:
    project = queries.access_project(request.person_id, project_id, Act.EDIT)
    document = services.create_document(project, kind=payload.kind, name=payload.name, by=request.person_id)
    response["ETag"] = conditions.etag(document.version)
    return Status(201, document)


@router.get("/documents/{document_id}", response={200: DocumentOut}, operation_id="get_document")
def get_document(request: Request, response: HttpResponse, document_id: DocumentId) -> Document:
    document = queries.access_document(request.person_id, document_id, Act.READ)
    response["ETag"] = conditions.etag(document.version)
    return document


@router.patch("/documents/{document_id}", response={200: DocumentOut}, operation_id="rename_document")
@raises(conditional=True)
def rename_document(request: Request, response: HttpResponse, document_id: DocumentId, payload: RenameIn) -> Document:
    document = queries.access_document(request.person_id, document_id, Act.EDIT, lock=True)
    conditions.check_match(request, document.version)
    services.rename_document(document, name=payload.name, by=request.person_id)
    response["ETag"] = conditions.etag(document.version)
    return document


@router.post("/documents/{document_id}/tickets", response={201: TicketOut}, operation_id="issue_ticket")
def issue_ticket(request: Request, document_id: DocumentId) -> Status[TicketOut]:
    """For programs that can't send the session cookie to the socket. Fetch a new ticket before each connection."""
    document = queries.access_document(request.person_id, document_id, Act.READ)
    secret, ticket = services.issue_ticket(document, person_id=request.person_id, signed_in=request.signed_in)
    return Status(201, TicketOut(ticket=secret, expires_at=ticket.expires_at))
