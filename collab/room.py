"""Hides how a document lies in memory: as the bytes of its updates, and which ids those hold. Pure: no I/O, no clock.

The Yjs library is not asked to build the document. Built, it takes forty times the bytes and holds the interpreter's
lock for half a second at 20 MB; and nothing that a server does with a document needs it: to know what is news, which
ids an update holds is enough; to tell a client what it lacks, updates are cut and joined as bytes.

    base     one update, packed: what was deleted has lost its content, neighbours are one
    tail     updates since, in the order in which they came, each only what was news, so no id is in two of them
    frozen   the part of the tail that is just being packed (elsewhere: `collab.heavy`)

An update whose causes have not arrived is held like any other.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pycrdt

from collab.errors import DocumentTooLarge, MalformedUpdate
from collab.idset import IdSet
from collab.parts import Bytes
from collab.protocol import EMPTY_UPDATE, read_state_vector, read_uint, write_uint
from collab.updates import Contents, Ranges, read_update, write_deletions

MAX_MERGED = 256  # merge_updates is quadratic: 256 small updates take well under 1 ms
PACK_BYTES = 32 * 1024  # a shorter tail is not worth packing
INLINE_BYTES = 64 * 1024  # of a base that is cut on the event loop: at most 2 ms


@dataclass(frozen=True, slots=True)
class Packed:
    """A document at rest: one update, and what it holds."""

    update: Bytes = EMPTY_UPDATE
    structs: IdSet = field(default_factory=IdSet)
    deletions: IdSet = field(default_factory=IdSet)

    def index(self) -> bytes:
        """What it holds, so that nobody need read the update for it."""
        return self.structs.encode() + self.deletions.encode()

    def holds(self, contents: Contents) -> bool:
        return self.structs.covers_all(contents.structs) and self.deletions.covers_all(contents.deletions)

    @classmethod
    def with_index(cls, update: Bytes, index: bytes) -> "Packed":
        structs, at = IdSet.decode(index)
        return cls(update, structs, IdSet.decode(index, at)[0])


@dataclass(frozen=True, slots=True)
class Packing:
    """What came of packing updates: one that holds them, and which are left, by their places.

    Those wait for causes that have not arrived, or are forged so that the library can't integrate them.
    """

    packed: Packed
    left: list[int]


@dataclass(frozen=True, slots=True)
class Diff:
    """What somebody lacks: what is left of `first` when it is cut by the state vector, where there is one, and more."""

    first: Bytes
    state_vector: bytes | None
    more: list[bytes]

    @property
    def is_heavy(self) -> bool:
        """Whether cutting would hold up the event loop."""
        return self.state_vector is not None and len(self.first) > INLINE_BYTES

    def updates(self, first: Bytes | None = None) -> list[Bytes]:
        """In their order, at least one; `first` is what was cut elsewhere. Raises: MalformedUpdate."""
        if first is None:
            first = self.first if self.state_vector is None else cut(bytes(self.first), self.state_vector)
        return [one for one in (first, *self.more) if one != EMPTY_UPDATE] or [EMPTY_UPDATE]


class Room:
    """One document. Not thread-safe: one event loop owns it."""

    def __init__(
        self, base: Packed | None = None, updates: Iterable[bytes] = (), *, max_bytes: int = 50 * 1024 * 1024
    ) -> None:
        """With `updates` that were taken before, so that no limit holds them off. Raises: MalformedUpdate."""
        self._base = base or Packed()
        self._structs, self._deletions = self._base.structs.copy(), self._base.deletions.copy()
        self._frozen: list[bytes] = []
        self._tail: list[bytes] = []
        self._base_deletions: bytes | None = None
        self._left_bytes = 0  # of the tail: what the last packing left
        self.max_bytes = sys.maxsize
        self.size_bytes = len(self._base.update)
        for update in updates:
            self.apply(update)
        self.max_bytes = max_bytes

    def apply(self, update: bytes, contents: Contents | None = None) -> bytes:
        """Take an update from anywhere, of which `contents` was read; what of it is news, EMPTY_UPDATE for nothing.

        Raises:
            MalformedUpdate: unreadable; the document is as before.
            DocumentTooLarge: it might not fit; the document is as before.
        """
        contents = contents or read_update(update)
        news = self._news(update, contents)
        if news != EMPTY_UPDATE:
            if self.size_bytes + len(news) > self.max_bytes:
                raise DocumentTooLarge
            self._structs.update(contents.structs)
            self._deletions.update(contents.deletions)
            self._tail.append(news)
            self.size_bytes += len(news)
        return news

    def _news(self, update: bytes, contents: Contents) -> bytes:
        """`update` without the structs and deletions that the document holds."""
        if contents.structs and not contents.deletions and self._structs.is_before(contents.structs):
            return update  # what a client mostly does: it goes on
        structs = update[: contents.deletions_at]
        if self._structs.covers_all(contents.structs):
            structs = b"\x00"
        elif self._knows_any(contents):
            # Trimmed, so that no id comes twice: the library's merging is only safe then.
            trimmed = cut(update, self.state_vector())
            structs = trimmed[: read_update(trimmed).deletions_at]
        return structs + write_deletions(self._new_deletions(contents))

    def _knows_any(self, contents: Contents) -> bool:
        return any(self._structs.touches(client, *one) for client, some in contents.structs.items() for one in some)

    def knows(self, client: int) -> bool:
        """Whether it holds anything under that client id."""
        return client in self._structs

    def _new_deletions(self, contents: Contents) -> dict[int, Ranges]:
        found: dict[int, Ranges] = {}
        for client, ranges in contents.deletions.items():
            if new := [one for one in ranges if not self._deletions.covers(client, *one)]:
                found[client] = new
        return found

    def holds(self, contents: Contents) -> bool:
        """Whether the document has all of it already."""
        return self._structs.covers_all(contents.structs) and self._deletions.covers_all(contents.deletions)

    def lacks(self, state_vector: bytes) -> bool:
        """Whether one with `state_vector` holds structs that the document lacks. Raises: ProtocolError."""
        return any(clock > self._structs.first_gap(client) for client, clock in read_state_vector(state_vector).items())

    def state_vector(self, *, before: Iterable[bytes] = ()) -> bytes:
        """Of one who holds all of this, or all but the updates `before` which it was."""
        clocks = {client: self._structs.first_gap(client) for client in self._structs.clients()}
        for update in before:
            for client, ranges in read_update(update).structs.items():
                clocks[client] = min(clocks[client], ranges[0][0])
        parts = [write_uint(sum(map(bool, clocks.values())))]
        for client, clock in clocks.items():
            if clock:
                parts += (write_uint(client), write_uint(clock))
        return b"".join(parts)

    # --- what others lack

    def diff(self, state_vector: bytes) -> "Diff":
        """What one with `state_vector` lacks. Raises: ProtocolError."""
        clocks = read_state_vector(state_vector)
        base = self._base
        if all(clocks.get(client, 0) >= base.structs.end(client) for client in base.structs.clients()):
            if self._base_deletions is None:
                ranges = {client: base.deletions.ranges(client) for client in base.deletions.clients()}
                self._base_deletions = b"\x00" + write_deletions(ranges)
            first: Bytes = self._base_deletions
            must_cut = False
        else:
            first, must_cut = base.update, not clocks.keys().isdisjoint(base.structs.clients())
        if not self._frozen:  # those are counted
            self._tail = merge(self._tail)
        return Diff(first, state_vector if must_cut else None, merge(self._frozen) + merge(self._tail))

    def snapshot(self) -> list[bytes]:
        """The whole document, as updates."""
        return list(map(bytes, self.diff(b"\x00").updates()))

    # --- packing

    @property
    def deleted(self) -> int:
        """How many ids are deleted: two that hold the same structs and differ here differ in deletions."""
        return len(self._deletions)

    @property
    def wants_packing(self) -> bool:
        loose = self.size_bytes - len(self._base.update) - self._left_bytes
        return not self._frozen and loose > max(PACK_BYTES, len(self._base.update) // 2)

    def freeze(self) -> list[Bytes]:
        """All updates so far, to be packed."""
        self._frozen, self._tail = self._tail, []
        return [self._base.update, *self._frozen]

    def thaw(self, packing: Packing | None) -> None:
        """Go on with what became of `freeze`; None: it failed, or its document is not the one that it was."""
        left = self._frozen
        if packing is not None and 0 not in packing.left:
            self._base, self._base_deletions = packing.packed, None
            left = [self._frozen[number - 1] for number in packing.left]
        self._left_bytes = sum(map(len, left))
        self._frozen, self._tail = [], left + self._tail
        self.size_bytes = len(self._base.update) + sum(map(len, self._tail))


def pack(parts: Sequence[Bytes], read: Sequence[Contents] | None = None) -> Packing:
    """One update that holds `parts`, as the library writes a document that it has built. Raises: MalformedUpdate.

    `read`: what the parts hold, where it is known.
    """
    sound = list(map(bytes, parts))
    read = [read_update(part) for part in sound] if read is None else read
    packing = _packing(build(sound), read)
    if packing.left:  # yrs forgets to look again at what waited, unless all comes at once
        packing = _packing(build(merge_all(sound)), read)
    return packing


def _packing(document: "pycrdt.Doc[Any]", read: Sequence[Contents]) -> Packing:
    packed = _packed(document, read)
    return Packing(packed, [number for number, contents in enumerate(read) if not packed.holds(contents)])


def _packed(document: "pycrdt.Doc[Any]", read: Iterable[Contents]) -> Packed:
    """A document that was built of what was `read`. Its update is read only where something of it waits."""
    update, state_vector = document.get_update(), document.get_state()
    structs, deletions = IdSet(), IdSet()
    for contents in read:
        structs.update(contents.structs)
    clocks = read_state_vector(state_vector)
    if all(clocks.get(client, 0) == structs.first_gap(client) == structs.end(client) for client in structs.clients()):
        deletions.update(read_update(document.get_update(state_vector)).deletions)
    else:
        contents, structs = read_update(update), IdSet()
        structs.update(contents.structs)
        deletions.update(contents.deletions)
    return Packed(update, structs, deletions)


def build(parts: list[bytes], **options: Any) -> "pycrdt.Doc[Any]":
    """The library's document of `parts`, from which those are taken out that it can't integrate."""
    while True:
        document: pycrdt.Doc[Any] = pycrdt.Doc(**options)
        at = 0
        try:
            with document.transaction():
                for at, part in enumerate(parts):  # noqa: B007 - it is used where this fails
                    document.apply_update(part)
        except BaseException as exc:
            if not isinstance(exc, ValueError | RuntimeError) and not is_panic(exc):
                raise
            del parts[at]
        else:
            return document


def merge_all(updates: list[bytes]) -> list[bytes]:
    """All in one, or none. Raises: MalformedUpdate."""
    while len(updates) > 1:
        updates = merge(updates)
    return updates


def cut(update: bytes, state_vector: bytes) -> bytes:
    """What of `update` one with `state_vector` lacks: structs, and all deletions. Raises: MalformedUpdate."""
    return _guarded(pycrdt.get_update, update, state_vector)


def merge(updates: list[bytes], read: Sequence[Contents | None] = ()) -> list[bytes]:
    """The same in fewer updates: one for each MAX_MERGED. Raises: MalformedUpdate.

    `read`: what they hold, of each, where it is known.
    """
    if len(updates) <= 1:
        return updates
    if read and (joined := _join(updates, read)):
        return [joined]
    return [
        _guarded(pycrdt.merge_updates, *updates[start : start + MAX_MERGED])
        for start in range(0, len(updates), MAX_MERGED)
    ]


def _join(updates: Iterable[bytes], read: Iterable[Contents | None]) -> bytes | None:
    """One of several that have no client in common, neither in structs nor in deletions: else None.

    That is what people make who write at the same time; the library would read and write each struct for it.
    """
    clients: dict[int, Ranges] = {}
    deleted: dict[int, Ranges] = {}
    structs, deletions = [b""], [b""]
    count = deletions_count = 0
    for update, contents in zip(updates, read, strict=True):
        if contents is None:
            return None
        of_update, at = read_uint(update, 0)
        end = contents.deletions_at
        if of_update != len(contents.structs) or not clients.keys().isdisjoint(contents.structs):
            return None  # the first: of some client it holds a gap alone
        clients.update(contents.structs)
        structs.append(update[at:end])
        count += of_update
        if contents.deletions:
            of_update, at = read_uint(update, end)
            if of_update != len(contents.deletions) or not deleted.keys().isdisjoint(contents.deletions):
                return None
            deleted.update(contents.deletions)
            deletions.append(update[at:])
            deletions_count += of_update
    structs[0], deletions[0] = write_uint(count), write_uint(deletions_count)
    return b"".join(structs + deletions)


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
