"""Hides where big documents are read, cut and packed: in helper processes, for that holds the interpreter's lock.

What is small is done at once. A helper lives while there is work and IDLE_S longer; by ending it gives its memory back.
It ends with its parent too, whose socket closes. Run as a script, this is that helper: it answers requests on a socket.

request = u8 what, parts       1 pack: updates   2 read, 3 cut: update, state vector
answer  = u8 done, parts       1: update, index, the places of what is left (u32)
                               2: update without what is had, u32 where deletions begin, index
                               3: what is lacking
parts   = u32 bytes of `lengths`, u64 bytes of `data`, both (see `Parts`)
done    = 1, or 0 and one part that says why. Big endian.

Each lies in memory without a name, whose descriptor goes through a socket: 20 MB through a pipe would hold the event
loop up for as long as the work that it is spared. What comes back large is left where it lies.
"""

import asyncio
import mmap
import os
import socket
import struct
import subprocess
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from collab.errors import MalformedUpdate
from collab.parts import Bytes, Parts
from collab.room import INLINE_BYTES, Packed, Packing, cut, pack
from collab.updates import Contents, read_update

HELPERS = 2  # at most
IDLE_S = 20.0
TIMEOUT_S = 120.0
LOOK_S = 1.0
MANY = 5000  # updates: less than that are read before NumPy is loaded
NICE = 5  # behind the event loop, where they share a core
PACK, READ, CUT = 1, 2, 3
PIECE_BYTES = 1024 * 1024
_HEAD = struct.Struct("!BIQ")


class HeavyFailed(Exception):
    """The helper died, or took too long."""


@contextmanager
def scratch() -> Iterator[int]:
    """The descriptor of memory that can be given to another process."""
    descriptor = os.memfd_create("atelier")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Heavy:
    """The helpers of one event loop."""

    def __init__(self) -> None:
        self._idle: list[_Helper] = []
        self._free = asyncio.Semaphore(HELPERS)
        self._resting: asyncio.Task[None] | None = None

    async def pack(self, pages: Sequence[Parts]) -> Packing:
        """As `room.pack` for all parts of all pages. Raises: HeavyFailed, MalformedUpdate."""
        if sum(len(page.data) for page in pages) <= INLINE_BYTES:
            return pack([part for page in pages for part in page])
        update, index, left = await self._ask(PACK, pages)
        return Packing(Packed.with_index(update, bytes(index)), list(memoryview(left).cast("I")))

    async def read(self, update: bytes, state_vector: bytes) -> tuple[bytes, Contents]:
        """What of `update` one with `state_vector` lacks, and what that holds. Raises: HeavyFailed, MalformedUpdate."""
        lacking, at, index = await self._ask(READ, [Parts.one(update), Parts.one(state_vector)])
        held = Packed.with_index(b"", bytes(index))
        structs, deletions = (
            {client: list(ids.ranges(client)) for client in ids.clients()} for ids in (held.structs, held.deletions)
        )
        return bytes(lacking), Contents(structs, deletions, int.from_bytes(at))

    async def cut(self, update: Bytes, state_vector: bytes) -> Bytes:
        """What of `update` one with `state_vector` lacks. Raises: HeavyFailed, MalformedUpdate."""
        if len(update) <= INLINE_BYTES:
            return cut(bytes(update), state_vector)
        (found,) = await self._ask(CUT, [Parts.one(update), Parts.one(state_vector)])
        return found

    async def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        while self._idle:
            await self._idle.pop().end()

    async def _ask(self, what: int, pages: Sequence[Parts]) -> list[Bytes]:
        async with self._free:
            helper = self._take() or _Helper.start()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    answer = await helper.ask(what, pages)
            except BaseException as exc:  # also a cancellation: what it would answer belongs to nobody
                await helper.end()
                if isinstance(exc, TimeoutError):
                    raise HeavyFailed("timed out") from exc
                raise
            self._give(helper)
        if answer[0] == b"\x00":
            raise MalformedUpdate(bytes(answer[1]).decode())
        return answer[1:]

    def _take(self) -> "_Helper | None":
        while self._idle:
            if (helper := self._idle.pop()).alive:
                return helper
            helper.close()
        return None

    def _give(self, helper: "_Helper") -> None:
        self._idle.append(helper)
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.create_task(self._rest())

    async def _rest(self) -> None:
        await asyncio.sleep(IDLE_S)
        self._resting = None  # so that it can't be cancelled half-way
        await self.close()


