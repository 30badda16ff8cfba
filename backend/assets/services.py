"""Takes a picture in: `start_upload` gives an address to PUT it to, `finish_upload` verifies what came and keeps it.

A lost or repeated finish is harmless: the work before the last transaction writes only objects named by their
content, and that transaction locks the upload and returns early when it is done.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from backend.assets import content, pictures, queries
from backend.assets.content import ContentVanished
from backend.assets.errors import (
    REFUSALS,
    UnsupportedPicture,
    UploadEmpty,
    UploadExpired,
    UploadIncomplete,
    UploadMismatch,
    UploadTooLarge,
)
from backend.assets.models import Asset, Upload, UploadState
from backend.assets.pictures import Inspection, Rendition
from backend.core import events, ids, live, metrics, storage, tenancy
from backend.core.errors import AppError, TooLarge
from backend.core.storage import StorageUnavailable
from backend.projects.models import Project

log = structlog.get_logger()
SWEEP_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StartedUpload:
    upload: Upload
    url: str
    headers: dict[str, str]


def start_upload(
    project: Project, *, filename: str, size_bytes: int, sha256: str, media_type: str, by: uuid.UUID
) -> StartedUpload:
    """Announce a file. The caller has shown the right EDIT, so the transaction is in the workspace.

    Raises:
        UploadEmpty, UploadTooLarge, UnsupportedPicture: refused by what was announced; nothing is kept.
    """
    if size_bytes == 0:
        raise UploadEmpty("The file has 0 bytes. Choose one that has content.")
    if size_bytes > settings.MAX_UPLOAD_BYTES:
        raise UploadTooLarge(
            f"The file has {size_bytes} bytes; the limit is {settings.MAX_UPLOAD_BYTES}.",
            max_bytes=settings.MAX_UPLOAD_BYTES,
        )
    if media_type not in pictures.SUPPORTED:
        raise UnsupportedPicture("Atelier takes JPEG, PNG and WebP.", seen=media_type)
    upload = Upload.objects.create(
        id=ids.new_id(),
        workspace_id=project.workspace_id,
        project=project,
        person_id=by,
        filename=filename.strip(),
        media_type=media_type,
        size_bytes=size_bytes,
        sha256=sha256.lower(),
        expires_at=timezone.now() + timedelta(seconds=settings.UPLOAD_EXPIRES_S),
    )
    shown = ids.show("upl", upload.id)
    events.record(
        "upload.started",
        workspace_id=upload.workspace_id,
        resource=shown,
        person_id=by,
        data={"project_id": ids.show("prj", project.id), "upload_id": shown},
    )
    metrics.UPLOADS.labels("started").inc()
    url, headers = storage.presign_put(
        storage.upload_key(upload.workspace_id, upload.id),
        size_bytes=size_bytes,
        sha256=upload.sha256,
        media_type=media_type,
    )
    return StartedUpload(upload, url, headers)


def finish_upload(upload_id: uuid.UUID, *, by: uuid.UUID) -> Asset:
    """Verify what was PUT and make it an asset. Idempotent. Call it outside a transaction: it opens short ones itself.

    Raises:
        NotFound, Forbidden: not the person's upload, or no longer an editor.
        UploadIncomplete: the bytes have not arrived; nothing changed.
        UploadExpired: too late; or one of `errors.REFUSALS`: the same on each repetition, and the object is deleted.
        StorageUnavailable: nothing changed; finish again.
    """
    upload = _unfinished(upload_id, by)
    if isinstance(upload, Asset):
        return upload
    source = storage.upload_key(upload.workspace_id, upload.id)
    with storage.scratch() as path:
        try:
            seen = _verify(upload, source, path)
            renditions = _make_renditions(path, seen)
        except storage.ObjectMissing:
            return _missing(upload_id, by)
        except tuple(REFUSALS.values()) as refusal:
            _refuse(upload, refusal)
    for _again in range(2):  # the bytes can only vanish once: whoever dropped them saw no upload of the same content
        try:
            kept = _write_content(upload, source, seen, renditions)
            asset = _keep_upload(upload, by, seen, kept)
            break
        except (storage.ObjectMissing, ContentVanished):
            continue
    else:
        return _missing(upload_id, by)
    _delete_quietly(source)
    return asset


def _unfinished(upload_id: uuid.UUID, by: uuid.UUID) -> Upload | Asset:
    """The upload if there is still something to do, or the asset that it became; its refusal is raised again."""
    with tenancy.acting(person_id=by):
        upload = queries.access_upload(by, upload_id)
        return _outcome(upload) or upload


def _outcome(upload: Upload) -> Asset | None:
    if upload.state == UploadState.FINISHED and upload.asset_id:
        return Asset.objects.select_related("lineage").get(pk=upload.asset_id)
    if upload.state == UploadState.REFUSED and upload.refusal:
        raise REFUSALS[upload.refusal["code"]](upload.refusal["detail"])
    if upload.state == UploadState.EXPIRED or upload.expires_at < timezone.now():
        raise UploadExpired("This upload was not finished in time. Start a new one.")
    return None


def _verify(upload: Upload, source: str, path: Path) -> Inspection:
    try:
        size_bytes, sha256 = storage.download(source, path, max_bytes=settings.MAX_UPLOAD_BYTES)
    except TooLarge as exc:
        raise UploadTooLarge(exc.detail, **exc.extra) from exc
    if (size_bytes, sha256) != (upload.size_bytes, upload.sha256):
        raise UploadMismatch("The file that arrived is not the one that was announced. Start a new upload.")
    return pictures.inspect(path, max_pixels=settings.MAX_PICTURE_PIXELS)


def _make_renditions(path: Path, seen: Inspection) -> dict[str, Rendition]:
    """At once, not in a task: 12 megapixels take 0.16 s, and decoding them is the check that the file is whole."""
    thumbnail = pictures.render(path, max_px=pictures.THUMBNAIL_PX)
    if seen.web_ready:
        return {"thumbnail": thumbnail}
    return {"thumbnail": thumbnail, "web": pictures.render(path, max_px=pictures.WEB_PX)}


def _missing(upload_id: uuid.UUID, by: uuid.UUID) -> Asset:
    """No object: either the bytes never came, or another finish of the same upload was faster."""
    upload = _unfinished(upload_id, by)
    if isinstance(upload, Asset):
        return upload
    raise UploadIncomplete("The file's bytes have not arrived. PUT them to the upload's address, then finish again.")


def _refuse(upload: Upload, refusal: AppError) -> NoReturn:
    with tenancy.acting(workspace_id=upload.workspace_id):
        Upload.objects.filter(pk=upload.id, state=UploadState.STARTED).update(
            state=UploadState.REFUSED,
            refusal={"code": refusal.code, "detail": refusal.detail},
            finished_at=timezone.now(),
        )
    metrics.UPLOADS.labels(refusal.code).inc()
    log.info("upload.refused", upload_id=ids.show("upl", upload.id), code=refusal.code)
    _delete_quietly(storage.upload_key(upload.workspace_id, upload.id))
    raise refusal


def _write_content(
    upload: Upload, source: str, seen: Inspection, renditions: dict[str, Rendition]
) -> dict[str, dict[str, Any]]:
    """Copy the verified object to its content's key, write its renditions beside it: what `Asset.renditions` says."""
    storage.copy(source, storage.content_key(upload.workspace_id, upload.sha256), media_type=seen.media_type)
    content.write_renditions(upload.workspace_id, upload.sha256, renditions)
    return content.describe(upload.workspace_id, upload.sha256, seen, renditions)


