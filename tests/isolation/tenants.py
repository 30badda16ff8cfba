"""Hides the tenants that the walk goes through: who is in them, and one of each thing that an address can name.

`Maker`s give a fresh thing to each call that uses one up. They write rows as the services leave them, but wake nobody:
what a worker or the relay did meanwhile would look like something that a refused call had done.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.test import Client
from django.utils import timezone

from backend.assets.models import Asset, Lineage, Upload
from backend.core import ids, storage, tenancy, valkey
from backend.generations.models import Batch, Job, Recipe, RecipeVersion
from backend.projects.models import Document, DocumentKind, Project
from backend.workspaces import tokens
from backend.workspaces.models import Invitation, Member, Person, Session, Workspace
from backend.workspaces.rights import Act, Role
from backend.workspaces.services import create_person
from collab import edits
from tests.backend.assets.test_pictures import photo, saved

JPEG = saved(photo(64, 48), "JPEG")
SHA256 = hashlib.sha256(JPEG).hexdigest()
FAR = timedelta(days=365)  # no worker claims a job, and no sweeper takes an upload, before that


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace with one person in each role, and the typed id of one of each thing in it, by its address' word.

    `mark` is part of every name in it, and of nothing else.
    """

    mark: str
    workspace: Workspace
    people: dict[Role, Person]
    things: dict[str, str]

    @property
    def owner(self) -> Person:
        return self.people[Role.OWNER]


Maker = Callable[[Tenant, Person], str]


def mark() -> str:
    return f"zq{uuid.uuid4().hex[:10]}"


def make_person(name: str, marked: str) -> Person:
    with tenancy.acting():
        return create_person(email=f"{name}-{marked}@test.invalid", name=f"{name.title()} {marked}")


def make_tenant(people: dict[Role, Person]) -> Tenant:
    marked = mark()
    workspace = Workspace(id=ids.new_id(), name=f"Studio {marked}")
    with tenancy.acting(workspace_id=workspace.id):
        workspace.save(force_insert=True)
        Member.objects.bulk_create(Member(workspace=workspace, person=p, role=role) for role, p in people.items())
    things = {"workspace_id": ids.show("wsp", workspace.id), "rendition": "thumbnail"}
    tenant = Tenant(marked, workspace, people, things)
    for word, make in FIRST.items():
        tenant.things[word] = make(tenant, tenant.owner)
    return tenant


def a_project(tenant: Tenant, by: Person) -> str:
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Project.objects.create(workspace=tenant.workspace, name=f"Harbour {tenant.mark}", created_by=by)
    return ids.show("prj", row.id)


def a_document(tenant: Tenant, by: Person) -> str:
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Document.objects.create(
            workspace=tenant.workspace,
            project_id=_project(tenant),
            kind=DocumentKind.BOARD,
            name=f"Board {tenant.mark}",
            created_by=by,
        )
    return ids.show("doc", row.id)


def an_upload(tenant: Tenant, by: Person) -> str:
    """Announced by `by`, with its bytes in the store: ready to be finished."""
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Upload.objects.create(
            id=ids.new_id(),
            workspace=tenant.workspace,
            project_id=_project(tenant),
            person=by,
            filename=f"Stall {tenant.mark}.jpg",
            media_type="image/jpeg",
            size_bytes=len(JPEG),
            sha256=SHA256,
            expires_at=timezone.now() + FAR,
        )
    storage.put(storage.upload_key(tenant.workspace.id, row.id), JPEG, media_type="image/jpeg")
    return ids.show("upl", row.id)


def an_asset(tenant: Tenant, by: Person) -> str:
    """Its content lies in the store."""
    key = storage.content_key(tenant.workspace.id, SHA256)
    storage.put(key, JPEG, media_type="image/jpeg")
    rendition = {"key": key, "media_type": "image/jpeg", "width": 64, "height": 48}
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Asset.objects.create(
            id=ids.new_id(),
            workspace=tenant.workspace,
            project_id=_project(tenant),
            name=f"Lantern {tenant.mark}.jpg",
            media_type="image/jpeg",
            width=64,
            height=48,
            size_bytes=len(JPEG),
            sha256=SHA256,
            renditions={"web": rendition, "thumbnail": rendition},
            created_by=by,
        )
    return ids.show("ast", row.id)


def a_job(tenant: Tenant, by: Person) -> str:
    """Asked for by `by`; it waits for a year."""
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Job.objects.create(
            id=ids.new_id(),
            workspace=tenant.workspace,
            project_id=_project(tenant),
            person=by,
            task="enhance",
            task_version="1",
            parameters={"scale": 2},
            input_asset_id=ids.parse("ast", tenant.things["asset_id"]),
            traceparent="",
            estimate_us=1,
            not_before=timezone.now() + FAR,
        )
    return ids.show("job", row.id)


def a_running_job(tenant: Tenant, by: Person) -> str:
    """It shows what it has made."""
    shown = a_job(tenant, by)
    job_id = ids.parse("job", shown)
    with tenancy.acting(workspace_id=tenant.workspace.id):
        Job.objects.filter(pk=job_id).update(state="running", lease_until=timezone.now() + FAR)
    valkey.client().set(f"preview:{job_id}", f"preview {tenant.mark}".encode(), ex=60)
    return shown


