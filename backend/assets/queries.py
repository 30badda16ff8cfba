"""Reads uploads and assets, and says what others may see of them: `AssetCard`, `AssetRef`, `Download`."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from backend.assets.models import Asset, Upload
from backend.core import ids, storage, times
from backend.core.errors import NotFound
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.core.rows import by_id
from backend.projects.models import Project
from backend.projects.queries import access_project
from backend.workspaces.models import Workspace
from backend.workspaces.rights import Act


@dataclass(frozen=True, slots=True)
class AssetRef:
    """What a job needs of its input."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    project_id: uuid.UUID
    name: str
    key: str
    sha256: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AssetCard:
    """What a list of suggestions shows of an asset."""

    id: uuid.UUID
    project_id: uuid.UUID
    name: str
    thumbnail_url: str
    created_at: datetime
    created_by: uuid.UUID


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes that a person may have. `filename`: what a browser saves them as; None where it shows them."""

    key: str
    media_type: str
    etag: str
    filename: str | None


def rendition_url(asset_id: uuid.UUID, name: str) -> str:
    """Where the API gives the bytes, to those who may read the asset when they ask."""
    return f"/api/v1/assets/{ids.show('ast', asset_id)}/renditions/{name}"


def access_upload(person_id: uuid.UUID, upload_id: uuid.UUID) -> Upload:
    """The person's own upload, with the open transaction bound to its workspace. Raises NotFound, Forbidden."""
    upload = Upload.objects.filter(pk=upload_id, person_id=person_id).first()
    if upload is None:
        raise NotFound("There is no such upload, or it is not yours.")
    access_project(person_id, upload.project_id, Act.EDIT)
    return upload


def access_asset(person_id: uuid.UUID, asset_id: uuid.UUID, act: Act = Act.READ, *, lock: bool = False) -> Asset:
    """The asset, with the open transaction bound to its workspace; with `lock` its row is the transaction's.

    Raises:
        NotFound: no such asset, or the person is no member. Forbidden: the person's role does not allow `act`.
    """
    found = Asset.objects.filter(pk=asset_id).select_related("lineage")
    asset = found.first()
    if asset is None:
        raise NotFound("There is no such asset, or it is not yours to see.")
    access_project(person_id, asset.project_id, act)
    return found.select_for_update(of=("self",)).get() if lock else asset


def asset_of(project: Project, asset_id: uuid.UUID) -> Asset:
    """An asset of a project that the caller may read. Raises NotFound."""
    asset = by_id(Asset, asset_id)
    if asset is None or asset.project_id != project.id:
        raise NotFound("There is no such asset in this project.")
    return asset


def assets_of(project: Project, asset_ids: Sequence[uuid.UUID]) -> list[Asset]:
    """Those assets of a project that the caller may read, in that order. Raises NotFound, where one is missing."""
    found = Asset.objects.filter(project=project).in_bulk(asset_ids)
    if len(found) != len(set(asset_ids)):
        raise NotFound("There is no such asset in this project.")
    return [found[asset_id] for asset_id in asset_ids]


def access_download(person_id: uuid.UUID, asset_id: uuid.UUID, rendition: str) -> Download:
    """What to read of the store for a rendition: "original", "web" or "thumbnail". Raises NotFound."""
    asset = access_asset(person_id, asset_id)
    found = _files(asset).get(rendition)
    if found is None:
        raise NotFound("There is no such rendition of this asset.")
    return Download(
        key=found["key"],
        media_type=found["media_type"],
        etag=f'"{found["key"].rpartition("/")[2]}"',
        filename=asset.name if rendition == "original" else None,
    )


def assets_in(where: Project | Workspace, ask: Ask) -> Page[Asset]:
    """A page of a project's or of a whole workspace's assets. Needs a transaction in the workspace."""
    rows = Asset.objects.select_related("lineage")
    rows = rows.filter(project=where) if isinstance(where, Project) else rows.filter(workspace=where)
    return page(rows, ask, _ASSETS)


_ASSETS = Listing(
    {"created_at": "created_at", "name": "folded", "size_bytes": "size_bytes"},
    {**CREATED, "created_by": "created_by_id", "media_type": "media_type", "q": "folded__holds"},
)


