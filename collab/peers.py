"""Hides Valkey: how the processes that hold one document tell each other what happens. Delivery is best effort.

One channel a document, one message a flush. Messages get lost whenever a connection breaks, so each (re)subscription is
reported: the room then asks the others for what it lacks. A process that is alone on a document, by Valkey's count of
who heard its last message, says nothing more of it until another says hello, or is counted. Its own messages come back
to it, and are dropped unread.

message = varUint kind, body
1 flush      writer 16 bytes, varUint seq, varUint committed (0 or 1), author 16 bytes (zeros: nobody), varBytes update,
             varString traceparent (of an edit that the server made; empty for a person's)
2 committed  writer 16 bytes, varUint seq: this flush of that writer and all before it, in this document, are on disk
3 presence   sender 16 bytes, varBytes awareness
4 hello      sender 16 bytes, varUint joining (0 or 1), varBytes state vector, varUint how many ids are deleted: asks
             for what it lacks
5 answer     receiver 16 bytes, varBytes update
6 stateless  sender 16 bytes, varBytes text
"""

import asyncio
import json
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import structlog
from django.conf import settings

from backend.core import metrics
from collab.broker import AWAY, Broker, connected
from collab.errors import ProtocolError
from collab.ports import Scope
from collab.protocol import Presence, read_bytes, read_presences, read_uint, write_bytes, write_presences, write_uint

log = structlog.get_logger()

ACCESS_CHANNEL = b"collab:access"
_SCOPE = ("workspace_id", "person_id", "document_id")
SUBSCRIBE_S = 1.0  # how long a room waits for its subscription: with Valkey away it opens without
RETRY_S = 0.3
RECOUNT_S = 10.0  # only presence waits for it: what others commit is found in the journal
_ANSWER = b"\x05"
NOBODY = UUID(int=0)


def channel(document_id: UUID) -> str:
    return f"collab:document:{document_id}"


@dataclass(slots=True)  # made for each flush: a frozen one takes four times as long
class Flush:
    writer: UUID
    seq: int
    committed: bool
    person_id: UUID | None
    update: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    writer: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class Presences:
    sender: UUID
    entries: tuple[Presence, ...]


@dataclass(frozen=True, slots=True)
class Hello:
    sender: UUID
    joining: bool
    state_vector: bytes
    deleted: int  # how many ids


@dataclass(frozen=True, slots=True)
class Answer:
    receiver: UUID
    update: bytes


@dataclass(frozen=True, slots=True)
class Stateless:
    """Of a client to all others; it changes nothing."""

    sender: UUID
    text: bytes


PeerMessage: TypeAlias = Flush | Committed | Presences | Hello | Answer | Stateless


def encode(message: PeerMessage) -> bytes:
    match message:
        case Flush(writer, seq, committed, person_id, update, traceparent):
            head = b"\x01" + writer.bytes + write_uint(seq) + write_uint(committed)
            tail = write_bytes(update) + write_bytes((traceparent or "").encode())
            return head + (person_id or NOBODY).bytes + tail
        case Committed(writer, seq):
            return b"\x02" + writer.bytes + write_uint(seq)
        case Presences(sender, entries):
            return b"\x03" + sender.bytes + write_bytes(write_presences(entries))
        case Hello(sender, joining, state_vector, deleted):
            return b"\x04" + sender.bytes + write_uint(joining) + write_bytes(state_vector) + write_uint(deleted)
        case Answer(receiver, update):
            return b"\x05" + receiver.bytes + write_bytes(update)
        case Stateless(sender, text):
            return b"\x06" + sender.bytes + write_bytes(text)


def decode(data: bytes) -> PeerMessage:
    """Raises: ProtocolError."""
    kind, at = read_uint(data, 0)
    if len(data) < at + 16:
        raise ProtocolError("A message between processes is cut off.")
    who, at = _uuid(data[at : at + 16]), at + 16
    if kind == 3:
        return Presences(who, read_presences(read_bytes(data, at)[0]))
    if kind == 5:
        return Answer(who, read_bytes(data, at)[0])
    if kind == 6:
        return Stateless(who, read_bytes(data, at)[0])
    number, at = read_uint(data, at)
    if kind == 2:
        return Committed(who, number)
    if kind == 4:
        state_vector, at = read_bytes(data, at)
        return Hello(who, bool(number), state_vector, read_uint(data, at)[0])
    if kind != 1 or len(data) < at + 17:
        raise ProtocolError("A message between processes is of no kind that we know.")
    committed, at = read_uint(data, at)
    person_id = _uuid(data[at : at + 16])
    update, at = read_bytes(data, at + 16)
    traceparent = read_bytes(data, at)[0].decode(errors="replace") or None
    return Flush(who, number, bool(committed), person_id if person_id != NOBODY else None, update, traceparent)


@lru_cache(4096)
def _uuid(value: bytes) -> UUID:
    """The same few again and again: to make one costs as much as to read all the rest of a message."""
    return UUID(bytes=value)