def a_done_job(tenant: Tenant, by: Person) -> str:
    """It made an asset for `by`."""
    shown = a_job(tenant, by)
    job_id, asset_id = ids.parse("job", shown), ids.parse("ast", an_asset(tenant, by))
    with tenancy.acting(workspace_id=tenant.workspace.id):
        Job.objects.filter(pk=job_id).update(state="succeeded", output_asset_id=asset_id, finished_at=timezone.now())
        Lineage.objects.create(
            asset_id=asset_id,
            workspace=tenant.workspace,
            job_id=job_id,
            task="enhance",
            task_version="1",
            model="span_x2",
            model_version="1",
            model_digest="",
            dtype="",
            parameters={},
            compute_us=1,
        )
    return shown


def a_batch(tenant: Tenant, by: Person) -> str:
    """Asked for by `by`, with no job."""
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Batch.objects.create(
            id=ids.new_id(), workspace=tenant.workspace, project_id=_project(tenant), person=by, task="enhance", jobs=0
        )
    return ids.show("bat", row.id)


def a_recipe(tenant: Tenant, by: Person) -> str:
    """Of one step, as `by` wrote it."""
    fields = {"name": f"Polish {tenant.mark}", "steps": [{"task": "enhance", "task_version": "1", "parameters": {}}]}
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Recipe.objects.create(id=ids.new_id(), workspace=tenant.workspace, created_by=by, **fields)
        RecipeVersion.objects.create(
            id=ids.new_id(), workspace=tenant.workspace, recipe=row, version=1, created_by=by, **fields
        )
    return ids.show("rcp", row.id)


def an_edit(tenant: Tenant, by: Person) -> str:
    """Made by a model for `by`."""
    with tenancy.acting(workspace_id=tenant.workspace.id):
        made = edits.apply(
            ids.parse("doc", tenant.things["document_id"]),
            [edits.SetEntry("elements", uuid.uuid4().hex, {"type": "text", "text": f"Note {tenant.mark}"})],
            workspace_id=tenant.workspace.id,
            author="test",
            on_behalf_of=by.id,
        )
    return ids.show("edt", made)


def a_newcomer(tenant: Tenant, by: Person) -> str:
    """The e-mail address of somebody who signs in here and is a member nowhere."""
    return make_person("newcomer", mark()).email


def a_guest(tenant: Tenant, by: Person) -> str:
    """A viewer of the workspace whom nobody would miss."""
    person = make_person("guest", tenant.mark + uuid.uuid4().hex[:6])
    with tenancy.acting(workspace_id=tenant.workspace.id):
        Member.objects.create(workspace=tenant.workspace, person=person, role=Role.VIEWER)
    return ids.show("per", person.id)


def a_workspace(tenant: Tenant, by: Person) -> str:
    """One more, with the tenant's people in their roles."""
    workspace = Workspace(id=ids.new_id(), name=f"Annex {tenant.mark}")
    with tenancy.acting(workspace_id=workspace.id):
        workspace.save(force_insert=True)
        Member.objects.bulk_create(Member(workspace=workspace, person=p, role=r) for r, p in tenant.people.items())
    return ids.show("wsp", workspace.id)


def the_editor(tenant: Tenant, by: Person) -> str:
    return ids.show("per", tenant.people.get(Role.EDITOR, tenant.owner).id)


def _invite(tenant: Tenant) -> tuple[str, Invitation]:
    """By the owner, whoever calls: a stranger invites nobody."""
    secret = uuid.uuid4().hex
    with tenancy.acting(workspace_id=tenant.workspace.id):
        row = Invitation.objects.create(
            workspace=tenant.workspace,
            email=f"{secret}@test.invalid",
            role=Role.VIEWER,
            digest=tokens.digest(secret),
            invited_by=tenant.owner,
            expires_at=timezone.now() + FAR,
        )
    return secret, row


def an_invitation(tenant: Tenant, by: Person) -> str:
    """Of somebody who has no account."""
    return ids.show("inv", _invite(tenant)[1].id)


def a_letter(tenant: Tenant, by: Person) -> str:
    """The secret of an invitation's link."""
    return _invite(tenant)[0]


def a_token(tenant: Tenant, by: Person) -> str:
    """Of `by`, for every workspace of theirs."""
    with tenancy.acting(person_id=by.id):
        _secret, row = tokens.make_token(by.id, name=f"Export {tenant.mark}", scopes={Act.READ}, days=9)
    return ids.show("tok", row.id)


def a_session(tenant: Tenant, by: Person) -> str:
    """Another browser in which `by` is signed in."""
    client = Client()
    client.force_login(by, backend=settings.AUTHENTICATION_BACKENDS[0])
    with tenancy.acting(person_id=by.id):
        return ids.show("ses", Session.objects.latest("created_at").id)


def _project(tenant: Tenant) -> uuid.UUID:
    return ids.parse("prj", tenant.things["project_id"])


# In this order, for a job needs an asset and an edit a document.
FIRST: dict[str, Maker] = {
    "project_id": a_project,
    "document_id": a_document,
    "asset_id": an_asset,
    "upload_id": an_upload,
    "job_id": a_job,
    "batch_id": a_batch,
    "recipe_id": a_recipe,
    "edit_id": an_edit,
    "person_id": a_guest,
    "token_id": a_token,
    "session_id": a_session,
    "invitation_id": an_invitation,
    "secret": a_letter,
}
