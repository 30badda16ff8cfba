"""Hides S3, where large snapshots lie: each under a key of its own, which its row names. Synchronous.

It is written before the transaction that names it, and deleted after the one that names another: whoever reads a row
and finds no object there reads the row again. What nobody came to name goes the same way.
"""

import mmap
import time
from uuid import UUID

import structlog
from django.conf import settings

from backend.core import ids, storage
from backend.core.storage import StorageUnavailable
from collab.parts import Bytes

log = structlog.get_logger()


def key(workspace_id: UUID, document_id: UUID, object_id: UUID) -> str:
    return f"{_folder(workspace_id, document_id)}{object_id}"


def is_large(size_bytes: int) -> bool:
    """Whether a snapshot of that size belongs here."""
    return size_bytes > int(settings.COLLAB_SNAPSHOT_ROW_BYTES)


def fetch(workspace_id: UUID, document_id: UUID, object_id: UUID, size_bytes: int) -> memoryview:
    """Raises: ObjectMissing (another took its place), StorageUnavailable."""
    found = memoryview(mmap.mmap(-1, size_bytes))
    storage.read_into(key(workspace_id, document_id, object_id), found)
    return found


def store(workspace_id: UUID, document_id: UUID, update: Bytes) -> UUID | None:
    """Under which id it lies now. None: S3 is away, so let it lie in its row until the next compaction."""
    object_id = ids.new_id()
    try:
        storage.put(key(workspace_id, document_id, object_id), update, media_type="application/octet-stream")
    except StorageUnavailable:
        log.warning("collab.snapshot_kept_in_row", document_id=str(document_id), size_bytes=len(update))
        return None
    return object_id


def tidy(workspace_id: UUID, document_id: UUID, current: UUID | None) -> None:
    """Delete those in whose place another came COLLAB_SNAPSHOT_KEEP_S ago. The caller lets nobody store meanwhile."""
    folder = _folder(workspace_id, document_id)
    try:
        found = sorted(UUID(name.removeprefix(folder)) for name in storage.keys_under(folder))
        replaced_by = [*found[1:], ids.new_id()]  # the last, if it is not the current one, by a row: just now
        replaced_before = time.time() - settings.COLLAB_SNAPSHOT_KEEP_S
        storage.delete(
            *(
                key(workspace_id, document_id, one)
                for one, next_one in zip(found, replaced_by, strict=True)
                if one != current and ids.made_at(next_one) <= replaced_before
            )
        )
    except StorageUnavailable:
        log.warning("collab.snapshots_not_tidied", document_id=str(document_id))


def _folder(workspace_id: UUID, document_id: UUID) -> str:
    return f"{workspace_id}/documents/{document_id}/"
