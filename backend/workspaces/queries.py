"""Reads people, workspaces and members, and is the door to a workspace: `access_workspace`."""

import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from backend.core import statements, tenancy
from backend.core.errors import Forbidden, NotFound
from backend.core.folding import Fold
from backend.core.pagination import Ask, Listing, Page, page
from backend.core.rows import by_id
from backend.workspaces import limits
from backend.workspaces.models import Member, Person, Workspace
from backend.workspaces.rights import Act, Role, may


@dataclass(frozen=True, slots=True)
class PersonRef:
    """What others may see of a person."""

    id: uuid.UUID
    name: str
    colour: str


def active_person(person_id: uuid.UUID) -> Person | None:
    return Person.objects.filter(pk=person_id, is_active=True).first()


def person_by_email(email: str) -> Person | None:
    """Who signs in with this address, if they may."""
    return Person.objects.filter(email=email.strip().lower(), is_active=True).first()


def memberships(person_id: uuid.UUID) -> QuerySet[Member]:
    """Of a person; of the one workspace alone that a token is bound to, where such a token acts."""
    rows = Member.objects.filter(person_id=person_id).select_related("workspace").order_by("pk")
    limit = limits.present()
    return rows if limit is None or limit.workspace_id is None else rows.filter(workspace_id=limit.workspace_id)


def role_in(person_id: uuid.UUID, workspace_id: uuid.UUID) -> Role | None:
    # Asked in every request: to write this query anew each time would cost more than to run it.
    with statements.cursor() as cursor:
        cursor.execute(
            "SELECT role FROM workspaces_member WHERE person_id = %s AND workspace_id = %s", [person_id, workspace_id]
        )
        row = cursor.fetchone()
    return Role(row[0]) if row else None


def has_right(person_id: uuid.UUID, workspace_id: uuid.UUID, act: Act) -> bool:
    """As `check_right`, for where the answer is no error."""
    try:
        check_right(person_id, workspace_id, act)
    except (NotFound, Forbidden):
        return False
    return True


def check_right(person_id: uuid.UUID, workspace_id: uuid.UUID, act: Act) -> Role:
    """The person's role in the workspace, if it allows `act`; where a token acts, its scopes must allow it too.

    Raises:
        NotFound: not a member, or not the workspace that the token is bound to, for strangers learn nothing.
        Forbidden: a member whose role does not allow it, or a token without the scope.
    """
    limit = limits.present()
    role = role_in(person_id, workspace_id) if limit is None or limit.reaches(workspace_id) else None
    if role is None:
        raise NotFound
    if not may(role, act):
        raise Forbidden(f"As {role} you may not {act} here.")
    if not may(role, act, limit):
        raise Forbidden(f"This token lacks the scope {act}.", reason="scope_missing", scope=act)
    return role


def access_workspace(person_id: uuid.UUID, workspace_id: uuid.UUID, act: Act, *, lock: bool = False) -> Workspace:
    """The workspace, with the open transaction bound to it. Raises as `check_right`."""
    check_right(person_id, workspace_id, act)
    tenancy.enter_workspace(workspace_id)
    if lock:
        return Workspace.objects.select_for_update(of=("self",)).get(pk=workspace_id)
    workspace = by_id(Workspace, workspace_id)
    if workspace is None:
        raise NotFound
    return workspace


def access_member(workspace: Workspace, person_id: uuid.UUID, *, lock: bool = False) -> Member:
    """One member of a workspace that was accessed. Raises NotFound."""
    rows = Member.objects.select_for_update(of=("self",)) if lock else Member.objects
    member = rows.filter(workspace=workspace, person_id=person_id).select_related("person").first()
    if member is None:
        raise NotFound("This person is not a member.")
    return member


def members(workspace: Workspace, ask: Ask) -> Page[Member]:
    return page(Member.objects.filter(workspace=workspace).select_related("person"), ask, _MEMBERS)


def _named(rows: QuerySet[Member], q: str) -> QuerySet[Member]:
    """Those whose name or address holds q."""
    named = rows.alias(name=Fold("person__name"), address=Fold("person__email"))
    return named.filter(Q(name__holds=q) | Q(address__holds=q))


_MEMBERS = Listing({"joined_at": "joined_at"}, {"role": "role", "q": _named})


def members_by_id(workspace_id: uuid.UUID, people: set[uuid.UUID]) -> dict[uuid.UUID, PersonRef]:
    """Those of `people` who are members now. Needs a transaction in the workspace."""
    members = Person.objects.filter(pk__in=people, memberships__workspace_id=workspace_id)
    rows = members.values_list("id", "name", "colour")
    return {row[0]: PersonRef(*row) for row in rows}