def _keep_upload(upload: Upload, by: uuid.UUID, seen: Inspection, renditions: dict[str, dict[str, Any]]) -> Asset:
    with tenancy.acting(person_id=by):
        queries.access_upload(by, upload.id)  # the right may be gone since
        upload = Upload.objects.select_for_update().get(pk=upload.id)
        done = _outcome(upload)
        if done:
            return done
        with content.held(upload.workspace_id, upload.sha256):
            asset = Asset.objects.create(
                id=ids.new_id(),
                workspace_id=upload.workspace_id,
                project_id=upload.project_id,
                name=upload.filename,
                media_type=seen.media_type,
                width=seen.width,
                height=seen.height,
                size_bytes=upload.size_bytes,
                sha256=upload.sha256,
                renditions=renditions,
                created_by_id=by,
            )
            Upload.objects.filter(pk=upload.id).update(
                state=UploadState.FINISHED, asset=asset, finished_at=asset.created_at
            )
            announce(asset, parent_id=None, job_id=None)
        metrics.UPLOADS.labels("finished").inc()
        return asset


def rename_asset(asset: Asset, *, name: str, by: uuid.UUID) -> Asset:
    """The caller has locked the row and shown the right EDIT. A name that it has already changes nothing."""
    if asset.name == name.strip():
        return asset
    asset.name, asset.version = name.strip(), asset.version + 1
    asset.save(update_fields=["name", "version"])
    shown, project = ids.show("ast", asset.id), ids.show("prj", asset.project_id)
    event_id = events.record(
        "asset.renamed",
        workspace_id=asset.workspace_id,
        resource=shown,
        person_id=by,
        data={"project_id": project, "asset_id": shown, "name": asset.name},
    )
    live.publish(project, "asset", queries.present(asset), event_id=event_id)
    return asset


def announce(asset: Asset, *, parent_id: uuid.UUID | None, job_id: uuid.UUID | None) -> None:
    """Record the event of a new asset and tell open pages, on the commit of the open transaction."""
    shown, project = ids.show("ast", asset.id), ids.show("prj", asset.project_id)
    event_id = events.record(
        "asset.ready",
        workspace_id=asset.workspace_id,
        resource=shown,
        person_id=asset.created_by_id,
        data={
            "project_id": project,
            "asset_id": shown,
            "name": asset.name,
            "parent_id": ids.show("ast", parent_id) if parent_id else None,
            "job_id": ids.show("job", job_id) if job_id else None,
        },
    )
    live.publish(project, "asset", queries.present(asset), event_id=event_id)


def _delete_quietly(key: str) -> None:
    """What is left behind when the store is away is deleted by the sweeper."""
    try:
        storage.delete(key)
    except StorageUnavailable:
        log.warning("upload.left_behind")


def sweep_uploads(*, limit: int = 100) -> int:
    """Once for each upload that is past its time: delete its object, and its content if it never became an asset.

    An hour's grace keeps clear of a finish that is under way. Idempotent; returns how many it swept.
    """
    with tenancy.acting(using="system"):
        rows = Upload.objects.using("system").filter(expires_at__lt=Now() - SWEEP_AFTER, swept_at__isnull=True)
        found = list(rows.order_by("expires_at").values_list("id", "workspace_id", "sha256")[:limit])
    for upload_id, workspace_id, sha256 in found:
        storage.delete(storage.upload_key(workspace_id, upload_id))
        content.drop_unused(workspace_id, [sha256])
        with tenancy.acting(workspace_id=workspace_id):
            uploads = Upload.objects.filter(pk=upload_id)
            expired = uploads.filter(state=UploadState.STARTED).update(state=UploadState.EXPIRED)
            metrics.UPLOADS.labels("expired").inc(expired)
            uploads.update(swept_at=Now())
    return len(found)
