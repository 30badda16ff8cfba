"""A document with a wire that the test holds in its hands, and people who sit down at it."""

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pycrdt
import pytest

from backend.core import ids
from backend.core.errors import AppError
from collab import peers
from collab.heavy import Heavy
from collab.journal import Append
from collab.live import LiveDocument
from collab.outlet import nothing
from collab.parts import Bytes
from collab.ports import Grant, Mode
from collab.protocol import (
    Message,
    SyncUpdate,
    decode,
)
from collab.room import Room
from collab.seats import Seat

WINDOW_S = 0.03


def updates_of_one(count: int, *, size: int = 1) -> list[bytes]:
    """What one person makes who sets as many entries of a map, each a text of that size."""
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    for number in range(count):
        doc.get("elements", type=pycrdt.Map)[str(number)] = str(number).ljust(size, "x")
    return updates


@dataclass
class Out:
    """What one client was sent."""

    frames: list[bytes] = field(default_factory=list)
    closed: AppError | None = None
    unsent_bytes: int = 0
    _is_full: bool = False

    def __post_init__(self) -> None:
        self.on_full: Callable[[], None] = nothing

    @staticmethod
    def framing(frame: bytes) -> bytes:
        return frame

    def write(self, framed: bytes) -> None:
        self.frames.append(framed)

    send = write

    def send_long(self, head: bytes, body: Bytes) -> None:
        self.frames.append(head + body)

    @property
    def is_full(self) -> bool:
        return self._is_full

    @is_full.setter
    def is_full(self, value: bool) -> None:
        self._is_full = value
        if value:
            self.on_full()

    def close(self, error: AppError) -> None:
        self.closed = error

    def state_vector(self) -> bytes:
        """What the client holds that began with nothing and took all that it was sent."""
        return Room(updates=[m.update for m in self.messages(SyncUpdate)]).state_vector()

    def messages(self, kind: type) -> list[Any]:
        return [m for m in map(decode, self.frames) if isinstance(m, kind)]


@dataclass
class HeldWire:
    """A journal that commits when the test says so, and a broker that only notes."""

    writer: UUID = field(default_factory=ids.new_id)
    appends: list[Append] = field(default_factory=list)
    published: list[peers.PeerMessage] = field(default_factory=list)
    known: list[tuple[UUID, int]] = field(default_factory=list)
    heavy: Heavy = field(default_factory=Heavy)
    spawned: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    known_owners: dict[int, UUID | None] = field(default_factory=dict)
    seq: int = 0

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def heard(self, writer: UUID, seq: int) -> None:
        self.known.append((writer, seq))

    def append(self, append: Append) -> None:
        self.appends.append(append)

    async def owners(self, document_id: UUID, client_ids: Sequence[int]) -> dict[int, UUID | None]:
        return {client: person for client, person in self.known_owners.items() if client in client_ids}

    def is_alone(self, document_id: UUID) -> bool:
        return False

    def publish(self, document_id: UUID, message: peers.PeerMessage) -> None:
        self.published.append(message)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.spawned.append(work)

    def commit(self, saved: bool = True) -> None:
        appends, self.appends = self.appends, []
        for append in appends:
            append.done(saved)

    def told(self, kind: type) -> list[Any]:
        return [m for m in self.published if isinstance(m, kind)]


class Table:
    """A document with its wire, and people who sit down at it."""

    def __init__(self, max_backlog_bytes: int = 10_000) -> None:
        self.wire = HeldWire()
        self.now = time.monotonic()
        self.document = LiveDocument(
            ids.new_id(), ids.new_id(), self.wire, window_s=WINDOW_S, max_backlog_bytes=max_backlog_bytes,
            max_update_bytes=1024 * 1024, clock=lambda: self.now,
        )  # fmt: skip
        self.document.loaded(Room())
        self.doc: pycrdt.Doc[Any] = pycrdt.Doc()
        self._updates: list[bytes] = []
        self.doc.observe(lambda event: self._updates.append(event.update))

    @property
    def state_vector(self) -> bytes:
        assert self.document.room is not None
        return self.document.room.state_vector()

    def sit(self, mode: Mode = "write", *, status: bool = True) -> tuple[Seat, Out]:
        grant = Grant(
            ids.new_id(), "Ada", "#000000", self.document.workspace_id, self.document.document_id, 1, mode, None
        )
        out = Out()
        seat = Seat(grant, out, status)
        self.document.join(seat)
        return seat, out

    def edit(self) -> SyncUpdate:
        """The next change of a document that grows."""
        self.doc.get("elements", type=pycrdt.Map)[ids.new_id().hex] = 1
        return SyncUpdate(self._updates[-1])

    def last(self) -> bytes:
        return self._updates[-1]

    def say(self, seat: Seat, message: Message) -> None:
        if (work := self.document.receive(seat, message)) is not None:
            with pytest.raises(StopIteration):  # the wire answers at once
                work.send(None)


def edit_of_a_stranger() -> SyncUpdate:
    """A change by a client id that nobody has seen."""
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    doc.get("elements", type=pycrdt.Map)[ids.new_id().hex] = 1
    return SyncUpdate(updates[-1])
