"""Reads people, workspaces and members, and is the door to a workspace: `access_workspace`."""

import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from backend.core import tenancy
from backend.core.errors import Forbidden, NotFound
from backend.workspaces.models import Member, Person, Workspace
from backend.workspaces.rights import Act, Role, may


@dataclass(frozen=True, slots=True)
class PersonRef:
    """What others may see of a person."""

    id: uuid.UUID
    name: str
    colour: str


def memberships(person_id: uuid.UUID) -> QuerySet[Member]:
    return Member.objects.filter(person_id=person_id).select_related("workspace").order_by("pk")


def role_in(person_id: uuid.UUID, workspace_id: uuid.UUID) -> Role | None:
    role = Member.objects.filter(person_id=person_id, workspace_id=workspace_id).values_list("role", flat=True).first()
    return Role(role) if role else None


def check_right(person_id: uuid.UUID, workspace_id: uuid.UUID, act: Act) -> Role:
    """The person's role in the workspace, if it allows `act`.

    Raises:
        NotFound: not a member, for strangers learn nothing.
        Forbidden: a member whose role does not allow it.
    """
    role = role_in(person_id, workspace_id)
    if role is None:
        raise NotFound
    if not may(role, act):
        raise Forbidden(f"As {role} you may not {act} here.")
    return role


def access_workspace(person_id: uuid.UUID, workspace_id: uuid.UUID, act: Act) -> Workspace:
    """The workspace, with the open transaction bound to it. Raises as `check_right`."""
    check_right(person_id, workspace_id, act)
    tenancy.enter_workspace(workspace_id)
    return Workspace.objects.get(pk=workspace_id)


def members(workspace: Workspace) -> QuerySet[Member]:
    return Member.objects.filter(workspace=workspace).select_related("person").order_by("pk")


def people_by_id(people: set[uuid.UUID]) -> dict[uuid.UUID, PersonRef]:
    rows = Person.objects.filter(pk__in=people).values_list("id", "name", "colour")
    return {row[0]: PersonRef(*row) for row in rows}
