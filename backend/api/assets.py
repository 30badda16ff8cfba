"""Uploads in two steps, and the assets that they become."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from backend.api import downloads
from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.lists import ByTimeOrName, CreatedQuery, Search, Word, shown
from backend.api.schemas import (
    AssetId,
    Body,
    JobId,
    Name,
    PageOf,
    PersonId,
    ProjectId,
    UploadId,
    WorkspaceId,
)
from backend.assets import queries, services
from backend.assets.errors import (
    REFUSALS,
    UnsupportedPicture,
    UploadEmpty,
    UploadExpired,
    UploadIncomplete,
    UploadTooLarge,
)
from backend.assets.pictures import SUPPORTED
from backend.core import conditions
from backend.projects.queries import access_project
from backend.workspaces.queries import access_workspace
from backend.workspaces.rights import Act

router = Router(tags=["assets"])
router.add_router("", downloads.router)


class AssetQuery(CreatedQuery):
    sort: ByTimeOrName | Literal["size_bytes", "-size_bytes"] = "-created_at"
    media_type: Word | None = None
    q: Search | None = None


class UploadIn(Body):
    filename: Name
    # The document tells what is taken in; what is not is refused by the service, with codes of its own.
    size_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="The exact length; the address takes no other.",
            json_schema_extra={"minimum": 1, "maximum": settings.MAX_UPLOAD_BYTES},
        ),
    ]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$", description="Of the bytes, in hex.")]
    media_type: Annotated[
        str,
        Field(
            max_length=100,
            pattern=r"^[\w.+-]+/[\w.+-]+$",
            description="The content has the last word.",
            json_schema_extra={"enum": list(SUPPORTED)},
        ),
    ]


class UploadOut(Schema):
    id: UploadId
    method: Literal["PUT"] = "PUT"
    url: Annotated[str, Field(description="PUT the bytes here, with these headers, before it expires.")]
    headers: dict[str, str]
    expires_at: datetime


class RenditionOut(Schema):
    url: Annotated[str, Field(description="GET the bytes here, signed in as for any other address.")]
    width: int
    height: int
    media_type: str


class RenditionsOut(Schema):
    original: RenditionOut
    web: RenditionOut
    thumbnail: RenditionOut


class LineageStepOut(Schema):
    task: str
    parameters: dict[str, Any]
    model: str
    model_version: str
    compute_s: float
    kept: Annotated[bool, Field(description="Its picture was there from another run, and cost nothing this time.")]


class LineageOut(Schema):
    parent_id: AssetId | None
    task: str
    model: Annotated[str, Field(description="Of the last step, where a recipe made it.")]
    model_version: str
    parameters: dict[str, Any]
    compute_s: float
    steps: Annotated[list[LineageStepOut] | None, Field(description="Where a recipe made it; `task` is then `recipe`.")]
    job_id: JobId


class AssetOut(Schema):
    id: AssetId
    project_id: ProjectId
    name: str
    media_type: str
    width: Annotated[int, Field(description="As seen, after the rotation that the file asks for.")]
    height: int
    size_bytes: int
    sha256: str
    created_at: datetime
    created_by: PersonId
    state: Literal["ready"]
    renditions: RenditionsOut
    lineage: LineageOut | None


class AssetPatch(Body):
    name: Name


@router.post("/projects/{project_id}/uploads", response={201: UploadOut}, operation_id="start_upload")
@raises(UploadEmpty, UploadTooLarge, UnsupportedPicture)
def start_upload(request: Request, project_id: ProjectId, payload: UploadIn) -> Status[UploadOut]:
    """Announce a picture and get an address to PUT its bytes to. Then finish the upload."""
    project = access_project(request.person_id, project_id, Act.EDIT)
    started = services.start_upload(
        project,
        filename=payload.filename,
        size_bytes=payload.size_bytes,
        sha256=payload.sha256,
        media_type=payload.media_type,
        by=request.person_id,
    )
    return Status(
        201,
        UploadOut(id=started.upload.id, url=started.url, headers=started.headers, expires_at=started.upload.expires_at),
    )


@router.post("/uploads/{upload_id}/finish", response={200: AssetOut}, operation_id="finish_upload")
@raises(UploadIncomplete, UploadExpired, *REFUSALS.values())
def finish_upload(request: Request, response: HttpResponse, upload_id: UploadId) -> dict[str, Any]:
    """Verify the bytes and make them an asset. Say it again whenever the answer got lost: the same asset answers."""
    asset = services.finish_upload(upload_id, by=request.person_id)
    response["ETag"] = conditions.etag(asset.version)
    return queries.present(asset)


@router.get("/projects/{project_id}/assets", response={200: PageOf[AssetOut]}, operation_id="list_assets")
def list_assets(request: Request, project_id: ProjectId, query: Query[AssetQuery]) -> HttpResponse:
    """The assets of a project."""
    project = access_project(request.person_id, project_id, Act.READ)
    return shown(queries.assets_in(project, query.ask(request)), queries.present)


@router.get("/workspaces/{workspace_id}/assets", response={200: PageOf[AssetOut]}, operation_id="find_assets")
def find_assets(request: Request, workspace_id: WorkspaceId, query: Query[AssetQuery]) -> HttpResponse:
    """The assets of all projects of a workspace: with `q`, a search across them."""
    workspace = access_workspace(request.person_id, workspace_id, Act.READ)
    return shown(queries.assets_in(workspace, query.ask(request)), queries.present)


@router.get("/assets/{asset_id}", response={200: AssetOut}, operation_id="get_asset")
def get_asset(request: Request, response: HttpResponse, asset_id: AssetId) -> dict[str, Any]:
    asset = queries.access_asset(request.person_id, asset_id)
    response["ETag"] = conditions.etag(asset.version)
    return queries.present(asset)


@router.patch("/assets/{asset_id}", response={200: AssetOut}, operation_id="rename_asset")
@raises(conditional=True)
def rename_asset(request: Request, response: HttpResponse, asset_id: AssetId, payload: AssetPatch) -> dict[str, Any]:
    asset = queries.access_asset(request.person_id, asset_id, Act.EDIT, lock=True)
    conditions.check_match(request, asset.version)
    services.rename_asset(asset, name=payload.name, by=request.person_id)
    response["ETag"] = conditions.etag(asset.version)
    return queries.present(asset)