class _Helper:
    """One process, which answers one request after the other."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket) -> None:
        self._process, self._line = process, line

    @classmethod
    def start(cls) -> "_Helper":
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
            command = (sys.executable, "-m", "collab.heavy", str(theirs.fileno()))
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
        ours.setblocking(False)
        return cls(process, ours)

    async def ask(self, what: int, pages: Iterable[Parts]) -> list[Bytes]:
        """First whether it is done (one byte), then the answer's parts. Raises: HeavyFailed."""
        try:
            with scratch() as request:
                for piece in _message(what, list(pages)):
                    os.write(request, piece)
                    await asyncio.sleep(0)
                socket.send_fds(self._line, [b"?"], [request])
            await self._readable()
            _, descriptors, *_ = socket.recv_fds(self._line, 1, 1)
        except OSError as exc:
            raise HeavyFailed("the helper died") from exc
        if not descriptors:
            raise HeavyFailed("the helper died")
        with os.fdopen(descriptors[0]) as file:
            answer = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        done, lengths, _ = _HEAD.unpack(answer[: _HEAD.size])
        at = _HEAD.size + lengths
        parts = Parts(answer[at:], bytes(answer[_HEAD.size : at]))
        return [bytes([done]), *(bytes(part) if len(part) <= INLINE_BYTES else part for part in parts)]

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        came: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._line, _set, came)
        try:
            while self.alive and not came.done():  # uvloop calls nobody where a socket has an error
                await asyncio.wait({came}, timeout=LOOK_S)
        finally:
            loop.remove_reader(self._line)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._line.close()

    async def end(self) -> None:
        self.close()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _message(first: int, pages: Sequence[Parts]) -> Iterator[Bytes]:
    """In pieces, none of which takes long to copy."""
    lengths = b"".join([page.lengths for page in pages])
    yield _HEAD.pack(first, len(lengths), sum(len(page.data) for page in pages))
    for whole in (lengths, *(page.data for page in pages)):
        for at in range(0, len(whole), PIECE_BYTES):
            yield memoryview(whole)[at : at + PIECE_BYTES]


def _answer(what: int, request: Parts) -> list[Bytes]:
    if what == PACK:
        packing = _pack(request)
        return [packing.packed.update, packing.packed.index(), array("I", packing.left).tobytes()]
    parts = list(map(bytes, request))
    if what == CUT:
        return [cut(*parts)]
    lacking = parts[0] if parts[1] == b"\x00" else cut(*parts)
    contents = read_update(lacking)
    held = Packed()
    held.structs.update(contents.structs)
    held.deletions.update(contents.deletions)
    return [lacking, contents.deletions_at.to_bytes(4), held.index()]


def _pack(parts: Parts) -> Packing:
    if len(parts) < MANY:
        return pack(list(parts))
    from collab.keystrokes import pack_many  # NumPy is loaded where it pays

    return pack_many(parts)


def _serve(line: socket.socket) -> None:
    while True:
        _, descriptors, *_ = socket.recv_fds(line, 1, 1)
        if not descriptors:
            return
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            what, lengths, data = _HEAD.unpack(file.read(_HEAD.size))
            parts = Parts(lengths=file.read(lengths), data=file.read(data))
        try:
            done, found = 1, Parts.of(_answer(what, parts))
        except MalformedUpdate as exc:
            done, found = 0, Parts.of([str(exc).encode()])
        with scratch() as answer:
            for piece in _message(done, [found]):
                os.write(answer, piece)
            socket.send_fds(line, [b"!"], [answer])


if __name__ == "__main__":
    os.nice(NICE)
    _serve(socket.socket(fileno=int(sys.argv[1])))
