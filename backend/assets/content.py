"""Keeps and drops bytes that several assets may share: content-addressed objects and who still needs them.

Whoever makes an asset of some bytes, or deletes them, first takes the content's lock: so bytes are never deleted
under an asset that is being made of them, without a counter that could be wrong.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from backend.assets.models import Asset
from backend.assets.pictures import Inspection, Rendition
from backend.core import statements, storage, tenancy
from backend.core.storage import StorageUnavailable

RENDITIONS = ("web", "thumbnail")


_puts = ThreadPoolExecutor(max_workers=8, thread_name_prefix="s3-put")
_quick = ThreadPoolExecutor(max_workers=8, thread_name_prefix="s3-quick")  # a transaction waits: not behind large puts
SMALL_BYTES = 4_000_000
_WAIT_S = 1.0


class ContentVanished(Exception):
    """The bytes were dropped between their writing and their keeping: write them again."""


def write(workspace_id: uuid.UUID, sha256: str, whole: Rendition, renditions: Mapping[str, Rendition]) -> None:
    """Write a picture and its renditions side by side. Repeating it writes the same. Raises StorageUnavailable."""
    whole_put = _put(_puts, storage.content_key(workspace_id, sha256), whole)
    write_renditions(workspace_id, sha256, renditions)
    whole_put.result()


def write_renditions(workspace_id: uuid.UUID, sha256: str, renditions: Mapping[str, Rendition]) -> None:
    for put in _put_renditions(_puts, workspace_id, sha256, renditions):
        put.result()


def _put(pool: Executor, key: str, made: Rendition) -> "Future[None]":
    return pool.submit(storage.put, key, made.data, media_type=made.media_type)


def _put_renditions(
    pool: Executor, workspace_id: uuid.UUID, sha256: str, renditions: Mapping[str, Rendition]
) -> "list[Future[None]]":
    return [_put(pool, storage.rendition_key(workspace_id, sha256, name), made) for name, made in renditions.items()]


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
    there = _quick.submit(storage.exists, storage.content_key(workspace_id, sha256))
    yield
    if not there.result():
        raise ContentVanished(sha256)


@contextmanager
def written(
    workspace_id: uuid.UUID, sha256: str, whole: Rendition, renditions: Mapping[str, Rendition]
) -> Iterator[None]:
    """As `held`, of bytes that are written beside what is done inside: small ones, for others wait for these locks.

    Raises: StorageUnavailable, also where it takes more than a second.
    """
    _lock(workspace_id, sha256)
    puts = [_put(_quick, storage.content_key(workspace_id, sha256), whole)]
    puts += _put_renditions(_quick, workspace_id, sha256, renditions)
    try:
        yield
    finally:  # whatever happened inside: none lands after somebody deleted what was left of it
        _, late = wait(puts, timeout=_WAIT_S)
    if late:
        raise StorageUnavailable
    for put in puts:
        put.result()


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
    with statements.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"content:{workspace_id}:{sha256}"])
