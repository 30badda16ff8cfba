"""Hides the Yjs library: one document in memory, what it lacks and what it holds. Pure: no I/O, no clock, no Django.

Facts that shape it. Applying is idempotent and commutes. An update whose causes have not arrived waits inside the
document (pending): it is journalled though nothing shows yet, and kept here as well, for the library leaves it out of
what it encodes. The library is Rust: a panic arrives as an exception derived from BaseException and may leave the
document half changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pycrdt

from collab.errors import DocumentTooLarge, MalformedUpdate, ProtocolError, RoomBroken
from collab.protocol import EMPTY_UPDATE, read_state_vector, read_uint

MAX_MERGED = 256  # merge_updates is quadratic: 256 small updates take well under 1 ms


@dataclass(frozen=True, slots=True)
class Applied:
    """What an update did. Neither: the document knew all of it, or it waits already."""

    integrated: bool  # the document shows something new
    pending: bool  # some of it waits for causes that have not arrived

    @property
    def news(self) -> bool:
        return self.integrated or self.pending


class Room:
    """One document. Not thread-safe: one event loop owns it (it may be built in another thread)."""

    def __init__(self, parts: Iterable[bytes] = (), *, max_bytes: int = 50 * 1024 * 1024) -> None:
        """A room that holds `parts`: snapshots and updates in any order. Raises: MalformedUpdate, RoomBroken."""
        self._doc: pycrdt.Doc[Any] = pycrdt.Doc(allow_multithreading=True)
        self._seen: list[bytes] = []  # what the last update did, as the library encodes it
        self._waiting: list[bytes] = []  # updates of which a part is pending, or was
        self._subscription = self._doc.observe(self._saw)
        self.max_bytes = max_bytes
        self.size_bytes = 0  # an upper bound: what was put in, not what the document became
        for part in parts:
            self._take(part)

    def _saw(self, event: pycrdt.TransactionEvent) -> None:
        if event.update != EMPTY_UPDATE:
            self._seen.append(event.update)

    def apply(self, update: bytes) -> Applied:
        """Take an update from anywhere.

        Raises:
            MalformedUpdate: unreadable; the document is as before.
            DocumentTooLarge: it might not fit; the document is as before.
            RoomBroken: the library panicked; load the document anew and let its sender go.
        """
        if self.size_bytes + len(update) > self.max_bytes:
            raise DocumentTooLarge
        return self._take(update)

    def _take(self, update: bytes) -> Applied:
        if update == EMPTY_UPDATE or update in self._waiting:
            return Applied(integrated=False, pending=False)
        self._apply(update)
        # Mostly the library saw exactly what came; anything else may be in part what is known, or wait in part.
        pending = self._seen != [update] and self._waits(update)
        if pending:
            self._waiting.append(update)
            if len(self._waiting) >= MAX_MERGED:
                self._waiting = merge(self._still_waiting())
        applied = Applied(integrated=bool(self._seen), pending=pending)
        self.size_bytes += len(update) if applied.news else 0
        return applied

    def _apply(self, update: bytes) -> None:
        self._seen.clear()
        try:
            self._doc.apply_update(update)
        except ValueError as exc:
            raise MalformedUpdate from exc
        except BaseException as exc:
            if not is_panic(exc):
                raise
            raise RoomBroken from exc

    def _waits(self, update: bytes) -> bool:
        """Whether `update`, which was applied, holds structs or deletions that the document has no place for yet."""
        lacking = _guarded(pycrdt.get_update, update, self._doc.get_state())
        if lacking[:1] != b"\x00":
            return True
        clocks = read_state_vector(self._doc.get_state())
        return any(end > clocks.get(client, 0) for client, end in _deletions(lacking))

    def _still_waiting(self) -> list[bytes]:
        self._waiting = [update for update in self._waiting if self._waits(update)]
        return self._waiting

    def would_add(self, update: bytes) -> bool:
        """Whether `update` holds structs that the document lacks; it is not applied. Raises: MalformedUpdate."""
        return update != EMPTY_UPDATE and _guarded(pycrdt.get_update, update, self._doc.get_state())[:1] != b"\x00"

    def lacks(self, state_vector: bytes) -> bool:
        """Whether one with `state_vector` holds structs that the document lacks. Raises: ProtocolError."""
        ours = read_state_vector(self._doc.get_state())
        return any(clock > ours.get(client, 0) for client, clock in read_state_vector(state_vector).items())

    def state_vector(self) -> bytes:
        return self._doc.get_state()

    def diff(self, state_vector: bytes) -> bytes:
        """What one with `state_vector` lacks: structs, and all deletions. Raises: ProtocolError."""
        return self._with_waiting(_guarded(self._doc.get_update, state_vector))

    def snapshot(self) -> bytes:
        """The whole document, pending updates included."""
        return self._with_waiting(self._doc.get_update())

    def _with_waiting(self, update: bytes) -> bytes:
        waiting = self._still_waiting()
        return _guarded(pycrdt.merge_updates, update, *waiting) if waiting else update


def merge(updates: list[bytes]) -> list[bytes]:
    """The same in fewer updates: one for each MAX_MERGED. Raises: MalformedUpdate."""
    if len(updates) <= 1:
        return updates
    return [
        _guarded(pycrdt.merge_updates, *updates[start : start + MAX_MERGED])
        for start in range(0, len(updates), MAX_MERGED)
    ]


def is_panic(exc: BaseException) -> bool:
    return type(exc).__module__ == "pyo3_runtime"


def _guarded(function: Any, *args: bytes) -> bytes:
    try:
        return bytes(function(*args))
    except ValueError as exc:
        raise MalformedUpdate from exc
    except BaseException as exc:
        if not is_panic(exc):
            raise
        raise MalformedUpdate from exc


def _deletions(update: bytes) -> list[tuple[int, int]]:
    """(client, end clock) of each range that `update`, which has no structs, deletes."""
    try:
        count, at = read_uint(update, 1)
        ends = []
        for _ in range(count):
            client, at = read_uint(update, at)
            ranges, at = read_uint(update, at)
            for _ in range(ranges):
                clock, at = read_uint(update, at)
                length, at = read_uint(update, at)
                ends.append((client, clock + length))
    except ProtocolError as exc:
        raise MalformedUpdate from exc
    return ends
