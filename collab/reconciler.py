"""Hides how processes that hold one document come to hold the same, whatever of their messages is lost or late.

One that joins, and one whose document changed some seconds ago, says hello: what it has. Who has more answers with it,
who has less says hello in turn. What another process told us and has not yet committed may be lost with it, so it is
kept: HEAL_S later it is handed back, to be journalled by us. What is committed is told once a tick.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import structlog

from backend.core import metrics
from backend.core.errors import AppError
from collab import peers
from collab.heavy import HeavyFailed
from collab.parts import Bytes
from collab.room import Diff, Room
from collab.wire import Wire

log = structlog.get_logger()

HEAL_S = 3.0
HELLO_S = 4.0  # how often a document that changes is compared
AGAIN_S = 1.0  # from one hello to the next that only asks for what another said it has


@dataclass(slots=True)
class Unconfirmed:
    """What another process told us, by the person who made it, and has not said to be committed."""

    update: bytes
    person_id: UUID | None
    heard_at: float


class Reconciler:
    """Of one document."""

    def __init__(self, document_id: UUID, wire: Wire) -> None:
        self._document_id, self._wire = document_id, wire
        self._unconfirmed: dict[tuple[UUID, int], Unconfirmed] = {}
        self._said_at = 0.0
        self._saved_seq: int | None = None  # to be told
        self.changed = False  # since the last hello

    @property
    def has_unconfirmed(self) -> bool:
        return bool(self._unconfirmed)

    def heard(self, writer: UUID, seq: int, unconfirmed: Unconfirmed) -> None:
        self._unconfirmed[writer, seq] = unconfirmed

    def committed(self, writer: UUID, seq: int) -> None:
        """That flush of that writer and all before it are on disk."""
        for key in [key for key in self._unconfirmed if key[0] == writer and key[1] <= seq]:
            del self._unconfirmed[key]

    def saved(self, seq: int) -> None:
        """That flush of ours, and all before it."""
        self._saved_seq = seq

    def vouch(self) -> None:
        if self._saved_seq is not None:
            self._publish(peers.Committed(self._wire.writer, self._saved_seq))
            self._saved_seq = None

    def take_overdue(self, now: float) -> Iterator[Unconfirmed]:
        for key in [key for key, one in self._unconfirmed.items() if now - one.heard_at > HEAL_S]:
            metrics.COLLAB_RESYNCS.labels("heal").inc()
            yield self._unconfirmed.pop(key)

    def hello(self, room: Room, now: float, *, joining: bool = False) -> None:
        self.changed, self._said_at = False, now
        self._publish(peers.Hello(self._wire.writer, joining, room.state_vector(), room.deleted))

    def tick(self, room: Room, now: float) -> None:
        self.vouch()
        if self.changed and now - self._said_at > HELLO_S:
            self.hello(room, now)

    def answer(self, hello: peers.Hello, room: Room, now: float) -> None:
        try:
            diff = room.diff(hello.state_vector)
            lacks = room.lacks(hello.state_vector)
        except AppError as exc:
            log.warning("collab.hello_invalid", document_id=str(self._document_id), code=exc.code)
            return
        if diff.is_heavy:
            self._wire.spawn(self._answer_heavy(hello, room, diff))
        else:
            self._answer_with(hello, room, diff.updates())
        if lacks and now - self._said_at > AGAIN_S:
            self.hello(room, now)

    async def _answer_heavy(self, hello: peers.Hello, room: Room, diff: Diff) -> None:
        try:
            first = await self._wire.heavy.cut(diff.first, hello.state_vector)
        except (HeavyFailed, AppError) as exc:
            log.warning("collab.answer_failed", document_id=str(self._document_id), error=type(exc).__name__)
            return
        self._answer_with(hello, room, diff.updates(first))

    def _answer_with(self, hello: peers.Hello, room: Room, lacking: list[Bytes]) -> None:
        if all(update[:1] == b"\x00" for update in lacking) and hello.deleted == room.deleted:
            return
        metrics.COLLAB_RESYNCS.labels("answer").inc()
        for update in lacking:
            self._publish(peers.Answer(hello.sender, bytes(update)))

    def _publish(self, message: peers.PeerMessage) -> None:
        self._wire.publish(self._document_id, message)
