"""Owns time: the open documents of this process, and the tasks that flush, look, compact and unload them.

One hub a process, made on the event loop's first socket (or by the lifespan). A document is opened once, however many
ask: subscribe, then load, then ask the other processes; so nothing falls between.

Long, because joining, loading and unloading all turn on the one table of open documents.
"""

import asyncio
import itertools
import time
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from django.conf import settings

from backend.core import memory, metrics, storage
from collab import bridge
from collab.beats import Beats
from collab.errors import AccessLost, MalformedUpdate, RoomUnavailable, ShuttingDown, StaleEpoch
from collab.heavy import Heavy, HeavyFailed
from collab.journal import AWAY, Append, Journal, News
from collab.live import LiveDocument
from collab.peers import PeerMessage, Peers
from collab.places import Places
from collab.ports import Grant, Scope
from collab.rights import Rights
from collab.room import INLINE_BYTES, Room
from collab.seats import Outlet, Seat

log = structlog.get_logger()

TICK_S = 1.0
LOOK_S = 2.0  # how often the journal is asked what others committed: with HELLO_S this is the anti-entropy interval
IDLE_S = 60.0
OPEN_S = 15.0
COMPACT_ROWS = 500
GIVE_BACK_BYTES = 2 * 1024 * 1024  # for less, what must be asked of the system again soon costs more
COMPACT_AT_UNLOAD_ROWS = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """From settings, read when the hub starts."""

    flush_window_s: float
    max_update_bytes: int
    max_document_bytes: int
    backlog_bytes: int
    backlog_s: float

    @classmethod
    def from_settings(cls) -> "Limits":
        return cls(
            flush_window_s=settings.COLLAB_FLUSH_WINDOW_MS / 1000,
            max_update_bytes=settings.COLLAB_MAX_UPDATE_BYTES,
            max_document_bytes=settings.COLLAB_MAX_DOCUMENT_BYTES,
            backlog_bytes=settings.COLLAB_BACKLOG_BYTES,
            backlog_s=settings.COLLAB_BACKLOG_S,
        )


