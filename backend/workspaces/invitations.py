"""Invitations: a link that lets one address into a workspace, once, also where nobody has an account with it yet.

The link's secret is shown to the inviter and mailed, and kept as a digest alone. It is for the address that it was made
for: who shows it proves to have got it, and must sign in, or sign up, with that address.
"""

import math
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from backend.core import events, ids, tenancy
from backend.core.errors import AppError, Conflict, NotFound, RateLimited
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.workspaces import post
from backend.workspaces.errors import InvitationExpired, InvitationRevoked, InvitationUsed, InvitedSomebodyElse
from backend.workspaces.models import Invitation, Member, Person, Workspace
from backend.workspaces.rights import Role
from backend.workspaces.services import record_member
from backend.workspaces.tokens import digest

log = structlog.get_logger()

MAX_OPEN, MAX_A_DAY = 200, 500  # of a workspace: so that nobody floods others with letters
AGAIN_S = 600  # between two letters of one invitation
_INVITATIONS = Listing({"created_at": "created_at"}, {**CREATED, "role": "role"})


@dataclass(frozen=True, slots=True)
class Letter:
    """An invitation as the link that was just made for it shows it."""

    invitation: Invitation
    secret: str

    @property
    def link(self) -> str:
        return f"{settings.ATELIER_URL}/invite/{self.secret}"


@dataclass(frozen=True, slots=True)
class Found:
    """What whoever shows the secret may know."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    workspace_name: str
    invited_by: str
    email: str
    role: Role
    expires_at: datetime


def invite(workspace: Workspace, *, email: str, role: Role, by: Person) -> Letter:
    """Needs the right MANAGE, shown by the caller. Raises Conflict: a member, invited already, or too many are open;
    RateLimited."""
    address = email.strip().lower()
    if Member.objects.filter(workspace=workspace, person__email=address).exists():
        raise Conflict("This person is a member already.", field="email")
    open_ones = Invitation.objects.filter(workspace=workspace, accepted_at=None, revoked_at=None)
    open_ones.filter(email=address, expires_at__lte=timezone.now()).update(revoked_at=timezone.now())
    if open_ones.count() >= MAX_OPEN:
        raise Conflict(f"A workspace may have {MAX_OPEN} open invitations. Revoke those that nobody needs.")
    made = Invitation.objects.filter(workspace=workspace, created_at__gt=timezone.now() - timedelta(days=1))
    if made.count() >= MAX_A_DAY:
        raise RateLimited(f"A workspace may invite {MAX_A_DAY} people a day.", retry_after_s=3600)
    secret = secrets.token_urlsafe(24)
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                workspace=workspace, email=address, role=role, digest=digest(secret), invited_by=by, expires_at=_end()
            )
    except IntegrityError as exc:
        raise Conflict("This address is invited already. Send that invitation again.", field="email") from exc
    return _sent("invitation.made", Letter(invitation, secret), by)


def invitations_in(workspace: Workspace, ask: Ask) -> Page[Invitation]:
    """Those that can still be accepted, or have expired unheard."""
    open_ones = Invitation.objects.filter(workspace=workspace, accepted_at=None, revoked_at=None)
    return page(open_ones.select_related("invited_by"), ask, _INVITATIONS)


def send_again(workspace: Workspace, invitation_id: uuid.UUID, *, by: Person) -> Letter:
    """A new link, good for the whole time again; the old one is none any more.

    Raises: RateLimited, where letters leave the house and the last one did less than AGAIN_S ago; and as `_open`.
    """
    invitation = _open(workspace, invitation_id)
    secret, end = secrets.token_urlsafe(24), _end()
    wait_s = AGAIN_S - (end - invitation.expires_at).total_seconds()  # it ends so long after it was sent last
    if post.is_set() and wait_s > 0:
        raise RateLimited("This letter was sent a moment ago. Give it some minutes.", retry_after_s=math.ceil(wait_s))
    invitation.digest, invitation.expires_at = digest(secret), end
    invitation.save(update_fields=["digest", "expires_at"])
    return _sent("invitation.sent_again", Letter(invitation, secret), by)


def revoke(workspace: Workspace, invitation_id: uuid.UUID, *, by: Person) -> None:
    """Its link lets nobody in from now on. Raises as `_open`."""
    invitation = _open(workspace, invitation_id)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    _record("invitation.revoked", invitation, by.id)


def find(secret: str) -> Found:
    """What the link with this secret invites to. Raises NotFound, and as `_check` for one that is not good any more."""
    found, accepted_at, revoked_at = _look_up(secret)
    _check(found.expires_at, accepted_at, revoked_at)
    return found


def address_of(secret: str) -> str | None:
    """The address that may sign up by this link; None where the link is not good."""
    try:
        return find(secret).email
    except AppError:
        return None


def accept(secret: str, *, person: Person) -> Member:
    """Make the person a member; who is one already keeps their role. Accepting again answers the same.

    Raises:
        NotFound; InvitationExpired, InvitationRevoked, InvitationUsed; InvitedSomebodyElse.
    """
    found, accepted_at, revoked_at = _look_up(secret)
    if person.email != found.email:
        _check(found.expires_at, accepted_at, revoked_at)
        raise InvitedSomebodyElse(f"This invitation is for {found.email}. Sign in with that address.")
    tenancy.enter_as_newcomer(found.workspace_id)
    invitation = Invitation.objects.select_for_update().get(pk=found.id)
    mine = Member.objects.filter(workspace_id=invitation.workspace_id, person=person).first()
    if invitation.accepted_by_id == person.id and mine is not None:
        return mine
    _check(invitation.expires_at, invitation.accepted_at, invitation.revoked_at)
    invitation.accepted_at, invitation.accepted_by = timezone.now(), person
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    _record("invitation.accepted", invitation, person.id)
    if mine is None:
        mine = Member.objects.create(workspace_id=invitation.workspace_id, person=person, role=invitation.role)
        record_member("member.added", invitation.workspace_id, person.id, invitation.invited_by_id)
    return mine


def _look_up(secret: str) -> tuple[Found, datetime | None, datetime | None]:
    """What the secret finds, when it was accepted and when revoked. Raises NotFound."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM app_find_invitation(%s)", [digest(secret)])
        row = cursor.fetchone()
    if row is None:
        raise NotFound("There is no such invitation. Perhaps a part of the link is missing.")
    found_id, workspace_id, workspace_name, invited_by, email, role, expires_at, accepted_at, revoked_at = row
    found = Found(found_id, workspace_id, workspace_name, invited_by, email, Role(role), expires_at)
    return found, accepted_at, revoked_at