def ref(asset: Asset) -> AssetRef:
    return AssetRef(
        id=asset.id,
        workspace_id=asset.workspace_id,
        project_id=asset.project_id,
        name=asset.name,
        key=storage.content_key(asset.workspace_id, asset.sha256),
        sha256=asset.sha256,
        media_type=asset.media_type,
        width=asset.width,
        height=asset.height,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """What a job made: its file's content and key, and the models that made it, one after another."""

    sha256: str
    key: str
    models: tuple["MadeBy", ...]


class MadeBy(NamedTuple):
    version: int
    digest: str
    dtype: str


def made_by(job_id: uuid.UUID) -> Made | None:
    """Needs a transaction in the job's workspace. None where it made nothing, or the asset was deleted."""
    asset = Asset.objects.select_related("lineage").filter(lineage__job_id=job_id).first()
    if asset is None:
        return None
    by = asset.lineage
    models = (
        [MadeBy(int(step["model_version"]), step["model_digest"], step["dtype"]) for step in by.steps]
        if by.steps
        else [MadeBy(int(by.model_version), by.model_digest, by.dtype)]
    )
    return Made(asset.sha256, storage.content_key(asset.workspace_id, asset.sha256), tuple(models))


def describe(asset_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, AssetCard]:
    """The cards of those of `asset_ids` that the open transaction may see; the others are absent."""
    return {asset.id: _card(asset) for asset in Asset.objects.filter(pk__in=set(asset_ids))}


def recent(project_id: uuid.UUID, *, limit: int) -> list[AssetCard]:
    """Newest first."""
    newest = Asset.objects.filter(project_id=project_id).order_by("-created_at", "-pk")
    return [_card(asset) for asset in newest[:limit]]


def _card(asset: Asset) -> AssetCard:
    return AssetCard(
        id=asset.id,
        project_id=asset.project_id,
        name=asset.name,
        thumbnail_url=rendition_url(asset.id, "thumbnail"),
        created_at=asset.created_at,
        created_by=asset.created_by_id,
    )


def present(asset: Asset) -> dict[str, Any]:
    """The asset as the API and live messages show it: typed ids, presigned addresses, lineage."""
    return {
        "id": ids.show("ast", asset.id),
        "project_id": ids.show("prj", asset.project_id),
        "name": asset.name,
        "media_type": asset.media_type,
        "width": asset.width,
        "height": asset.height,
        "size_bytes": asset.size_bytes,
        "sha256": asset.sha256,
        "created_at": times.show(asset.created_at),
        "created_by": ids.show("per", asset.created_by_id),
        "state": "ready",
        "renditions": _renditions(asset),
        "lineage": _lineage(asset),
    }


def presented(asset_ids: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
    """Those of the assets that the open transaction may see, as `present` shows them."""
    return [present(asset) for asset in Asset.objects.filter(pk__in=set(asset_ids)).select_related("lineage")]


def _renditions(asset: Asset) -> dict[str, dict[str, Any]]:
    folder = rendition_url(asset.id, "")
    return {
        name: {
            "url": folder + name,
            "width": found["width"],
            "height": found["height"],
            "media_type": found["media_type"],
        }
        for name, found in _files(asset).items()
    }


def _files(asset: Asset) -> dict[str, dict[str, Any]]:
    original = {
        "key": storage.content_key(asset.workspace_id, asset.sha256),
        "media_type": asset.media_type,
        "width": asset.width,
        "height": asset.height,
    }
    return {"original": original, **asset.renditions}


def _lineage(asset: Asset) -> dict[str, Any] | None:
    made = getattr(asset, "lineage", None)  # the reverse of a one-to-one raises where there is none
    if made is None:
        return None
    return {
        "parent_id": ids.show("ast", made.parent_id) if made.parent_id else None,
        "task": made.task,
        "model": made.model,
        "model_version": made.model_version,
        "parameters": made.parameters,
        "compute_s": made.compute_us / 1e6,
        "steps": made.steps and [_made_step(step) for step in made.steps],
        "job_id": ids.show("job", made.job_id),
    }


def _made_step(step: dict[str, Any]) -> dict[str, Any]:
    shown = {name: step[name] for name in ("task", "parameters", "model", "model_version", "kept")}
    return {**shown, "compute_s": step["compute_us"] / 1e6}