class Hub:
    def __init__(self) -> None:
        self.limits = Limits.from_settings()
        self.access_changes = 0  # a sign-in that saw another number than at its start is refreshed at once
        self.closing = False
        self.heavy = Heavy()
        self._journal = Journal(settings.DATABASE_SYSTEM_URL, self.heavy)
        self._peers = Peers(self)
        self._documents: dict[UUID, LiveDocument] = {}
        self._seq = itertools.count(1)
        self._beats = Beats()
        self._places = Places(
            settings.COLLAB_CONNECTIONS_PER_PERSON,
            settings.COLLAB_CONNECTIONS_PER_DOCUMENT,
            settings.COLLAB_CONNECTIONS_PER_WORKSPACE,
        )
        self.rights = Rights(self._seats_on, self.renew)
        self._tasks: set[asyncio.Task[None]] = set()
        self._compacting = asyncio.Semaphore(1)
        self._freed_bytes = 0  # by documents that were unloaded

    # --- life

    async def open(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, storage.warm)
        await self._journal.open()
        self._peers.open()
        # Asked when somebody scrapes, in another thread: a copy, for documents come and go meanwhile.
        metrics.COLLAB_ROOMS.set_function(lambda: len(self._documents))
        metrics.COLLAB_BACKLOG.set_function(lambda: sum(d.backlog_bytes for d in list(self._documents.values())))
        for loop in (self._tick(), self._look(), *(self.rights.watch() for _ in range(bridge.THREADS))):
            self.spawn(loop)

    async def drain(self, timeout_s: float) -> bool:
        """Flush every document and wait for the commits."""
        for document in self._documents.values():
            document.flush()
        return await self._journal.drain(timeout_s)

    async def close(self) -> None:
        self.closing = self.rights.closing = True
        for document in self._documents.values():
            document.close(ShuttingDown())
        saved = await self.drain(5.0)
        for document in self._documents.values():
            document.vouch()
        log.info("collab.closed", documents=len(self._documents), saved=saved)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            _, stuck = await asyncio.wait(self._tasks, timeout=2.0)
            if stuck:
                log.warning("collab.tasks_stuck", tasks=[str(task.get_coro()) for task in stuck])
        await self._peers.close()
        await self._journal.close(timeout_s=1.0)
        await self.heavy.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()):
            log.error("collab.task_failed", exc_info=exc)

    # --- documents

    async def join(
        self, grant: Grant, outlet: Outlet, *, wants_status: bool, hears_stateless: bool = False
    ) -> tuple[LiveDocument, Seat]:
        """A seat on the grant's document, which is opened if need be. Raises: AppError."""
        if self.closing:
            raise ShuttingDown
        changes = self.access_changes
        document = self._documents.get(grant.document_id)
        if document is not None and document.epoch < grant.epoch:
            self._retire(document)
            document = None
        if document is None:
            document = self._create(grant)
        if grant.epoch < document.epoch:
            raise StaleEpoch
        try:
            async with asyncio.timeout(OPEN_S):
                await document.ready.wait()
        except TimeoutError as exc:
            raise RoomUnavailable from exc
        if document.room is None or document.overloaded or self._documents.get(grant.document_id) is not document:
            raise RoomUnavailable
        seat = Seat(grant, outlet, wants_status, hears_stateless)
        self._places.take(grant)
        document.join(seat)
        self._beats.add(seat)
        if self.access_changes != changes:
            self.rights.doubt(grant)
        return document, seat

    def _create(self, grant: Grant) -> LiveDocument:
        document = LiveDocument(
            grant.document_id,
            grant.workspace_id,
            self,
            window_s=self.limits.flush_window_s,
            max_backlog_bytes=self.limits.backlog_bytes,
            max_update_bytes=self.limits.max_update_bytes,
            clock=time.monotonic,
        )
        document.epoch = grant.epoch
        self._documents[grant.document_id] = document
        self.spawn(self._open(document))
        return document

    async def _open(self, document: LiveDocument) -> None:
        """Load until it succeeds or nobody waits any more (whoever joins gives up after OPEN_S)."""
        began = time.monotonic()
        await self._peers.subscribe(document.document_id)
        while time.monotonic() - began < OPEN_S:
            try:
                return await self._load(document)
            except AWAY as exc:
                log.warning("collab.open_waits", error=type(exc).__name__)
                await asyncio.sleep(0.3)
            except (MalformedUpdate, HeavyFailed):
                log.exception("collab.open_failed", document_id=str(document.document_id))
                break
        self._retire(document)

    async def _load(self, document: LiveDocument) -> None:
        stored = await self._journal.load(document.document_id)
        base, updates = stored.base, list[bytes]()
        if stored.loose_bytes <= INLINE_BYTES:
            updates = stored.updates
        else:
            packing = await self.heavy.pack(stored.parts)
            base, updates = packing.packed, stored.some(packing.left)
        document.loaded(Room(base, updates, max_bytes=self.limits.max_document_bytes))
        # Not before: the journal would be packed twice at once, for this load and for its compaction.
        document.rows_since_compaction += stored.rows

    def _retire(self, document: LiveDocument) -> None:
        if self._documents.get(document.document_id) is document:
            del self._documents[document.document_id]
        if document.room is None:
            document.flush()
            document.close(RoomUnavailable())
        else:
            document.close(StaleEpoch())
        document.ready.set()  # whoever waits finds that the document is not the one any more

    # --- what a document needs of the process

    @property
    def writer(self) -> UUID:
        return self._journal.writer

    def next_seq(self) -> int:
        return next(self._seq)

    def heard(self, writer: UUID, seq: int) -> None:
        self._journal.heard(writer, seq)

    async def owners(self, document_id: UUID, client_ids: Sequence[int]) -> dict[int, UUID | None]:
        return await self._journal.owners(document_id, client_ids)

    def append(self, append: Append) -> None:
        self._journal.append(append)

    def is_alone(self, document_id: UUID) -> bool:
        return self._peers.is_alone(document_id)

    def publish(self, document_id: UUID, message: PeerMessage) -> None:
        self._peers.publish(document_id, message)

    # --- what the other processes say

    def peer_message(self, document_id: UUID, message: PeerMessage) -> None:
        document = self._documents.get(document_id)
        if document is not None:
            document.hear(message)

    def subscribed(self, document_id: UUID) -> None:
        document = self._documents.get(document_id)
        if document is not None:
            document.hello(joining=True)

    def access_changed(self, scope: Scope) -> None:
        self.access_changes += 1
        for document in self._documents.values():
            for seat in document.seats:
                if scope.concerns(seat.grant):
                    self.rights.doubt(seat.grant)

    # --- what time brings

    async def _tick(self) -> None:
        while not self.closing:  # asgiref may swallow a cancellation
            slept_at = time.monotonic()
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            metrics.LOOP_LAG.observe(max(0.0, now - slept_at - TICK_S))
            for seat in self._beats.beat():
                seat.outlet.close(AccessLost())
            for document_id in list(self._documents):
                self._see_to(self._documents[document_id], now)
            if self._freed_bytes > GIVE_BACK_BYTES:
                self._freed_bytes = 0
                await asyncio.to_thread(memory.give_back)

    def _see_to(self, document: LiveDocument, now: float) -> None:
        document.tick()
        if document.backlog_age_s > self.limits.backlog_s:
            document.close(RoomUnavailable())
        if document.rows_since_compaction > COMPACT_ROWS:
            document.rows_since_compaction = 0
            self.spawn(self._compact(document))
        if document.room is not None and document.room.wants_packing:
            self.spawn(document.pack())
        if document.room is not None and document.quiet and now - document.empty_since > IDLE_S:
            self._unload(document)

    def _unload(self, document: LiveDocument) -> None:
        del self._documents[document.document_id]
        self._peers.unsubscribe(document.document_id)
        if document.rows_since_compaction > COMPACT_AT_UNLOAD_ROWS:
            self.spawn(self._compact(document))
        if document.room is not None:
            self._freed_bytes += document.room.size_bytes
            document.room = None  # now, not when the garbage collector comes by

    async def _compact(self, document: LiveDocument) -> None:
        async with self._compacting:
            try:
                await self._journal.compact(document.document_id, document.workspace_id)
            except (psycopg.Error, HeavyFailed, MalformedUpdate, *AWAY):
                log.warning("collab.compaction_failed", document_id=str(document.document_id), exc_info=True)

    async def _look(self) -> None:
        while not self.closing:  # asgiref may swallow a cancellation
            await asyncio.sleep(LOOK_S)
            try:
                self._take_news(await self._journal.news(list(self._documents)))
            except (psycopg.Error, *AWAY) as exc:
                log.warning("collab.look_failed", error=type(exc).__name__)

    def _take_news(self, news: News) -> None:
        for document_id, update in news.rows:
            if document_id in self._documents:
                self._documents[document_id].take_committed(update)
        for scope in news.access:
            self.access_changed(scope)
        for document_id in news.compacted:
            self.spawn(self._take_compacted(document_id))

    async def _take_compacted(self, document_id: UUID) -> None:
        """Rows that we never saw may have gone into a snapshot made elsewhere: take what of it we lack."""
        while document_id in self._documents:
            with suppress(*AWAY):
                stored = await self._journal.load(document_id)
                if document := self._documents.get(document_id):
                    for update in stored.all:
                        document.take_committed(update)
                    document.rows_since_compaction = stored.rows
                return
            await asyncio.sleep(LOOK_S)

    # --- who may stay

    def renew(self, seat: Seat, grant: Grant) -> None:
        """The same person's, as it is now."""
        seat.grant = grant
        self._beats.renew(seat)

    def leave(self, document: LiveDocument, seat: Seat) -> None:
        if seat in document.seats:
            self._places.leave(seat.grant)
        self._beats.discard(seat)
        document.leave(seat)

    def _seats_on(self, document_id: UUID) -> Collection[Seat]:
        document = self._documents.get(document_id)
        return document.seats if document is not None else ()


_hubs: "dict[asyncio.AbstractEventLoop, asyncio.Task[Hub]]" = {}


async def _start() -> Hub:
    hub = Hub()
    await hub.open()
    return hub


async def current() -> Hub:
    """The hub of this process (of the running loop); made and opened at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = loop.create_task(_start())
    return await asyncio.shield(_hubs[loop])


async def shut() -> None:
    """Close the hub of the running loop, if there is one: flush, commit, tell the clients."""
    starting = _hubs.pop(asyncio.get_running_loop(), None)
    if starting is not None:
        await (await starting).close()
