"""Keeps the pictures that lie between a recipe's steps, so that a change at its end runs the end alone.

A kindness: what can't be kept or read is computed again. A row is written before its object, so that each object can
be found and deleted; they go when nobody used them for `RECIPE_CACHE_DAYS`, when a workspace has more than
`RECIPE_CACHE_MB` (the least recently used first), and when no asset holds the picture that they were made from.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from psycopg_pool import PoolTimeout

from backend.assets import pictures
from backend.core import ids, metrics, storage, tenancy
from backend.core.arrays import Bytes
from backend.core.errors import AppError
from backend.core.storage import ObjectMissing, StorageUnavailable
from backend.generations.models import Intermediate

log = structlog.get_logger()
_AWAY = (DatabaseError, psycopg.Error, PoolTimeout)
_OURS_PX = 1_000_000_000  # what we wrote ourselves is no bomb
_ONE_OF = 4  # of a workspace's room, one picture may take at most this part
_OLD = """
SELECT content, now() FROM (
    SELECT content, used_at, input_sha256, sum(size_bytes) OVER (ORDER BY used_at DESC, id DESC) AS so_far
    FROM generations_intermediate WHERE workspace_id = %(workspace)s
) kept
WHERE used_at < now() - %(days)s * interval '1 day' OR so_far > %(room)s OR NOT EXISTS (
    SELECT FROM assets_asset WHERE workspace_id = %(workspace)s AND sha256 = kept.input_sha256
)
"""


class Kept(NamedTuple):
    """The picture after the first `len(made)` steps, and what is said of those."""

    picture: Bytes
    made: list[dict[str, Any]]


def known(workspace_id: uuid.UUID, contents: Sequence[str]) -> set[str]:
    """Those of the pictures that were kept. Needs a transaction in the workspace."""
    found = Intermediate.objects.filter(workspace_id=workspace_id, content__in=contents)
    return set(found.values_list("content", flat=True))


def find(workspace_id: uuid.UUID, contents: Sequence[str]) -> Kept | None:
    """The last one of `contents`, which are in the order of the steps, that is still there."""
    try:
        with tenancy.acting(workspace_id=workspace_id):
            found = Intermediate.objects.filter(workspace_id=workspace_id, content__in=contents)
            rows = {row.content: row for row in found}
        for content in reversed(contents):
            if (row := rows.get(content)) and (picture := _read(row)) is not None:
                with tenancy.acting(workspace_id=workspace_id):
                    Intermediate.objects.filter(pk=row.pk).update(used_at=Now())
                metrics.INTERMEDIATES.labels("found").inc()
                return Kept(picture, row.made)
    except _AWAY as exc:
        log.warning("intermediate.not_found", error=type(exc).__name__)
    metrics.INTERMEDIATES.labels("missing").inc()
    return None


def keep(
    workspace_id: uuid.UUID, content: str, picture: Bytes, made: list[dict[str, Any]], *, input_sha256: str
) -> None:
    """Where there is room and the parts are there; else it is left."""
    try:
        with storage.scratch() as path:
            size_bytes = pictures.save_lossless(picture, path)
            if size_bytes > settings.RECIPE_CACHE_MB * 1_000_000 // _ONE_OF:
                return
            with tenancy.acting(workspace_id=workspace_id):
                Intermediate.objects.update_or_create(
                    workspace_id=workspace_id,
                    content=content,
                    defaults={"made": made, "size_bytes": size_bytes, "used_at": Now()},
                    create_defaults={
                        "id": ids.new_id(),
                        "input_sha256": input_sha256,
                        "made": made,
                        "size_bytes": size_bytes,
                    },
                )
            storage.put_file(storage.intermediate_key(workspace_id, content), path, media_type="image/png")
    except (*_AWAY, AppError) as exc:
        metrics.INTERMEDIATES.labels("not_kept").inc()
        log.warning("intermediate.not_kept", error=type(exc).__name__)
        return
    metrics.INTERMEDIATES.labels("kept").inc()


def sweep() -> None:
    """Delete what nobody needs any longer. Cheap, idempotent."""
    with tenancy.acting(using="system"):
        rows = Intermediate.objects.using("system").order_by("workspace_id")
        workspaces = list(rows.values_list("workspace_id", flat=True).distinct())
    for workspace_id in workspaces:
        try:
            _sweep(workspace_id)
        except StorageUnavailable as exc:
            log.warning("intermediate.not_swept", error=exc.detail)


def _sweep(workspace_id: uuid.UUID) -> None:
    limits: dict[str, Any] = {
        "workspace": workspace_id,
        "days": settings.RECIPE_CACHE_DAYS,
        "room": settings.RECIPE_CACHE_MB * 1_000_000,
    }
    with tenancy.acting(workspace_id=workspace_id), connection.cursor() as cursor:
        cursor.execute(_OLD, limits)
        old = dict(cursor.fetchall())
    for content, looked_at in old.items():
        storage.delete(storage.intermediate_key(workspace_id, content))
        with tenancy.acting(workspace_id=workspace_id):
            # One that was kept anew meanwhile stays, perhaps without its object: then it is not found.
            Intermediate.objects.filter(workspace_id=workspace_id, content=content, used_at__lte=looked_at).delete()


def _read(row: Intermediate) -> Bytes | None:
    try:
        with storage.scratch() as path:
            storage.download(storage.intermediate_key(row.workspace_id, row.content), path, max_bytes=row.size_bytes)
            return pictures.read_pixels(path, max_pixels=_OURS_PX)[0]
    except (ObjectMissing, AppError) as exc:
        log.warning("intermediate.not_read", error=type(exc).__name__)
        return None