class Listener(Protocol):
    """What the hub does with what is heard."""

    @property
    def writer(self) -> UUID: ...  # this process
    def peer_message(self, document_id: UUID, message: PeerMessage) -> None: ...
    def subscribed(self, document_id: UUID) -> None: ...
    def access_changed(self, scope: Scope) -> None: ...


class Peers:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._own = listener.writer.bytes
        self._documents: dict[bytes, UUID] = {}
        self._confirmed: dict[UUID, asyncio.Event] = {}
        self._broker: Broker | None = None  # while it is connected
        self._alone: set[UUID] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        self._tasks = [
            asyncio.create_task(self._listen(), name="collab.peers.listen"),
            asyncio.create_task(self._look_for_others(), name="collab.peers.look"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        _, stuck = await asyncio.wait(self._tasks, timeout=2.0)
        if stuck:
            log.warning("collab.peers_stuck", tasks=[task.get_name() for task in stuck])

    async def subscribe(self, document_id: UUID) -> bool:
        """Hear of a document from now on; False when Valkey did not confirm in time (it will be tried on)."""
        self._documents[_channel(document_id)] = document_id
        confirmed = self._confirmed.setdefault(document_id, asyncio.Event())
        if self._broker is not None:
            self._broker.subscribe(_channel(document_id))
        try:
            async with asyncio.timeout(SUBSCRIBE_S):
                await confirmed.wait()
        except TimeoutError:
            return False
        return True

    def unsubscribe(self, document_id: UUID) -> None:
        self._documents.pop(_channel(document_id), None)
        self._confirmed.pop(document_id, None)
        self._alone.discard(document_id)
        if self._broker is not None:
            self._broker.unsubscribe(_channel(document_id))

    def publish(self, document_id: UUID, message: PeerMessage) -> None:
        """Best effort: not while Valkey is away. What nobody would hear is not said."""
        joins = isinstance(message, Hello) and message.joining
        if self._broker is not None and (joins or not self.is_alone(document_id)):
            self._broker.publish(_channel(document_id), encode(message), partial(self._count, document_id))

    def is_alone(self, document_id: UUID) -> bool:
        """Whether no other process hears of the document, as far as we know."""
        return document_id in self._alone

    def _count(self, document_id: UUID, listeners: int) -> None:
        """Valkey tells in order: whoever came later is heard later."""
        if listeners > 1 or _channel(document_id) not in self._documents:
            self._alone.discard(document_id)
        else:
            self._alone.add(document_id)

    async def _look_for_others(self) -> None:
        """Where we were alone: their hello may have been lost."""
        while True:
            await asyncio.sleep(RECOUNT_S)
            if self._alone and self._broker is not None:
                self._broker.listeners([_channel(document_id) for document_id in self._alone], self._recount)

    def _recount(self, counts: list[Any]) -> None:
        for name, listeners in zip(counts[::2], counts[1::2], strict=True):
            document_id = self._documents.get(name)
            if document_id is not None and listeners > 1:
                self._alone.discard(document_id)
                self._listener.subscribed(document_id)

    async def _listen(self) -> None:
        while True:
            try:
                async with connected(settings.VALKEY_URL, self._hear, self._subscribed) as self._broker:
                    self._broker.subscribe(ACCESS_CHANNEL, *self._documents)
                    await self._broker.ended
            except AWAY as exc:
                metrics.VALKEY_ERRORS.labels("collab").inc()
                log.warning("collab.peers_away", error=type(exc).__name__)
            except Exception:  # this task's edge: a fault of the client must not end all listening
                log.exception("collab.peers_failed")
            self._broker = None
            self._alone.clear()
            await asyncio.sleep(RETRY_S)

    def _subscribed(self, name: bytes) -> None:
        """Also after each reconnect, which may follow a gap."""
        if document_id := self._documents.get(name):
            self._confirmed.setdefault(document_id, asyncio.Event()).set()
            self._listener.subscribed(document_id)

    def _hear(self, name: bytes, data: bytes) -> None:
        if name == ACCESS_CHANNEL:
            return self._hear_access(data)
        document_id = self._documents.get(name)
        if document_id is None or (data[1:17] == self._own) != (data[:1] == _ANSWER):
            return None  # our own, or another's answer to another
        try:
            message = decode(data)
        except ProtocolError:
            log.warning("collab.peer_message_invalid", document_id=str(document_id))
            return None
        self._alone.discard(document_id)
        return self._listener.peer_message(document_id, message)

    def _hear_access(self, data: bytes) -> None:
        try:
            said = json.loads(data)
            ids = [UUID(said[name]) if said.get(name) else None for name in _SCOPE]
        except (ValueError, AttributeError, TypeError):
            log.warning("collab.access_message_invalid")
            return
        self._listener.access_changed(Scope(*ids))


def _channel(document_id: UUID) -> bytes:
    return channel(document_id).encode()
