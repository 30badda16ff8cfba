"""The person who asks, their workspaces, and who else is in them."""

from datetime import datetime
from typing import Literal

from django.http import HttpResponse
from ninja import Query, Router, Schema, Status

from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.lists import ListQuery, Search
from backend.api.schemas import Body, EmailAddress, PageOf, PersonId, WorkspaceId
from backend.core import conditions
from backend.workspaces import queries, services
from backend.workspaces.models import Member
from backend.workspaces.rights import Act, Role

router = Router(tags=["people"])


class MyWorkspaceOut(Schema):
    id: WorkspaceId
    name: str
    role: Role


class MeOut(Schema):
    id: PersonId
    email: str
    name: str
    colour: str
    workspaces: list[MyWorkspaceOut]


class PersonOut(Schema):
    id: PersonId
    name: str
    email: str
    colour: str


class MemberOut(Schema):
    person: PersonOut
    role: Role
    joined_at: datetime


class MemberQuery(ListQuery):
    sort: Literal["joined_at", "-joined_at"] = "-joined_at"
    role: Role | None = None
    q: Search | None = None


class MemberIn(Body):
    email: EmailAddress
    role: Literal["admin", "editor", "commenter", "viewer"] = "editor"


class RoleIn(Body):
    role: Literal["admin", "editor", "commenter", "viewer"]


@router.get("/me", response={200: MeOut}, operation_id="get_me")
def get_me(request: Request) -> MeOut:
    """The person who is signed in, and the workspaces that they are a member of."""
    person = request.user
    rows = queries.memberships(person.id)
    workspaces = [MyWorkspaceOut(id=row.workspace_id, name=row.workspace.name, role=Role(row.role)) for row in rows]
    return MeOut(id=person.id, email=person.email, name=person.name, colour=person.colour, workspaces=workspaces)


@router.get("/workspaces/{workspace_id}/members", response={200: PageOf[MemberOut]}, operation_id="list_members")
def list_members(request: Request, workspace_id: WorkspaceId, query: Query[MemberQuery]) -> object:
    """The members of a workspace. `q` looks in their names and addresses."""
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.READ)
    return queries.members(workspace, query.ask(request))


@router.post("/workspaces/{workspace_id}/members", response={201: MemberOut}, operation_id="add_member")
def add_member(request: Request, workspace_id: WorkspaceId, payload: MemberIn) -> Status[Member]:
    """Make somebody who signs in here a member."""
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.MANAGE)
    return Status(
        201, services.add_member(workspace, email=payload.email, role=Role(payload.role), by=request.person_id)
    )


@router.get("/workspaces/{workspace_id}/members/{person_id}", response={200: MemberOut}, operation_id="get_member")
def get_member(request: Request, response: HttpResponse, workspace_id: WorkspaceId, person_id: PersonId) -> Member:
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.READ)
    member = queries.access_member(workspace, person_id)
    response["ETag"] = conditions.etag(member.version)
    return member


@router.patch("/workspaces/{workspace_id}/members/{person_id}", response={200: MemberOut}, operation_id="set_role")
@raises(conditional=True)
def set_role(
    request: Request, response: HttpResponse, workspace_id: WorkspaceId, person_id: PersonId, payload: RoleIn
) -> Member:
    """Change what a member may do. Their open sockets follow within a second, without a new connection."""
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.MANAGE)
    member = queries.access_member(workspace, person_id, lock=True)
    conditions.check_match(request, member.version)
    services.set_role(member, Role(payload.role), by=request.person_id)
    response["ETag"] = conditions.etag(member.version)
    return member


@router.delete("/workspaces/{workspace_id}/members/{person_id}", response={204: None}, operation_id="remove_member")
def remove_member(request: Request, workspace_id: WorkspaceId, person_id: PersonId) -> Status[None]:
    """Take somebody's membership away, or leave oneself. Open sockets and streams of the person end within a second."""
    leaves = person_id == request.person_id and request.signed_in.token_id is None  # a program leaves for nobody
    act = Act.READ if leaves else Act.MANAGE
    workspace = queries.access_workspace(request.person_id, workspace_id, act)
    services.remove_member(workspace, person_id, by=request.person_id)
    return Status(204, None)
