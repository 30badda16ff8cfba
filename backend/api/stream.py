"""The project's live events as server-sent events: the one place where HTTP crosses from threads to the event loop.

Valkey tells at once what changed; every LOOK_S the stream also looks into the outbox, as the person, for what it was
not told: so a lost message comes late and not never, the stream lives on while Valkey is away, and a client that comes
back with its Last-Event-ID gets what it missed. Rights are read in the same look, and at once when somebody's change.

An event's id is the database's time of the last look before it. Source: WHATWG HTML, section 9.2 (server-sent events).
"""

import asyncio
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import redis
import redis.asyncio.client
import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import StreamingHttpResponse
from ninja import Header, Router
from psycopg_pool import PoolTimeout

from backend.api.auth import Request
from backend.api.schemas import ProjectId
from backend.assets.queries import presented as presented_assets
from backend.core import events, ids, metrics, valkey
from backend.core.errors import AppError, InvalidInput, RateLimited
from backend.generations.batches import presented_batches
from backend.generations.queries import presented as presented_jobs
from backend.projects.queries import access_project, presented_documents, presented_projects
from backend.workspaces import signed_in
from backend.workspaces.rights import Act
from backend.workspaces.signed_in import SignedIn

log = structlog.get_logger()
router = Router(tags=["events"])
LOOK_S, PING_S, POLL_S, RETRY_S = 2.0, 15.0, 0.5, 2.0
REACH = timedelta(seconds=30)  # longer than a transaction takes: its events bear the time of its beginning
REPLAY_MAX = 500  # things: a client that missed more reads its pages again
REMEMBERED = 4 * REPLAY_MAX  # events, by which a stream knows what it has told
KEPT = timedelta(days=6)  # the outbox keeps a day more
_ACCESS_CHANNEL = "collab:access"
# The prefix of what an event is about → the kind of the frame, and how to show those that the person may see.
_SHOWN = {
    "ast": ("asset", presented_assets),
    "job": ("job", presented_jobs),
    "bat": ("batch", presented_batches),
    "doc": ("document", presented_documents),
    "prj": ("project", presented_projects),
}
_AWAY = (redis.RedisError, OSError, asyncio.IncompleteReadError)
_open: Counter[uuid.UUID] = Counter()  # streams of each person in this process
_counting = threading.Lock()


@dataclass(slots=True)
class Follower:
    """Who follows what, how far they have looked, and which events they have."""

    who: SignedIn
    project_id: uuid.UUID
    workspace_id: uuid.UUID
    looked_at: datetime
    seen: dict[uuid.UUID, None] = field(default_factory=dict)  # in order, the oldest is forgotten first

    def take(self, event_id: uuid.UUID) -> bool:
        """Whether the event is new to them."""
        if event_id in self.seen:
            return False
        self.seen[event_id] = None
        if len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return True

    def frame(self, kind: str, data: Any) -> bytes:
        return f"id: {_id(self.looked_at)}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Stream(StreamingHttpResponse):
    """Never buffered or compressed on its way."""

    def __init__(self, follower: Follower, *, replay: bool) -> None:
        super().__init__(_events(follower, replay=replay), content_type="text/event-stream")
        self._person_id: uuid.UUID | None = follower.who.person_id
        self["Cache-Control"] = "no-store"
        self["X-Accel-Buffering"] = "no"

    def close(self) -> None:
        try:
            super().close()
        finally:
            person_id, self._person_id = self._person_id, None
            if person_id is not None:
                _leave(person_id)


def _enter(person_id: uuid.UUID) -> None:
    """Raises: RateLimited."""
    with _counting:
        if _open[person_id] >= settings.MAX_STREAMS_PER_PERSON:
            raise RateLimited(f"You follow {settings.MAX_STREAMS_PER_PERSON} projects already.", retry_after_s=5)
        _open[person_id] += 1


def _leave(person_id: uuid.UUID) -> None:
    with _counting:
        _open[person_id] -= 1
        if not _open[person_id]:
            del _open[person_id]


@router.get(
    "/projects/{project_id}/events",
    response={200: None},
    operation_id="follow_project",
    openapi_extra={"responses": {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}},
)
def follow_project(
    request: Request,
    project_id: ProjectId,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=20, description="Browsers send it by themselves when they come back."),
    ] = None,
) -> Stream:
    """What happens in the project, as it happens. `event:` is job, asset, document, project or suggestions.

    `data:` is the thing as GET would show it now, so what comes twice does no harm. Come back with Last-Event-ID and
    get what changed since; `reset` says that it was too long ago: read again what you show. `closed`: you may no more.
    """
    project = access_project(request.person_id, project_id, Act.READ)
    now = events.database_now()
    follower = Follower(request.signed_in, project_id, project.workspace_id, _since(last_event_id, now))
    if last_event_id is None:  # what is committed by now they read by GET
        _happened(follower)
    _enter(request.person_id)
    return Stream(follower, replay=last_event_id is not None)


