"""Writes people, workspaces and members."""

import json
import uuid
import zlib

import redis
import structlog
from django.db import IntegrityError, transaction

from backend.core import events, ids, tenancy, valkey
from backend.core.errors import Conflict, Forbidden, NotFound
from backend.workspaces.models import Member, Person, Workspace
from backend.workspaces.queries import access_member, person_by_email
from backend.workspaces.rights import Role

log = structlog.get_logger()

# Told apart on white and on black alike, and by people who see red and green alike.
COLOURS = ("#d9480f", "#1971c2", "#2f9e44", "#9c36b5", "#c2255c", "#0c8599", "#e8590c", "#5f3dc4")


def colour_for(email: str) -> str:
    return COLOURS[zlib.crc32(email.lower().encode()) % len(COLOURS)]


def create_person(*, email: str, name: str, password: str | None = None) -> Person:
    """Raises Conflict when the address is taken."""
    person = Person(email=email.strip().lower(), name=name.strip(), colour=colour_for(email))
    person.set_password(password)
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError as exc:
        raise Conflict("Somebody with this e-mail address is here already.") from exc
    return person


@transaction.atomic
def switch_off(person: Person) -> None:
    """Shut every way in for the person: sign-in, sessions, tokens, sockets and streams. What they made stays."""
    person.is_active = False
    person.save(update_fields=["is_active"])
    log.info("person.switched_off", person_id=ids.show("per", person.id))
    tell_access_changed(person_id=person.id)


@transaction.atomic
def create_workspace(*, name: str, owner: Person) -> Workspace:
    workspace = Workspace(id=ids.new_id(), name=name.strip())
    tenancy.enter_as_newcomer(workspace.id)
    workspace.save(force_insert=True)
    Member.objects.create(workspace=workspace, person=owner, role=Role.OWNER)
    _record("workspace.created", workspace.id, owner.id, {})
    return workspace


def add_member(workspace: Workspace, *, email: str, role: Role, by: uuid.UUID) -> Member:
    """Needs the right MANAGE, shown by the caller. Raises NotFound for an unknown address, Conflict for a member."""
    if role == Role.OWNER:
        raise Forbidden("A workspace has one owner.")
    person = person_by_email(email)
    if person is None:
        raise NotFound("Nobody here signs in with this e-mail address.", field="email")
    try:
        with transaction.atomic():
            member = Member.objects.create(workspace=workspace, person=person, role=role)
    except IntegrityError as exc:
        raise Conflict("This person is a member already.", field="email") from exc
    record_member("member.added", workspace.id, person.id, by)
    return member


def set_role(member: Member, role: Role, *, by: uuid.UUID) -> None:
    """Needs the right MANAGE and the member locked, by the caller. Open sockets follow within a second."""
    if Role.OWNER in (member.role, role):
        raise Forbidden("The owner's role changes only when the workspace is handed over.")
    member.role = role
    member.version += 1
    member.save(update_fields=["role", "version"])
    record_member("member.role_changed", member.workspace_id, member.person_id, by, role=role)
    tell_access_changed(member.workspace_id, person_id=member.person_id)


def remove_member(workspace: Workspace, person_id: uuid.UUID, *, by: uuid.UUID) -> None:
    """Needs the right MANAGE, shown by the caller, unless it is oneself who leaves.

    Open sockets and streams of the person end within a second.
    """
    member = access_member(workspace, person_id, lock=True)
    if member.role == Role.OWNER:
        raise Forbidden("The owner can't leave. Hand the workspace over first.")
    member.delete()
    record_member("member.removed", workspace.id, person_id, by)
    tell_access_changed(workspace.id, person_id=person_id)


def rename_workspace(workspace: Workspace, *, name: str, by: uuid.UUID) -> None:
    """Needs the right MANAGE and the workspace locked, by the caller."""
    workspace.name = name.strip()
    workspace.version += 1
    workspace.save(update_fields=["name", "version"])
    _record("workspace.renamed", workspace.id, by, {})


def hand_over(workspace: Workspace, person_id: uuid.UUID, *, by: uuid.UUID) -> Member:
    """Make another member the owner; who was it becomes an admin. Needs the right OWN, shown by the caller."""
    owner, heir = access_member(workspace, by, lock=True), access_member(workspace, person_id, lock=True)
    if owner.role != Role.OWNER:
        raise Forbidden("Somebody else owns this workspace by now.")
    if heir.pk == owner.pk:
        return owner
    for member, role in ((owner, Role.ADMIN), (heir, Role.OWNER)):
        member.role = role
        member.version += 1
        member.save(update_fields=["role", "version"])
    record_member("workspace.handed_over", workspace.id, person_id, by)
    tell_access_changed(workspace.id)
    return heir


def tell_access_changed(
    workspace_id: uuid.UUID | None = None,
    *,
    person_id: uuid.UUID | None = None,
    document_id: uuid.UUID | None = None,
) -> None:
    """After the commit, let open sockets and streams read their rights again.

    Where Valkey is away it takes some seconds: streams look by themselves, sockets find what triggers noted in
    `workspaces_access_change`.

    Those of all that is named: of a person everywhere, where only the person is.
    """
    message = json.dumps(
        {
            "workspace_id": str(workspace_id) if workspace_id else None,
            "person_id": str(person_id) if person_id else None,
            "document_id": str(document_id) if document_id else None,
        }
    )

    def send() -> None:
        try:
            valkey.client().publish("collab:access", message)
        except redis.RedisError as exc:
            log.warning("access.change_not_sent", error=type(exc).__name__)

    transaction.on_commit(send, robust=True)


def record_member(kind: str, workspace_id: uuid.UUID, person_id: uuid.UUID, by: uuid.UUID, **more: str) -> None:
    """The event of something that was done to a member."""
    _record(kind, workspace_id, by, {"person_id": ids.show("per", person_id), **more})


def _record(kind: str, workspace_id: uuid.UUID, by: uuid.UUID, data: dict[str, object]) -> None:
    events.record(kind, workspace_id=workspace_id, resource=ids.show("wsp", workspace_id), person_id=by, data=data)
