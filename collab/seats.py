"""Hides what the server owes one socket on a document: how much of what it sent is saved, and what was refused. Pure.

An acknowledgement counts data frames. Each is tied to the flush that holds it, or, where it brought nothing new, to all
that came before it; a commit acknowledges the frames of its flush. Once a frame was refused nothing after it counts as
saved, until the client returns all that it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backend.core import ids, metrics
from backend.core.errors import AppError
from collab.parts import Bytes
from collab.ports import Grant
from collab.presence import User
from collab.protocol import STEP_2, SYNC, UPDATE, Denied, Status, encode, write_uint
from collab.room import INLINE_BYTES
from collab.updates import Contents

Reason = Literal["read-only", "foreign-client"]


class Outlet(Protocol):
    """The way to one client. Neither call blocks."""

    on_full: Callable[[], None]  # called when it becomes full

    @property
    def framing(self) -> Callable[[bytes], bytes]: ...  # makes of a frame what is written; the same for many
    @property
    def write(self) -> Callable[[bytes], None]: ...  # not to be called once the client has left
    @property
    def is_full(self) -> bool: ...  # so much waits to be read by the client that no more should be sent
    @property
    def unsent_bytes(self) -> int: ...
    def send(self, frame: bytes) -> None: ...
    def send_long(self, head: bytes, body: Bytes) -> None: ...  # the same for both in a row; the body is not copied
    def close(self, error: AppError) -> None: ...


@dataclass(slots=True, eq=False)
class Seat:
    """One socket on a document."""

    grant: Grant
    outlet: Outlet
    wants_status: bool = False
    hears_stateless: bool = False
    read_no: int = 0  # of the reading that the grant is from: an older one may end later
    clients: set[int] = field(default_factory=set)  # Yjs client ids that are known to be this person's
    refused: Reason | None = None  # why a data frame was, that was not returned since
    _received: int = 0  # data frames
    _saved: int = 0
    _waiting: deque[tuple[int, int]] = field(default_factory=deque)  # (flush, data frames received by then)

    @property
    def user(self) -> User:
        return User(ids.show("per", self.grant.person_id), self.grant.name, self.grant.colour)

    def made(self, contents: Contents) -> bool:
        """Whether all structs of it are under client ids that are known to be this person's."""
        return self.clients.issuperset(contents.structs)

    def bring(self, updates: Sequence[Bytes]) -> None:
        """Answer a step 1: a stock client is in sync when the step 2 comes, so that goes last."""
        *first, last = updates
        self.tell(first)
        self._send(STEP_2, last)

    def tell(self, updates: Iterable[Bytes]) -> None:
        for update in updates:
            self._send(UPDATE, update)

    def _send(self, step: int, update: Bytes) -> None:
        head = bytes((SYNC, step)) + write_uint(len(update))
        if len(update) > INLINE_BYTES:
            self.outlet.send_long(head, update)
        else:
            self.outlet.send(head + update)

    def count(self) -> None:
        """One data frame more has come."""
        self._received += 1

    def wait_for(self, flush: int, *, saved: int) -> bool:
        """What has come by now is saved with `flush`; all flushes up to `saved` are. Whether anything waits."""
        if self.wants_status and self.refused is None:
            self._waiting.append((flush, self._received))
            return flush > saved or self.acknowledge(saved)
        return False

    def acknowledge(self, saved: int) -> bool:
        """All flushes up to `saved` are on disk. Whether anything waits for another."""
        before = self._saved
        while self._waiting and self._waiting[0][0] <= saved:
            self._saved = self._waiting.popleft()[1]
        if self._saved != before:
            self.outlet.send(encode(Status(self._saved)))
        return bool(self._waiting)

    def refuse(self, reason: Reason) -> None:
        self.refused = reason
        metrics.COLLAB_REFUSALS.labels(reason.replace("-", "_")).inc()
        self.outlet.send(encode(Denied(reason)))
