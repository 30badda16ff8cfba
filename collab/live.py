"""Hides one open document: who sits on it, what gathers until the next flush, and what is committed.

An update is applied when it arrives and waits for the end of the window. A flush is one merged update: one frame to
every socket (not to a lone sender), one append to the journal, one message to the other processes. Presence, the latest
state of each, has a window of its own: else edits would wait wherever somebody moves.

Long still: clients, other processes and commits all change the one state of a document, and what could stand alone does
(seats, owners, slow, reconciler, audience).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import structlog

from backend.core import metrics, trace
from backend.core.errors import AppError
from collab import peers
from collab.audience import Audience
from collab.entries import Entry, merged, rows_of
from collab.errors import ProtocolError, RoomUnavailable, UpdateTooLarge
from collab.heavy import HeavyFailed
from collab.journal import AWAY, Append
from collab.owners import Owners
from collab.parts import Parts
from collab.presence import Presences
from collab.protocol import (
    EMPTY_UPDATE,
    Awareness,
    Message,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    encode,
    write_bytes,
)
from collab.reconciler import Reconciler, Unconfirmed
from collab.room import INLINE_BYTES, Diff, Room
from collab.seats import Seat
from collab.slow import SlowClients
from collab.updates import Contents, read_update
from collab.window import Window
from collab.wire import Wire

log = structlog.get_logger()


class LiveDocument:
    def __init__(
        self,
        document_id: UUID,
        workspace_id: UUID,
        wire: Wire,
        *,
        window_s: float,
        max_backlog_bytes: int,
        max_update_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self.document_id, self.workspace_id = document_id, workspace_id
        self.room: Room | None = None  # None: loading
        self.ready = asyncio.Event()
        self.seats: set[Seat] = set()
        self.presences: Presences[Seat] = Presences()
        self._audience = Audience()
        self._unsaved: set[Seat] = set()  # who waits for an acknowledgement
        self.epoch = 0
        self.empty_since = clock()
        self.rows_since_compaction = 0
        self._wire, self._clock = wire, clock
        self._edits, self._moves = Window(self._flush_edits, window_s), Window(self._flush_presence, window_s)
        self._max_backlog_bytes, self._max_update_bytes = max_backlog_bytes, max_update_bytes
        self._entries: list[Entry] = []
        self._flush_no = 1  # the flush that gathers now
        self._committed_no = 0
        self._inflight: dict[int, tuple[Append, float]] = {}
        self._backlog_bytes = 0
        self._ours_wait = False  # some of the entries are ours
        self._gathers_since = 0.0  # when the first of the entries came
        self._owners = Owners()
        self._slow = SlowClients(wire.heavy, wire.spawn, self._caught_up)
        self._reconciler = Reconciler(document_id, wire)
        self._deferred: list[bytes] = []  # committed updates that were read while the document was loading

    # --- loading

    def loaded(self, room: Room) -> None:
        self.room = room
        self.empty_since = self._clock()  # whoever waited for the load has yet to sit down
        self.ready.set()
        deferred, self._deferred = self._deferred, []
        for update in deferred:
            self.take_committed(update)
        self.hello(joining=True)

    @property
    def _room(self) -> Room:
        if self.room is None:
            raise RoomUnavailable
        return self.room

    # --- clients

    def join(self, seat: Seat) -> None:
        """Show a client who is here. Raises: RoomUnavailable, when the document loads."""
        if self.room is None:
            raise RoomUnavailable
        self.seats.add(seat)
        self._audience.add(seat)
        self._greet(seat)

    def _greet(self, seat: Seat) -> None:
        here = self.presences.here()
        if here.entries:
            seat.outlet.send(encode(here))

    def _caught_up(self, seat: Seat) -> None:
        self._audience.add(seat)
        self._greet(seat)

    def ask(self, seat: Seat) -> None:
        """Ask a client for what it has."""
        seat.outlet.send(encode(SyncStep1(self._room.state_vector())))

    def pass_on(self, seat: Seat, text: bytes) -> None:
        """A message that changes nothing, to all others who understand such."""
        if seat.grant.mode != "read":
            self._pass_on(seat, text)
            self._wire.publish(self.document_id, peers.Stateless(self._wire.writer, text))

    def _pass_on(self, sender: Seat | None, text: bytes) -> None:
        frame = b"\x05" + write_bytes(text)
        for seat in self.seats:
            if seat.hears_stateless and seat is not sender and not seat.outlet.is_full:
                seat.outlet.send(frame)

    def leave(self, seat: Seat) -> None:
        if seat not in self.seats:
            return
        self.seats.discard(seat)
        self._audience.discard(seat)
        self._slow.discard(seat)
        self._unsaved.discard(seat)
        self.presences.leave(seat)
        self.empty_since = self._clock()
        self._moves.wake()

    def receive(self, seat: Seat, message: Message) -> Coroutine[Any, Any, None] | None:
        """Act on one message of a client; what takes longer is given back, to be awaited before its next message.

        Raises: AppError, which ends its connection.
        """
        match message:
            case SyncUpdate(update):
                return self._receive_update(seat, update, returned=False)
            case SyncStep2(update):
                return self._receive_update(seat, update, returned=True)
            case SyncStep1() | QueryAwareness() if seat.outlet.is_full:
                pass  # who reads nothing may not have more and more made ready; what waits ends in the newest state
            case SyncStep1(state_vector):
                diff = self._room.diff(state_vector)
                if diff.is_heavy:
                    return self._bring_heavy(seat, diff)
                seat.bring(diff.updates())
            case Awareness(entries):
                self.presences.hear(seat, seat.user, entries, self._clock())
                self._moves.wake()
            case QueryAwareness():
                seat.outlet.send(encode(self.presences.here()))
            case _:
                raise ProtocolError("Only the server sends this.")
        return None

    def _receive_update(self, seat: Seat, update: bytes, *, returned: bool) -> Coroutine[Any, Any, None] | None:
        if len(update) > self._max_update_bytes:
            raise UpdateTooLarge
        if len(update) > INLINE_BYTES:
            return self._take_heavy(seat, update, returned=returned)
        contents = read_update(update)
        if not (returned or seat.made(contents)) and (unknown := self._unknown(contents)):
            return self._ask_and_take(seat, update, contents, unknown)
        self._take(seat, update, contents, returned=returned)
        return None

    async def _take_heavy(self, seat: Seat, update: bytes, *, returned: bool) -> None:
        try:
            lacking, contents = await self._wire.heavy.read(update, self._room.state_vector())
        except HeavyFailed as exc:
            raise RoomUnavailable from exc
        if not returned and (unknown := self._unknown(contents)):
            await self._ask_and_take(seat, lacking, contents, unknown)
        else:
            self._take(seat, lacking, contents, returned=returned)

    def _unknown(self, contents: Contents) -> list[int]:
        """The client ids of which the document holds something and we don't know whose they are."""
        return [client for client in self._owners.unknown(contents) if self._room.knows(client)]

    async def _ask_and_take(self, seat: Seat, update: bytes, contents: Contents, unknown: list[int]) -> None:
        try:
            self._owners.learn(await self._wire.owners(self.document_id, unknown))
        except AWAY as exc:
            raise RoomUnavailable from exc
        self._take(seat, update, contents, returned=False)

    async def _bring_heavy(self, seat: Seat, diff: Diff) -> None:
        try:
            first = await self._wire.heavy.cut(diff.first, diff.state_vector or b"\x00")
        except HeavyFailed as exc:
            raise RoomUnavailable from exc
        seat.bring(diff.updates(first))

    def _take(self, seat: Seat, update: bytes, contents: Contents, *, returned: bool) -> None:
        """Take what a client made, or what it returns: that may be others' too, whom it has outlived."""
        seat.count()
        person_id = seat.grant.person_id
        if seat.grant.mode != "write":
            self._refuse(seat, contents)
            return
        if self.overloaded:
            raise RoomUnavailable
        is_known = returned or seat.made(contents)
        claims = () if is_known else self._owners.claimed(contents, person_id)
        if claims and not self._owners.may_claim(claims):
            self._refuse_foreign(seat, contents)
            return
        if returned:
            seat.refused = None  # all that was refused is in it
        news = self._room.apply(update, contents)
        if not is_known:
            self._owners.claim(claims, person_id)
            seat.clients.update(contents.structs)
        if news != EMPTY_UPDATE:
            self._gather(Entry(news, seat, person_id, True, contents if news is update else None, claims))
        elif self._reconciler.has_unconfirmed and update != EMPTY_UPDATE:
            # What we know from another process may be lost with it; this client vouches for it: it is journalled again.
            self._gather(Entry(update, seat, person_id, True, contents))
        self._mark(seat)

    def _gather(self, entry: Entry) -> None:
        if not self._entries:
            self._gathers_since = self._clock()
        self._entries.append(entry)
        self._reconciler.changed = True
        self._ours_wait = self._ours_wait or entry.ours
        self._edits.wake()

    def _refuse(self, seat: Seat, contents: Contents) -> None:
        if self._room.holds(contents):
            self._mark(seat)
        elif seat.refused is None:
            seat.refuse("read-only")

    def _refuse_foreign(self, seat: Seat, contents: Contents) -> None:
        """New changes under another's client id are forged, or were lost here: then the client returns them all."""
        if self._room.holds(contents):
            self._mark(seat)
            return
        seat.refuse("foreign-client")
        self.ask(seat)

    def _mark(self, seat: Seat) -> None:
        if seat.wait_for(self._flush_no if self._ours_wait else self._flush_no - 1, saved=self._committed_no):
            self._unsaved.add(seat)

    # --- other processes

    def hear(self, message: peers.PeerMessage) -> None:
        """Act on a message of another process."""
        if self.room is None:
            return  # the load and the hello after it bring what this said
        now = self._clock()
        match message:
            case peers.Flush(writer, seq, committed, person_id, update, traceparent):
                if traceparent:
                    with trace.continued(traceparent, "collab.hear", kind="consumer"):
                        log.info("collab.edit_heard", document_id=str(self.document_id), sockets=len(self.seats))
                if self._take_remote(update, person_id):
                    self._wire.heard(writer, seq)
                if not committed:
                    self._reconciler.heard(writer, seq, Unconfirmed(update, person_id, now))
            case peers.Committed(writer, seq):
                self._reconciler.committed(writer, seq)
            case peers.Presences(_, entries):
                self._show(self.presences.hear_peer(entries, now))
            case peers.Stateless(_, text):
                self._pass_on(None, text)
            case peers.Hello():
                self._reconciler.answer(message, self.room, now)
                if message.joining and (own := self.presences.here(own=True)).entries:
                    self._wire.publish(self.document_id, peers.Presences(self._wire.writer, own.entries))
            case peers.Answer(_, update):
                self._take_remote(update, None, ours=True)

    def take_committed(self, update: bytes) -> None:
        """What the journal holds and we may not."""
        if self.room is None:
            self._deferred.append(update)
            return
        self._take_remote(update, None)
        self.rows_since_compaction += 1

    def _take_remote(self, update: bytes, person_id: UUID | None, *, ours: bool = False) -> bool:
        """Whether we hold it now. `ours`: nobody vouches that it is committed, so we see to it."""
        if len(update) > INLINE_BYTES:
            self._wire.spawn(self._take_remote_heavy(update, person_id, ours=ours))
            return False
        return self._take_read(update, None, person_id, ours=ours)

    async def _take_remote_heavy(self, update: bytes, person_id: UUID | None, *, ours: bool) -> None:
        try:
            lacking, contents = await self._wire.heavy.read(update, self._room.state_vector())
        except (HeavyFailed, AppError) as exc:
            log.warning("collab.remote_update_refused", document_id=str(self.document_id), error=type(exc).__name__)
            return
        self._take_read(lacking, contents, person_id, ours=ours)

    def _take_read(self, update: bytes, contents: Contents | None, person_id: UUID | None, *, ours: bool) -> bool:
        try:
            contents = contents or read_update(update)
            news = self._room.apply(update, contents)
        except AppError as exc:
            log.warning("collab.remote_update_refused", document_id=str(self.document_id), code=exc.code)
            return False
        if news != EMPTY_UPDATE:
            self._gather(Entry(news, None, person_id, ours, contents if news is update else None))
        return True

    def hello(self, *, joining: bool = False) -> None:
        """Compare with the other processes."""
        if self.room is not None:
            self._reconciler.hello(self.room, self._clock(), joining=joining)

    # --- flushing

    def flush(self) -> None:
        """Send all that gathered on its way."""
        self._edits.flush()
        self._moves.flush()

    def _flush_edits(self) -> None:
        if not self._entries:
            return
        entries, self._entries, self._ours_wait = self._entries, [], False
        held = time.perf_counter()  # the loop's own clock ticks in milliseconds
        span = trace.begin("collab.flush", None, updates=len(entries), sockets=len(self.seats))
        sent = self._fan_out(entries)
        metrics.COLLAB_FAN_OUT_LATENCY.observe(self._clock() - self._gathers_since)
        if ours := [entry for entry in entries if entry.ours]:
            append = self._persist(ours, span.traceparent)
            if not self._wire.is_alone(self.document_id):
                self._publish(append, sent if sent and len(ours) == len(entries) else merged(ours))
        span.end()
        metrics.COLLAB_FLUSH_DURATION.observe(time.perf_counter() - held)

    def _flush_presence(self) -> None:
        if changed := self.presences.take_changed():
            self._show(changed)
            about = self.presences.about(changed).entries
            self._wire.publish(self.document_id, peers.Presences(self._wire.writer, about))

    def _fan_out(self, entries: list[Entry]) -> list[bytes]:
        """What the clients were sent: nothing, where nobody is but the sender."""
        senders = {entry.seat for entry in entries} if len(entries) > 1 else {entries[0].seat}
        lone = senders.pop() if len(senders) == 1 else None
        if not self.seats or self.seats == {lone}:
            return []
        updates = merged(entries)
        without = [lone] if lone else []
        for number, update in enumerate(updates):
            self._set_full_aside(unsent=updates[number:])
            self._audience.send(encode(SyncUpdate(update)), without=without)
        return updates

    def _set_full_aside(self, unsent: list[bytes]) -> None:
        """What has left so far is all that they were sent, until they have read it."""
        for seat in self._audience.take_full():
            missed = [*unsent, *(entry.update for entry in self._entries)]
            self._slow.add(seat, self._room, missed, self._clock())

    def _persist(self, entries: list[Entry], traceparent: str) -> Append:
        rows = rows_of(entries, self.document_id, self.workspace_id)
        number, self._flush_no = self._flush_no, self._flush_no + 1
        append = Append(rows, self._wire.next_seq(), lambda saved: self._committed(number, saved), traceparent)
        self._inflight[number] = (append, self._gathers_since)
        self._backlog_bytes += append.size_bytes
        metrics.COLLAB_FLUSH_SIZE.observe(append.size_bytes)
        self._wire.append(append)
        return append

    def _publish(self, append: Append, updates: list[bytes]) -> None:
        author = append.rows[0].person_id if len(append.rows) == 1 else None
        for update in updates:
            flush = peers.Flush(self._wire.writer, append.seq, False, author, update)
            self._wire.publish(self.document_id, flush)

    def _show(self, client_ids: list[int]) -> None:
        """Tell the clients here of these presences. A client ignores itself at the clock that it gave; one whose clock
        was lifted would take an older state of its own from us, so it gets the frame without itself."""
        if not client_ids:
            return
        self._set_full_aside(unsent=[])  # presence goes first where not all can go
        apart = self.presences.lifted.intersection(client_ids) or (client_ids if len(client_ids) == 1 else [])
        own = {seat: client for client in apart if (seat := self.presences.owner(client)) is not None}
        for seat, client in own.items():
            if not seat.outlet.is_full and len(client_ids) > 1:
                seat.outlet.send(encode(self.presences.about(c for c in client_ids if c != client)))
        self._audience.send(encode(self.presences.about(client_ids)), without=own)

    # --- committing

    def _committed(self, number: int, saved: bool) -> None:
        append, since = self._inflight.pop(number)
        self._backlog_bytes -= append.size_bytes
        if not saved:
            metrics.COLLAB_REFUSALS.labels("journal").inc()
            log.error("collab.append_refused", document_id=str(self.document_id))
            self.close(RoomUnavailable())
            return
        self._committed_no = number  # the writer commits one document's flushes in their order
        self.rows_since_compaction += len(append.rows)
        self._reconciler.saved(append.seq)
        self._unsaved = {seat for seat in self._unsaved if seat.acknowledge(number)}
        metrics.COLLAB_ACK_LATENCY.observe(self._clock() - since)

    async def pack(self) -> None:
        """Let what gathered in memory become one with the rest."""
        if self.room is None or not self.room.wants_packing:
            return
        room = self.room
        try:
            packing = await self._wire.heavy.pack([Parts.one(part) for part in room.freeze()])
        except (HeavyFailed, AppError) as exc:
            log.warning("collab.packing_failed", document_id=str(self.document_id), error=type(exc).__name__)
            packing = None
        room.thaw(packing)

    # --- life

    @property
    def backlog_age_s(self) -> float:
        oldest = next(iter(self._inflight.values()), None)
        return self._clock() - oldest[1] if oldest else 0.0

    @property
    def backlog_bytes(self) -> int:
        return self._backlog_bytes

    @property
    def overloaded(self) -> bool:
        return self._backlog_bytes > self._max_backlog_bytes

    @property
    def quiet(self) -> bool:
        """Nobody sits here and nothing waits: it may be unloaded."""
        return not (self.seats or self._entries or self._inflight or self._reconciler.has_unconfirmed)

    def tick(self) -> None:
        """Once a second or so: what time alone brings."""
        now = self._clock()
        self._show(self.presences.expire(now))
        if self.presences.changed:
            self._moves.wake()
        for waiting in self._reconciler.take_overdue(now):
            self._gather(Entry(waiting.update, None, waiting.person_id, True, None))
        if self.room is not None:
            self._slow.see_to(self.room, now)
            self._reconciler.tick(self.room, now)

    def vouch(self) -> None:
        """Tell the other processes now what is committed."""
        self._reconciler.vouch()

    def close(self, error: AppError) -> None:
        """End every connection here."""
        for seat in list(self.seats):
            seat.outlet.close(error)
