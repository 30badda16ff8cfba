"""The endpoints as bare ninja views: our SQL, and none of our conventions.

The person comes from the session, the project by its id, their role by a query, the page by keyset. No typed ids, no
limits, no ETag, no trace, no log line, no transaction, no row-level security.
"""

import uuid
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.http import Http404, HttpRequest
from django.urls import path
from ninja import NinjaAPI, Schema
from ninja.security import SessionAuth

from backend.assets.models import Asset
from backend.generations.models import Job
from backend.projects.models import Document, Project
from backend.recommendations.queries import suggestions_for
from backend.workspaces.models import Member, Workspace
from tests.bench._api_peers.files import files_of

PAGE = 50
M = TypeVar("M", bound=Model)


class Signed(SessionAuth):
    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return request.user if request.user.is_authenticated else None


api = NinjaAPI(auth=Signed(), docs_url=None, openapi_url=None)


class FileOut(Schema):
    url: str
    width: int
    height: int
    media_type: str


class LineageOut(Schema):
    parent_id: uuid.UUID | None
    task: str
    model: str
    model_version: str
    parameters: dict[str, Any]
    compute_s: float
    job_id: uuid.UUID

    @staticmethod
    def resolve_compute_s(lineage: Any) -> float:
        return float(lineage.compute_us / 1e6)


class AssetOut(Schema):
    id: uuid.UUID
    project_id: uuid.UUID
    name: str
    media_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    created_at: datetime
    created_by_id: uuid.UUID
    state: str = "ready"
    version: int
    renditions: dict[str, FileOut]
    lineage: LineageOut | None

    @staticmethod
    def resolve_renditions(asset: Any) -> dict[str, Any]:
        return files_of(asset)

    @staticmethod
    def resolve_lineage(asset: Any) -> Any:
        return getattr(asset, "lineage", None)


class AssetsOut(Schema):
    items: list[AssetOut]
    next_cursor: str | None


class ProjectOut(Schema):
    id: uuid.UUID
    workspace_id: uuid.UUID
    name: str
    created_at: datetime


class DocumentOut(Schema):
    id: uuid.UUID
    project_id: uuid.UUID
    kind: str
    name: str
    epoch: int
    created_at: datetime


class DocumentsOut(Schema):
    items: list[DocumentOut]
    next_cursor: str | None


class ProgressOut(Schema):
    done: int
    total: int


class JobOut(Schema):
    id: uuid.UUID
    project_id: uuid.UUID
    task: str
    parameters: dict[str, Any]
    state: str
    progress: ProgressOut
    input_asset_id: uuid.UUID | None
    output_asset_id: uuid.UUID | None
    document_id: uuid.UUID | None
    element_id: str | None
    edit_id: uuid.UUID | None
    error: Any
    estimate_s: float
    compute_s: float | None
    person_id: uuid.UUID
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @staticmethod
    def resolve_progress(job: Any) -> dict[str, int]:
        return {"done": job.progress_done, "total": job.progress_total}

    @staticmethod
    def resolve_estimate_s(job: Any) -> float:
        return float(job.estimate_us / 1e6)

    @staticmethod
    def resolve_compute_s(job: Any) -> float | None:
        return None if job.compute_us is None else job.compute_us / 1e6


class JobsOut(Schema):
    items: list[JobOut]
    next_cursor: str | None


class SuggestionOut(Schema):
    kind: str
    id: str
    name: str
    thumbnail_url: str | None
    reason: str
    score: float


class SuggestionsOut(Schema):
    items: list[SuggestionOut]
    as_of: datetime


def check_member(person_id: Any, workspace_id: uuid.UUID) -> None:
    found = Member.objects.filter(person_id=person_id, workspace_id=workspace_id).values_list("role", flat=True)
    if found.first() is None:
        raise Http404


def project_of(request: HttpRequest, project_id: uuid.UUID) -> Project:
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        raise Http404
    check_member(request.user.pk, project.workspace_id)
    return project


def page(rows: QuerySet[M], cursor: str | None) -> dict[str, Any]:
    if cursor:
        at, _, pk = cursor.partition("|")
        rows = rows.filter(TupleLessThan(Tuple("created_at", "pk"), (datetime.fromisoformat(at), uuid.UUID(pk))))
    items: list[Any] = list(rows.order_by("-created_at", "-pk")[: PAGE + 1])
    last = items[PAGE - 1] if len(items) > PAGE else None
    return {"items": items[:PAGE], "next_cursor": f"{last.created_at.isoformat()}|{last.pk}" if last else None}


@api.get("projects/{uuid:project_id}", response=ProjectOut)
def get_project(request: HttpRequest, project_id: uuid.UUID) -> Project:
    return project_of(request, project_id)


@api.get("projects/{uuid:project_id}/documents", response=DocumentsOut)
def list_documents(request: HttpRequest, project_id: uuid.UUID, cursor: str | None = None) -> dict[str, Any]:
    return page(Document.objects.filter(project=project_of(request, project_id)), cursor)


@api.get("projects/{uuid:project_id}/jobs", response=JobsOut)
def list_jobs(request: HttpRequest, project_id: uuid.UUID, cursor: str | None = None) -> dict[str, Any]:
    return page(Job.objects.filter(project=project_of(request, project_id)), cursor)


@api.get("projects/{uuid:project_id}/assets", response=AssetsOut)
def list_assets(request: HttpRequest, project_id: uuid.UUID, cursor: str | None = None) -> dict[str, Any]:
    rows = Asset.objects.filter(project=project_of(request, project_id)).select_related("lineage")
    return page(rows, cursor)


@api.get("projects/{uuid:project_id}/suggestions", response=SuggestionsOut)
def list_suggestions(request: HttpRequest, project_id: uuid.UUID) -> Any:
    person: Any = request.user
    return suggestions_for(project_of(request, project_id), person_id=person.pk)


@api.get("workspaces/{uuid:workspace_id}/assets", response=AssetsOut)
def find_assets(request: HttpRequest, workspace_id: uuid.UUID, q: str, cursor: str | None = None) -> dict[str, Any]:
    check_member(request.user.pk, workspace_id)
    workspace = Workspace.objects.get(pk=workspace_id)
    rows = Asset.objects.filter(workspace=workspace).select_related("lineage")
    found = rows.filter(folded__holds=q).order_by("-created_at", "-pk")[: PAGE + 1]
    return page(rows.filter(pk__in=found.values("pk")), cursor)


urlpatterns = [path("", api.urls)]
