"""The project's live events as server-sent events: the one place where HTTP crosses from threads to the event loop.

A stream holds one subscription to Valkey and no database connection: access is read anew in a thread every 2 s, and
at once when somebody's rights change, so that a person who is removed hears nothing after a second.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

import redis
import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.http import StreamingHttpResponse
from ninja import Router
from psycopg_pool import PoolTimeout

from backend.api.auth import Request
from backend.api.schemas import ProjectId
from backend.core import ids, metrics, valkey
from backend.core.errors import AppError
from backend.projects.queries import access_project
from backend.workspaces import signed_in
from backend.workspaces.rights import Act
from backend.workspaces.signed_in import SignedIn

log = structlog.get_logger()
router = Router(tags=["events"])
CHECK_S, PING_S, POLL_S = 2.0, 15.0, 0.5
_ACCESS_CHANNEL = "collab:access"


class Stream(StreamingHttpResponse):
    """Never buffered or compressed on its way."""

    def __init__(self, who: SignedIn, project_id: uuid.UUID, workspace_id: uuid.UUID) -> None:
        super().__init__(_events(who, project_id, workspace_id), content_type="text/event-stream")
        self["Cache-Control"] = "no-store"
        self["X-Accel-Buffering"] = "no"


@router.get(
    "/projects/{project_id}/events",
    response={200: None},
    operation_id="follow_project",
    openapi_extra={"responses": {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}},
)
def follow_project(request: Request, project_id: ProjectId) -> Stream:
    """What happens in the project, as it happens. `event:` is job, asset, suggestions, member, document; `data:` JSON.

    Nothing is kept: after a reconnect read what you show again. Ends when your access does.
    """
    project = access_project(request.person_id, project_id, Act.READ)
    return Stream(request.signed_in, project_id, project.workspace_id)


async def _events(who: SignedIn, project_id: uuid.UUID, workspace_id: uuid.UUID) -> AsyncIterator[bytes]:
    live_channel = f"live:{ids.show('prj', project_id)}"
    checked_at = pinged_at = time.monotonic()
    client = valkey.async_client()
    async with aclosing(client), client.pubsub() as channel:
        metrics.STREAMS_OPEN.inc()
        try:
            await channel.subscribe(live_channel, _ACCESS_CHANNEL)
            yield b"retry: 1000\n: you are following\n\n"
            while True:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=POLL_S)
                told = message is not None and message["channel"].decode() == _ACCESS_CHANNEL
                due = time.monotonic() - checked_at >= CHECK_S
                if due or (told and _concerns(message["data"], who.person_id, workspace_id)):
                    checked_at = time.monotonic()
                    if not await _may_follow(who, project_id):
                        yield b"event: closed\ndata: {}\n\n"
                        return
                if message is not None and not told:
                    yield _frame(message["data"])
                if time.monotonic() - pinged_at >= PING_S:
                    pinged_at = time.monotonic()
                    yield b": ping\n\n"
        except (redis.RedisError, OSError, asyncio.IncompleteReadError) as exc:
            # The client comes again by itself, and reads again what it shows.
            metrics.VALKEY_ERRORS.labels("stream").inc()
            log.warning("stream.valkey_away", error=type(exc).__name__)
        finally:
            metrics.STREAMS_OPEN.dec()


def _frame(data: bytes) -> bytes:
    message = json.loads(data)
    return f"event: {message['kind']}\ndata: {json.dumps(message['data'], ensure_ascii=False)}\n\n".encode()


def _concerns(data: bytes, person_id: uuid.UUID, workspace_id: uuid.UUID) -> bool:
    changed = json.loads(data)
    return changed.get("workspace_id") in (None, str(workspace_id)) and changed.get("person_id") in (
        None,
        str(person_id),
    )


@sync_to_async(thread_sensitive=False)  # each stream's look must not wait for another's
def _may_follow(who: SignedIn, project_id: uuid.UUID) -> bool:
    try:
        with signed_in.acting(who):
            access_project(who.person_id, project_id, Act.READ)
    except AppError:
        return False
    except (DatabaseError, PoolTimeout):
        return True  # away for now: what is published is refused at its source, and the next look comes in 2 s
    finally:
        connection.close()
    return True
