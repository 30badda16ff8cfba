"""The single crossing from the event loop to synchronous code: the Access port, which reads through Django's ORM."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Literal
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils.module_loading import import_string

from collab.ports import Access, Credential, Grant

THREADS = 4  # of each kind; each holds a database connection while it works
TIMEOUT_S = 10.0


@cache
def _access() -> Access:
    access: Access = import_string(settings.COLLAB_ACCESS)()
    return access


@cache
def _threads(work: Literal["redeem", "refresh"]) -> ThreadPoolExecutor:
    """Of its own kind, so that a crowd at the door does not hold up who must leave."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix=f"collab.{work}")


async def redeem(credential: Credential, document_id: UUID) -> Grant:
    """Raises what the port raises, and TimeoutError."""
    call = database_sync_to_async(_access().redeem, thread_sensitive=False, executor=_threads("redeem"))
    async with asyncio.timeout(TIMEOUT_S):
        redeemed: Grant = await call(credential, document_id)
        return redeemed


async def refresh(grants: Sequence[Grant]) -> list[Grant | None]:
    """Of one person by one origin. Raises TimeoutError, and what the database raises when it is away."""
    call = database_sync_to_async(_access().refresh, thread_sensitive=False, executor=_threads("refresh"))
    async with asyncio.timeout(TIMEOUT_S):
        fresh: list[Grant | None] = await call(grants)
        return fresh
