"""Keeps and drops bytes that several assets may share: content-addressed objects and who still needs them.

Whoever makes an asset of some bytes, or deletes them, first takes the content's lock: so bytes are never deleted
under an asset that is being made of them, without a counter that could be wrong.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection

from backend.assets.models import Asset
from backend.assets.pictures import Inspection, Rendition
from backend.core import storage, tenancy

RENDITIONS = ("web", "thumbnail")


_puts = ThreadPoolExecutor(max_workers=8, thread_name_prefix="s3-put")
_looks = ThreadPoolExecutor(max_workers=8, thread_name_prefix="s3-look")  # a transaction waits: not behind large puts


class ContentVanished(Exception):
    """The bytes were dropped between their writing and their keeping: write them again."""


def write(workspace_id: uuid.UUID, sha256: str, whole: Rendition, renditions: Mapping[str, Rendition]) -> None:
    """Write a picture and its renditions side by side. Repeating it writes the same. Raises StorageUnavailable."""
    key = storage.content_key(workspace_id, sha256)
    written = _puts.submit(storage.put, key, whole.data, media_type=whole.media_type)
    write_renditions(workspace_id, sha256, renditions)
    written.result()


def write_renditions(workspace_id: uuid.UUID, sha256: str, renditions: Mapping[str, Rendition]) -> None:
    writes = [
        _puts.submit(
            storage.put, storage.rendition_key(workspace_id, sha256, name), made.data, media_type=made.media_type
        )
        for name, made in renditions.items()
    ]
    for written in writes:
        written.result()


def describe(
    workspace_id: uuid.UUID, sha256: str, whole: Inspection | Rendition, renditions: Mapping[str, Rendition]
) -> dict[str, dict[str, Any]]:
    """What `Asset.renditions` says of them. Where no web rendition was made the original is it."""
    keys = {"web": storage.content_key(workspace_id, sha256)}
    keys |= {name: storage.rendition_key(workspace_id, sha256, name) for name in renditions}
    return {
        name: {"key": key, "media_type": shown.media_type, "width": shown.width, "height": shown.height}
        for name, key in keys.items()
        for shown in [renditions.get(name, whole)]
    }


@contextmanager
def held(workspace_id: uuid.UUID, sha256: str) -> Iterator[None]:
    """Until the open transaction ends nobody drops these bytes. The store is asked for them beside what is done inside.

    Raises: ContentVanished, when they are gone already.
    """
    _lock(workspace_id, sha256)
    there = _looks.submit(storage.exists, storage.content_key(workspace_id, sha256))
    yield
    if not there.result():
        raise ContentVanished(sha256)


def drop_unused(workspace_id: uuid.UUID, contents: Iterable[str]) -> None:
    """Delete the objects of each SHA-256 of `contents` that no asset is made of. Opens transactions of its own.

    Raises:
        StorageUnavailable: some may be left; call again.
    """
    for sha256 in contents:
        with tenancy.acting(workspace_id=workspace_id):
            _lock(workspace_id, sha256)
            if not Asset.objects.filter(workspace_id=workspace_id, sha256=sha256).exists():
                storage.delete(
                    storage.content_key(workspace_id, sha256),
                    *(storage.rendition_key(workspace_id, sha256, name) for name in RENDITIONS),
                )


def _lock(workspace_id: uuid.UUID, sha256: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"content:{workspace_id}:{sha256}"])