def _id(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _since(last_event_id: str | None, now: datetime) -> datetime:
    """Raises: InvalidInput for an id that no stream gave."""
    if last_event_id is None:
        return now
    if not last_event_id.isascii() or not last_event_id.isdigit():
        raise InvalidInput("This Last-Event-ID is not one that a stream gave.", field="Last-Event-ID")
    if int(last_event_id) > _id(now):
        return now - KEPT - REACH  # the clock went back since: told by `reset`, for an EventSource can't mend its id
    return datetime.fromtimestamp(int(last_event_id) / 1000, UTC)


async def _events(follower: Follower, *, replay: bool) -> AsyncIterator[bytes]:
    metrics.STREAMS_OPEN.inc()
    try:
        async with AsyncExitStack() as opened:
            told = Told(follower, opened)
            await told.listen()  # before we say so: what happens from then on is told at once
            yield f"retry: 1000\nid: {_id(follower.looked_at)}\n: you are following\n\n".encode()
            look_at = 0.0 if replay else time.monotonic() + LOOK_S
            ping_at = time.monotonic() + PING_S
            while True:
                message = await told.next()
                if message is not None:
                    yield message
                if told.access_changed or time.monotonic() >= look_at:
                    told.access_changed = False
                    look_at = time.monotonic() + LOOK_S
                    missed = await _look(follower)
                    if missed is None:
                        yield follower.frame("closed", {})
                        return
                    for frame in missed:
                        yield frame
                if time.monotonic() >= ping_at:
                    ping_at = time.monotonic() + PING_S
                    yield f"id: {_id(follower.looked_at)}\n: ping\n\n".encode()
    finally:
        metrics.STREAMS_OPEN.dec()


class Told:
    """What Valkey tells of the project and of people's rights, through its going and coming."""

    def __init__(self, follower: Follower, opened: AsyncExitStack) -> None:
        self._follower = follower
        self._opened = opened
        self._channel: redis.asyncio.client.PubSub | None = None
        self._retry_at = 0.0
        self.access_changed = False

    async def next(self) -> bytes | None:
        """The next frame, or None after POLL_S at the most."""
        if self._channel is None and time.monotonic() >= self._retry_at:
            await self.listen()
        if self._channel is None:
            await asyncio.sleep(POLL_S)
            return None
        try:
            message = await self._channel.get_message(ignore_subscribe_messages=True, timeout=POLL_S)
        except _AWAY as exc:
            self._lose(exc)
            return None
        if message is None:
            return None
        told = json.loads(message["data"])
        if message["channel"].decode() == _ACCESS_CHANNEL:
            self.access_changed |= _concerns(told, self._follower)
            return None
        if told["event_id"] and not self._follower.take(uuid.UUID(told["event_id"])):
            return None
        return self._follower.frame(told["kind"], told["data"])

    async def listen(self) -> None:
        """Subscribe, if Valkey is there; else `next` tries again every RETRY_S."""
        try:
            await self._opened.aclose()
            client = await self._opened.enter_async_context(aclosing(valkey.async_client()))
            channel = await self._opened.enter_async_context(client.pubsub())
            await channel.subscribe(f"live:{ids.show('prj', self._follower.project_id)}", _ACCESS_CHANNEL)
        except _AWAY as exc:
            self._lose(exc)
            return
        self._channel = channel

    def _lose(self, exc: Exception) -> None:
        metrics.VALKEY_ERRORS.labels("stream").inc()
        log.warning("stream.valkey_away", error=type(exc).__name__)
        self._channel = None
        self._retry_at = time.monotonic() + RETRY_S


def _concerns(changed: dict[str, Any], follower: Follower) -> bool:
    return changed.get("workspace_id") in (None, str(follower.workspace_id)) and changed.get("person_id") in (
        None,
        str(follower.who.person_id),
    )


@sync_to_async(thread_sensitive=False)  # each stream's look must not wait for another's
def _look(follower: Follower) -> list[bytes] | None:
    """Frames of what was not told; None when the person may no longer follow."""
    try:
        with signed_in.acting(follower.who):
            access_project(follower.who.person_id, follower.project_id, Act.READ)
            return _missed(follower)
    except AppError:
        return None
    except (DatabaseError, PoolTimeout):
        return []  # away for now: what is published is refused at its source, and the next look comes soon
    finally:
        connection.close()


def _missed(follower: Follower) -> list[bytes]:
    now, since = events.database_now(), follower.looked_at
    follower.looked_at = now
    if since < now - KEPT:
        return [follower.frame("reset", {})]
    changed = _happened(follower, since=since)
    if changed is None:
        return [follower.frame("reset", {})]
    return [
        follower.frame(kind, data)
        for prefix, (kind, presented) in _SHOWN.items()
        for data in presented(ids.parse(prefix, thing) for thing in changed if thing.startswith(f"{prefix}_"))
    ]


def _happened(follower: Follower, *, since: datetime | None = None) -> set[str] | None:
    """Take what happened since then and is new to them: the typed ids of what it is about. None: more than is told."""
    project = ids.show("prj", follower.project_id)
    since = (since or follower.looked_at) - REACH
    found = events.of_project(follower.workspace_id, project, since=since, limit=REMEMBERED)
    new = {resource for event_id, resource in found if follower.take(event_id)}
    return None if len(found) == REMEMBERED or len(new) > REPLAY_MAX else new
