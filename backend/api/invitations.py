"""Invitations: made, listed, sent again and revoked by who manages the workspace; read and accepted by their link."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpResponse
from ninja import Field, Path, Query, Router, Schema, Status

from backend.api.auth import Request, session
from backend.api.contract import raises
from backend.api.lists import ByTime, ListQuery
from backend.api.people import PersonOut
from backend.api.schemas import Body, EmailAddress, InvitationId, PageOf, WorkspaceId
from backend.core.errors import NotFound
from backend.workspaces import invitations, post
from backend.workspaces.errors import InvitationExpired, InvitationRevoked, InvitationUsed, InvitedSomebodyElse
from backend.workspaces.invitations import Letter
from backend.workspaces.models import Member
from backend.workspaces.queries import access_workspace
from backend.workspaces.rights import Act, Role

router = Router(tags=["invitations"])

GONE = (InvitationExpired, InvitationRevoked, InvitationUsed)
InvitedRole = Literal["admin", "editor", "commenter", "viewer"]
Secret = Annotated[str, Path(max_length=100, description="The last part of the invitation's link.")]


class InvitationQuery(ListQuery):
    sort: ByTime = "-created_at"
    role: InvitedRole | None = None


class InvitationIn(Body):
    email: EmailAddress
    role: InvitedRole = "editor"


class InvitationOut(Schema):
    id: InvitationId
    email: str
    role: Role
    invited_by: PersonOut
    created_at: datetime
    expires_at: datetime


class LetterOut(InvitationOut):
    link: Annotated[str, Field(description="Shown this once: hand it on, for nobody else can.")]
    mailed: Annotated[bool, Field(description="Whether the studio also mails it.")]


class FoundOut(Schema):
    workspace_name: str
    invited_by: Annotated[str, Field(description="The name of who sent it.")]
    email: Annotated[str, Field(description="The address that it is for.")]
    role: Role
    expires_at: datetime


class JoinedOut(Schema):
    workspace_id: WorkspaceId
    role: Role


@router.post("/workspaces/{workspace_id}/invitations", response={201: LetterOut}, operation_id="invite")
def invite(
    request: Request, response: HttpResponse, workspace_id: WorkspaceId, payload: InvitationIn
) -> Status[LetterOut]:
    """Invite an address, whether or not anybody here signs in with it."""
    workspace = access_workspace(request.person_id, workspace_id, Act.MANAGE)
    letter = invitations.invite(workspace, email=payload.email, role=Role(payload.role), by=request.user)
    return Status(201, _shown(letter, response))


@router.get(
    "/workspaces/{workspace_id}/invitations", response={200: PageOf[InvitationOut]}, operation_id="list_invitations"
)
def list_invitations(request: Request, workspace_id: WorkspaceId, query: Query[InvitationQuery]) -> object:
    """The invitations that nobody has accepted yet; never their links."""
    workspace = access_workspace(request.person_id, workspace_id, Act.MANAGE)
    return invitations.invitations_in(workspace, query.ask(request))


@router.post(
    "/workspaces/{workspace_id}/invitations/{invitation_id}/send",
    response={200: LetterOut},
    operation_id="send_invitation_again",
)
@raises(InvitationRevoked, InvitationUsed)
def send_invitation_again(
    request: Request, response: HttpResponse, workspace_id: WorkspaceId, invitation_id: InvitationId
) -> LetterOut:
    """Make a new link for the invitation, good for the whole time again. The old link is none any more."""
    workspace = access_workspace(request.person_id, workspace_id, Act.MANAGE)
    return _shown(invitations.send_again(workspace, invitation_id, by=request.user), response)


@router.delete(
    "/workspaces/{workspace_id}/invitations/{invitation_id}", response={204: None}, operation_id="revoke_invitation"
)
@raises(InvitationRevoked, InvitationUsed)
def revoke_invitation(request: Request, workspace_id: WorkspaceId, invitation_id: InvitationId) -> Status[None]:
    """Take an invitation back: its link lets nobody in any more."""
    workspace = access_workspace(request.person_id, workspace_id, Act.MANAGE)
    invitations.revoke(workspace, invitation_id, by=request.user)
    return Status(204, None)


@router.get("/invitations/{secret}", response={200: FoundOut}, auth=None, operation_id="read_invitation")
@raises(NotFound, *GONE)
def read_invitation(request: Request, response: HttpResponse, secret: Secret) -> invitations.Found:
    """What a link invites to. For whoever has the link, signed in or not; 410 says why it is not good any more."""
    response["Cache-Control"] = "no-store"
    return invitations.find(secret)


@router.post("/invitations/{secret}/accept", response={200: JoinedOut}, auth=session, operation_id="accept_invitation")
@raises(NotFound, InvitedSomebodyElse, *GONE)
def accept_invitation(request: Request, secret: Secret) -> Member:
    """Join the workspace. Who is a member already keeps their role; accepting again answers the same."""
    return invitations.accept(secret, person=request.user)


def _shown(letter: Letter, response: HttpResponse) -> LetterOut:
    response["Cache-Control"] = "no-store"
    shown = InvitationOut.from_orm(letter.invitation).dict()
    return LetterOut(link=letter.link, mailed=post.is_set(), **shown)
