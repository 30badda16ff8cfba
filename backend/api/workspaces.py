"""Workspaces: founded by anybody who signs in, read, renamed, handed over."""

from datetime import datetime

from django.http import HttpResponse
from ninja import Router, Schema, Status

from backend.api.auth import Request, session
from backend.api.contract import raises
from backend.api.people import MemberOut
from backend.api.schemas import Body, Name, PersonId, WorkspaceId
from backend.core import conditions
from backend.workspaces import services
from backend.workspaces.models import Member, Workspace
from backend.workspaces.queries import access_workspace
from backend.workspaces.rights import Act

router = Router(tags=["workspaces"])


class WorkspaceIn(Body):
    name: Name


class WorkspaceOut(Schema):
    id: WorkspaceId
    name: str
    created_at: datetime


class HandOverIn(Body):
    person_id: PersonId


@router.post("/workspaces", response={201: WorkspaceOut}, auth=session, operation_id="create_workspace")
def create_workspace(request: Request, response: HttpResponse, payload: WorkspaceIn) -> Status[Workspace]:
    """Found a workspace and own it."""
    workspace = services.create_workspace(name=payload.name, owner=request.user)
    response["ETag"] = conditions.etag(workspace.version)
    return Status(201, workspace)


@router.get("/workspaces/{workspace_id}", response={200: WorkspaceOut}, operation_id="get_workspace")
def get_workspace(request: Request, response: HttpResponse, workspace_id: WorkspaceId) -> Workspace:
    workspace = access_workspace(request.person_id, workspace_id, Act.READ)
    response["ETag"] = conditions.etag(workspace.version)
    return workspace


@router.patch("/workspaces/{workspace_id}", response={200: WorkspaceOut}, operation_id="rename_workspace")
@raises(conditional=True)
def rename_workspace(
    request: Request, response: HttpResponse, workspace_id: WorkspaceId, payload: WorkspaceIn
) -> Workspace:
    workspace = access_workspace(request.person_id, workspace_id, Act.MANAGE, lock=True)
    conditions.check_match(request, workspace.version)
    services.rename_workspace(workspace, name=payload.name, by=request.person_id)
    response["ETag"] = conditions.etag(workspace.version)
    return workspace


@router.post(
    "/workspaces/{workspace_id}/hand-over", response={200: MemberOut}, auth=session, operation_id="hand_over_workspace"
)
def hand_over_workspace(request: Request, workspace_id: WorkspaceId, payload: HandOverIn) -> Member:
    """Make another member the owner. Who hands it over stays as an admin."""
    workspace = access_workspace(request.person_id, workspace_id, Act.OWN, lock=True)
    return services.hand_over(workspace, payload.person_id, by=request.person_id)