def _open(workspace: Workspace, invitation_id: uuid.UUID) -> Invitation:
    """The invitation, locked. Raises NotFound, InvitationUsed, InvitationRevoked."""
    found = Invitation.objects.select_for_update().filter(workspace=workspace, pk=invitation_id).first()
    if found is None:
        raise NotFound("There is no such invitation.")
    _check(None, found.accepted_at, found.revoked_at)
    return found


def _check(expires_at: datetime | None, accepted_at: datetime | None, revoked_at: datetime | None) -> None:
    if accepted_at is not None:
        raise InvitationUsed
    if revoked_at is not None:
        raise InvitationRevoked
    if expires_at is not None and expires_at <= timezone.now():
        raise InvitationExpired


def _end() -> datetime:
    return timezone.now() + timedelta(days=settings.INVITATION_EXPIRES_DAYS)


def _sent(kind: str, letter: Letter, by: Person) -> Letter:
    _record(kind, letter.invitation, by.id)
    post.send_invitation(letter.invitation, link=letter.link, by=by)
    return letter


def _record(kind: str, invitation: Invitation, by: uuid.UUID) -> None:
    shown = ids.show("inv", invitation.id)
    events.record(
        kind,
        workspace_id=invitation.workspace_id,
        resource=shown,
        person_id=by,
        data={"invitation_id": shown, "role": invitation.role},
    )
